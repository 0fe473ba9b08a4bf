import type { LeaderStart, LeaderTerms } from '@millrace/broker/core/partition/partition-leader'

export type LeaderChanges = Partial<LeaderStart & LeaderTerms>

/** Broker 1 leads epoch 5 of an empty log, alone unless told otherwise; lag time 100 ms, epoch of the broker 10. */
export const leaderStart = (changes: LeaderChanges = {}): LeaderStart & LeaderTerms => ({
  brokerId: 1,
  leaderEpoch: 5,
  partitionEpoch: 9,
  inSyncReplicas: [1],
  replicas: [1],
  highWatermark: 0,
  logEndOffset: 0,
  nextOffset: changes.logEndOffset ?? 0,
  nowMs: 0,
  requiresBrokerEpoch: true,
  attemptLifetimeMs: 1000,
  minInSyncReplicas: () => 1,
  replicaLagTimeMaxMs: () => 100,
  isBrokerAlive: () => true,
  brokerEpoch: () => 10,
  ...changes,
})

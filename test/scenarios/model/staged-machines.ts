/** Machines of one partition in the situations that rules begin with. */
import { strict as assert } from 'node:assert'
import { ErrorCode } from '@millrace/protocol/errors'
import type { CommittedIsr, IsrAttempt, IsrProposal } from '@millrace/broker/core/partition/in-sync-set'
import type { FetchAnswer, FetchStep, PartitionFollower } from '@millrace/broker/core/partition/partition-follower'
import type { PartitionLeader } from '@millrace/broker/core/partition/partition-leader'
import { leaderStart, type LeaderChanges } from '@millrace/testing/replication/leader-start'
import type { Machines } from './machines.ts'
import { ModelLog } from './world.ts'

/** For an attempt that any controller may write. */
export const anyController = -1
/** Sent and answered in the same moment. */
export const sent = (sentAtMs: number, controllerEpoch: number): IsrAttempt => ({ sentAtMs, controllerEpoch })

export const stored = (inSyncReplicas: readonly number[], partitionEpoch: number): CommittedIsr => ({
  leaderEpoch: 5,
  partitionEpoch,
  inSyncReplicas,
})
export const member = (brokerId: number): { brokerId: number; brokerEpoch: number } => ({
  brokerId,
  brokerEpoch: brokerId * 10,
})
export const ids = (proposal: IsrProposal): number[] => proposal.inSyncReplicas.map(({ brokerId }) => brokerId)

/** Broker 1 leads epoch 5 of replicas 1 to 3; lag time 100 ms; broker epochs are ten times the id. */
export function leaderOf(
  machines: Machines,
  changes: LeaderChanges = {},
): {
  leader: PartitionLeader
  proposals: IsrProposal[]
  advances: number[]
  began: [number, number][]
  notes: string[]
  fetch: (brokerId: number, fetchOffset: number, nowMs: number, brokerEpoch?: number) => void
} {
  const proposals: IsrProposal[] = []
  const advances: number[] = []
  const began: [number, number][] = []
  const notes: string[] = []
  const options = leaderStart({ inSyncReplicas: [1, 2, 3], replicas: [1, 2, 3], ...changes })
  const leader = new machines.PartitionLeader(options, options, {
    leaderEpochBegan: (epoch, startOffset) => began.push([epoch, startOffset]),
    highWatermarkAdvanced: offset => advances.push(offset),
    inSyncReplicasProposed: proposal => proposals.push(proposal),
  })
  leader.onElected(0)
  const fetch = (brokerId: number, fetchOffset: number, nowMs: number, brokerEpoch = brokerId * 10): void => {
    notes.push(
      leader.onFollowerFetch({ brokerId, brokerEpoch, fetchOffset, logStartOffset: 0 }, leader.logEndOffset, nowMs),
    )
  }
  return { leader, proposals, advances, began, notes, fetch }
}

export const nothing: FetchAnswer = {
  errorCode: ErrorCode.NONE,
  highWatermark: 1,
  logStartOffset: 0,
  divergingEpoch: { leaderEpoch: -1, endOffset: -1 },
}

/** Broker 2 follows broker 1 in epoch 7, with three records: of epochs 1, 3 and 5. */
export function followerOf(
  machines: Machines,
  truncatesOnFetch = true,
): { follower: PartitionFollower; log: ModelLog; ask: () => FetchStep } {
  const log = new ModelLog([], 0, new machines.LeaderEpochCache())
  log.append([1 << 3, 3 << 3, 5 << 3])
  const follower = new machines.PartitionFollower(
    { brokerId: 2, leaderId: 1, leaderEpoch: 7, truncatesOnFetch, backoffMs: 10 },
    log,
  )
  const ask = (): FetchStep => {
    const step = follower.next(0)
    assert.ok(step.kind === 'fetch')
    return step
  }
  return { follower, log, ask }
}

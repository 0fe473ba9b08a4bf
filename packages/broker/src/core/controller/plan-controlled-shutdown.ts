import { ErrorCode } from '@millrace/protocol/errors'
import type { ControllerState } from './controller-state.ts'
import type { PartitionContext } from './partition-context.ts'
import { changePartitions, nameOf } from './partition-states.ts'
import { note, send } from './plan-step.ts'
import type { PartitionName, Plan } from './plan-step.ts'
import { changeReplicas } from './replica-states.ts'
import { RequestBatch } from './request-batch.ts'

export interface ShutdownAnswer {
  readonly errorCode: number
  /** What the broker still leads although others hold replicas of it: it should ask again. */
  readonly remaining: readonly PartitionName[]
}

/**
 * A broker wants to stop: what it leads is led by others first, then it leaves the ISRs of what it follows. Until its
 * registration is gone it is told everything, but elected for nothing and let into no ISR (reference 2.9).
 * `brokerEpoch` -1 is not checked: requests of before KIP-380.
 */
export function* planControlledShutdown(
  state: ControllerState,
  brokerId: number,
  brokerEpoch: number,
): Plan<ShutdownAnswer> {
  const broker = state.brokers.get(brokerId)
  if (broker === undefined) return { errorCode: ErrorCode.BROKER_NOT_AVAILABLE, remaining: [] }
  if (brokerEpoch !== -1 && brokerEpoch < broker.epoch)
    return { errorCode: ErrorCode.STALE_BROKER_EPOCH, remaining: [] }
  yield* note('info', 'broker shuts down', { brokerId })
  state.shuttingDown.add(brokerId)
  const { led, followed } = replicatedOn(state, brokerId)
  yield* changePartitions(state, led, 'online', 'controlled-shutdown')
  const batch = new RequestBatch(state)
  for (const partition of followed) batch.addStopReplica([brokerId], partition, false)
  yield* send(batch.requests())
  yield* changeReplicas(
    state,
    followed.map(partition => ({ partition, brokerId })),
    'offline',
  )
  const remaining = replicatedOn(state, brokerId).led.map(nameOf)
  if (remaining.length > 0) yield* note('warn', 'broker still leads partitions', { brokerId, count: remaining.length })
  return { errorCode: ErrorCode.NONE, remaining }
}

/** Partitions on the broker that others hold too. With one replica there is nobody to hand over to. */
function replicatedOn(
  state: ControllerState,
  brokerId: number,
): { readonly led: PartitionContext[]; readonly followed: PartitionContext[] } {
  const led: PartitionContext[] = []
  const followed: PartitionContext[] = []
  for (const partition of state.partitions()) {
    const { assignment, leadership, topic } = partition
    if (leadership === null || assignment.replicas.length < 2 || !assignment.replicas.includes(brokerId)) continue
    if (state.isQueuedForDeletion(topic)) continue
    if (leadership.leader === brokerId) led.push(partition)
    else followed.push(partition)
  }
  return { led, followed }
}

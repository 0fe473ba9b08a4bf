import { assert } from '@millrace/runtime/invariant'
import { NoLeader } from './leadership.ts'
import type { ControllerState } from './controller-state.ts'
import type { PartitionContext, Replica, ReplicaState } from './partition-context.ts'
import { updateLeadership } from './leadership-update.ts'
import { nameOf, nextTerm } from './partition-states.ts'
import { note, send } from './plan-step.ts'
import type { Plan } from './plan-step.ts'
import { RequestBatch } from './request-batch.ts'

const allowedBefore: Readonly<Record<ReplicaState, readonly ReplicaState[]>> = {
  'non-existent': ['deletion-successful'],
  new: ['non-existent'],
  online: ['new', 'online', 'offline', 'deletion-ineligible'],
  offline: ['new', 'online', 'offline', 'deletion-ineligible'],
  'deletion-started': ['offline'],
  'deletion-successful': ['deletion-started'],
  'deletion-ineligible': ['offline', 'deletion-started'],
}

/** Moves replicas to `target` and tells the brokers, in one batch. Replicas that cannot go there are left out, with a note. */
export function* changeReplicas(state: ControllerState, replicas: readonly Replica[], target: ReplicaState): Plan {
  if (replicas.length === 0) return
  const batch = new RequestBatch(state)
  for (const [brokerId, partitions] of byBroker(replicas)) {
    const valid: PartitionContext[] = []
    for (const partition of partitions) {
      const from = partition.replicaState(brokerId)
      if (allowedBefore[target].includes(from)) valid.push(partition)
      else yield* note('warn', 'replica cannot change to this state', { ...nameOf(partition), brokerId, from, target })
    }
    yield* changeReplicasOf(state, batch, brokerId, valid, target)
  }
  yield* send(batch.requests())
}

function* changeReplicasOf(
  state: ControllerState,
  batch: RequestBatch,
  brokerId: number,
  partitions: readonly PartitionContext[],
  target: ReplicaState,
): Plan {
  switch (target) {
    case 'new':
      for (const partition of partitions) createReplica(batch, brokerId, partition)
      return
    case 'online':
      for (const partition of partitions) bringReplicaOnline(batch, brokerId, partition)
      return
    case 'offline':
      yield* takeReplicasOffline(state, batch, brokerId, partitions)
      return
    case 'deletion-started':
      for (const partition of partitions) batch.addStopReplica([brokerId], partition, true)
      break
    case 'non-existent':
      for (const partition of partitions) {
        const replicas = partition.assignment.replicas.filter(id => id !== brokerId)
        partition.assignment = { ...partition.assignment, replicas }
      }
      break
    case 'deletion-successful':
    case 'deletion-ineligible':
      break
  }
  for (const partition of partitions) partition.rememberReplicaState(brokerId, target)
}

/** A replica of a partition that has leadership already is one that a reassignment adds: it hears who leads. */
function createReplica(batch: RequestBatch, brokerId: number, partition: PartitionContext): void {
  if (partition.leadership !== null) {
    assert(partition.leadership.leader !== brokerId, `${partition.name}: a new replica must not be the leader`)
    batch.addLeaderAndIsr([brokerId], partition, true)
  }
  partition.rememberReplicaState(brokerId, 'new')
}

function bringReplicaOnline(batch: RequestBatch, brokerId: number, partition: PartitionContext): void {
  if (partition.replicaState(brokerId) === 'new') {
    const { assignment } = partition
    if (!assignment.replicas.includes(brokerId)) {
      partition.assignment = { ...assignment, replicas: [...assignment.replicas, brokerId] }
    }
  } else {
    batch.addLeaderAndIsr([brokerId], partition, false)
  }
  partition.rememberReplicaState(brokerId, 'online')
}

function* takeReplicasOffline(
  state: ControllerState,
  batch: RequestBatch,
  brokerId: number,
  partitions: readonly PartitionContext[],
): Plan {
  for (const partition of partitions) batch.addStopReplica([brokerId], partition, false)
  const led = partitions.filter(partition => partition.leadership !== null)
  const changed = yield* removeFromIsr(state, brokerId, led)
  for (const partition of partitions) {
    if (partition.leadership === null) {
      batch.addUpdateMetadata(state.brokerIds(), [partition])
    } else {
      if (!changed.has(partition)) continue
      // As Kafka's: what is sent is this controller's word, also where nothing had to be written.
      partition.rememberLeadership({ ...partition.leadership, controllerEpoch: state.controllerEpoch })
      if (!state.isQueuedForDeletion(partition.topic)) {
        const others = partition.assignment.replicas.filter(id => id !== brokerId)
        batch.addLeaderAndIsr(others, partition, false)
      }
    }
    partition.rememberReplicaState(brokerId, 'offline')
  }
}

/**
 * Takes the replica out of the ISRs in ZooKeeper, and out of leadership. The last member of an ISR stays in it, with no
 * leader: the partition then comes back whole when that broker does. Answers the partitions that are done, those whose
 * ISR lacked it included.
 */
function removeFromIsr(
  state: ControllerState,
  brokerId: number,
  partitions: readonly PartitionContext[],
): Plan<ReadonlySet<PartitionContext>> {
  return updateLeadership(state, partitions, leadership => {
    const { leader, inSyncReplicas } = leadership
    if (!inSyncReplicas.includes(brokerId)) return null
    const next = nextTerm(state, leadership, {
      leader: leader === brokerId ? NoLeader : leader,
      inSyncReplicas: inSyncReplicas.length === 1 ? inSyncReplicas : inSyncReplicas.filter(id => id !== brokerId),
    })
    assert(next.inSyncReplicas.length > 0, 'an ISR must never be empty')
    return next
  })
}

function byBroker(replicas: readonly Replica[]): Map<number, PartitionContext[]> {
  const grouped = new Map<number, PartitionContext[]>()
  for (const { brokerId, partition } of replicas) {
    const listed = grouped.get(brokerId)
    if (listed === undefined) grouped.set(brokerId, [partition])
    else listed.push(partition)
  }
  // Lowest first, as Kafka does it: who leaves an ISR last stays in it.
  return new Map([...grouped].sort(([left], [right]) => left - right))
}

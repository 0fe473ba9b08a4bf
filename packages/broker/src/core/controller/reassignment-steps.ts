import { isBeingReassigned, NoLeader, settledAssignment, targetReplicas } from './leadership.ts'
import type { ReplicaAssignment } from './leadership.ts'
import type { ControllerState } from './controller-state.ts'
import { updateLeadership } from './leadership-update.ts'
import type { PartitionContext, Replica } from './partition-context.ts'
import { bringPartitionsOnline, changePartitions, nameOf, nextTerm } from './partition-states.ts'
import { note, send, write } from './plan-step.ts'
import type { Plan, Write } from './plan-step.ts'
import { canComplete, forgetRequested, originReplicas, sameAssignment } from './reassignment.ts'
import { changeReplicas } from './replica-states.ts'
import { RequestBatch } from './request-batch.ts'
import { markIneligible, resumeDeletionOf } from './topic-deletion.ts'

export interface Reassignment {
  readonly partition: PartitionContext
  readonly next: ReplicaAssignment
}

/**
 * U: writes down where the replicas are to go; from here on a new controller would carry on. Replicas that only a
 * reassignment given up had brought are removed. Answers the partitions whose topic was gone.
 */
export function* changeAssignments(
  state: ControllerState,
  reassignments: readonly Reassignment[],
): Plan<ReadonlySet<PartitionContext>> {
  markIneligible(
    state,
    reassignments.map(({ partition }) => partition.topic),
  )
  const changed = reassignments.filter(({ partition, next }) => !sameAssignment(partition.assignment, next))
  const failed = yield* writeAssignments(state, changed)
  const unneeded: Replica[] = []
  for (const { partition, next } of changed) {
    if (failed.has(partition)) continue
    for (const brokerId of partition.assignment.replicas) {
      if (!next.replicas.includes(brokerId)) unneeded.push({ partition, brokerId })
    }
    partition.assignment = next
  }
  yield* removeReplicas(state, unneeded)
  return failed
}

/**
 * B where all wanted replicas are in sync, A where they are not yet: then the brokers are told of the new replicas, and it
 * waits for the ISR to grow, or for a broker to start.
 */
export function* carryOn(
  state: ControllerState,
  partitions: readonly PartitionContext[],
  options: { readonly onlyCompletion?: boolean } = {},
): Plan {
  const waiting = partitions.filter(partition => !canComplete(state, partition))
  const ready = partitions.filter(partition => canComplete(state, partition))
  if (options.onlyCompletion !== true) {
    yield* addReplicas(state, waiting)
    // One that never had a leader gets its first one with all replicas that are there.
    ready.push(...waiting.filter(partition => canComplete(state, partition)))
  }
  yield* complete(state, ready)
}

/** A1: leaders and the other replicas learn who is to come. A2: those who come learn whom to follow. */
function* addReplicas(state: ControllerState, partitions: readonly PartitionContext[]): Plan {
  if (partitions.length === 0) return
  yield* announce(
    state,
    partitions.filter(partition => partition.leadership !== null),
  )
  const added = partitions.flatMap(partition =>
    partition.assignment.addingReplicas
      .filter(brokerId => partition.replicaState(brokerId) === 'non-existent')
      .map(brokerId => ({ partition, brokerId })),
  )
  yield* changeReplicas(state, added, 'new')
  if (partitions.some(partition => partition.leadership === null)) yield* bringPartitionsOnline(state)
}

/** A new leader epoch without any other change: only that makes brokers take up the new replicas. */
function* announce(state: ControllerState, partitions: readonly PartitionContext[]): Plan {
  const batch = new RequestBatch(state)
  for (const partition of yield* updateLeadership(state, partitions, last => nextTerm(state, last, {}))) {
    const { assignment } = partition
    // A replica that was there must have its log: `isNew` would make up an empty one for it.
    batch.addLeaderAndIsr(originReplicas(assignment), partition, false)
    batch.addLeaderAndIsr(assignment.addingReplicas, partition, true)
  }
  yield* send(batch.requests())
}

/** B1 to B8 of reference 2.7. Interrupted before the topic znode is written, it is done over again. */
function* complete(state: ControllerState, partitions: readonly PartitionContext[]): Plan {
  if (partitions.length === 0) return
  const before = new Map(partitions.map(partition => [partition, partition.assignment]))
  const replicasOf = (of: 'addingReplicas' | 'removingReplicas', among: readonly PartitionContext[]): Replica[] =>
    among.flatMap(partition => before.get(partition)![of].map(brokerId => ({ partition, brokerId })))
  yield* changeReplicas(state, replicasOf('addingReplicas', partitions), 'online')
  for (const partition of partitions) {
    partition.assignment = settledAssignment(targetReplicas(partition.assignment))
  }
  const led = yield* moveLeaders(state, partitions)
  const done = partitions.filter(partition => led.has(partition) || !isBeingReassigned(before.get(partition)!))
  for (const partition of partitions) if (!done.includes(partition)) partition.assignment = before.get(partition)!
  yield* removeReplicas(state, replicasOf('removingReplicas', done))
  yield* writeAssignments(
    state,
    done.map(partition => ({ partition, next: partition.assignment })),
  )
  yield* forgetRequested(
    state,
    done.map(partition => ({ ...nameOf(partition), replicas: partition.assignment.replicas })),
  )
  const batch = new RequestBatch(state)
  batch.addUpdateMetadata(state.brokerIds(), done)
  yield* send(batch.requests())
  yield* note('info', 'reassignment is complete', { partitions: done.map(partition => partition.name) })
  yield* resumeDeletionOf(
    state,
    done.map(partition => partition.topic),
  )
}

/** B3: a leader among the wanted replicas, and a new leader epoch in any case. Answers the partitions that have both. */
function* moveLeaders(
  state: ControllerState,
  partitions: readonly PartitionContext[],
): Plan<ReadonlySet<PartitionContext>> {
  const staying = partitions.filter(partition => isLedByReplica(state, partition))
  const moving = partitions.filter(partition => !staying.includes(partition))
  const elected = yield* changePartitions(state, moving, 'online', 'reassign')
  const batch = new RequestBatch(state)
  const told = yield* updateLeadership(state, staying, last => nextTerm(state, last, {}))
  for (const partition of told) batch.addLeaderAndIsr(partition.assignment.replicas, partition, false)
  yield* send(batch.requests())
  return new Set([...elected, ...told])
}

const isLedByReplica = (state: ControllerState, partition: PartitionContext): boolean => {
  const leader = partition.leadership?.leader ?? NoLeader
  return partition.assignment.replicas.includes(leader) && state.isReplicaOnline(leader, partition)
}

/**
 * Replicas that their assignment names no more: out of leadership, out of the ISR, stopped, deleted. Nobody waits for the
 * brokers' answers; one that is down keeps its log, which nobody will look at.
 */
export function* removeReplicas(state: ControllerState, replicas: readonly Replica[]): Plan {
  if (replicas.length === 0) return
  const leaderless = replicas.flatMap(({ partition, brokerId }) =>
    partition.leadership?.leader === brokerId ? [partition] : [],
  )
  // Before it leaves the ISR: so that the partition is led all the time.
  yield* changePartitions(state, leaderless, 'online')
  yield* changeReplicas(state, replicas, 'offline')
  const removable: Replica[] = []
  for (const replica of replicas) {
    const { partition, brokerId } = replica
    if (partition.leadership?.inSyncReplicas.includes(brokerId) !== true) removable.push(replica)
    else yield* note('warn', 'replica stays: it could not leave the ISR', { ...nameOf(partition), brokerId })
  }
  yield* changeReplicas(state, removable, 'deletion-started')
  yield* changeReplicas(state, removable, 'deletion-successful')
  yield* changeReplicas(state, removable, 'non-existent')
}

/** One write per topic. Answers the partitions whose topic is gone. */
function* writeAssignments(
  state: ControllerState,
  changes: readonly Reassignment[],
): Plan<ReadonlySet<PartitionContext>> {
  const topics = new Map<string, Reassignment[]>()
  for (const change of changes) {
    const listed = topics.get(change.partition.topic)
    if (listed === undefined) topics.set(change.partition.topic, [change])
    else listed.push(change)
  }
  const outcomes = yield* write(
    [...topics].map(([topic, listed]): Write => ({
      write: 'update-assignment',
      topic,
      topicId: state.topics.get(topic)!.id,
      partitions: new Map(listed.map(({ partition, next }) => [partition.partition, next])),
    })),
  )
  const failed = new Set<PartitionContext>()
  for (const [index, [topic, listed]] of [...topics].entries()) {
    if (outcomes[index] === 'done') continue
    yield* note('warn', 'assignment not written: the topic is gone', { topic })
    for (const { partition } of listed) failed.add(partition)
  }
  return failed
}

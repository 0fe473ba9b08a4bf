import { isBeingReassigned } from './leadership.ts'
import type { ControllerState } from './controller-state.ts'
import type { Replica } from './partition-context.ts'
import { changePartitions } from './partition-states.ts'
import { note, send, write } from './plan-step.ts'
import type { Plan } from './plan-step.ts'
import { forgetRequested } from './reassignment.ts'
import { changeReplicas } from './replica-states.ts'
import { RequestBatch } from './request-batch.ts'

/**
 * Deleting a topic, step by step, each resumable: marker znode → partitions leave the metadata of all brokers → replicas
 * are stopped → replicas delete their logs and say so → znodes go, the marker last (reference 2.6).
 */
export function* queueTopicDeletion(state: ControllerState, topics: readonly string[]): Plan {
  for (const topic of topics) state.deletionQueue.add(topic)
  markIneligible(
    state,
    topics.filter(topic => state.partitionsOf(topic).some(partition => isBeingReassigned(partition.assignment))),
  )
  yield* resumeDeletions(state)
}

/** What kept these topics waiting has changed: a broker is back, a folder works again, a reassignment ended. */
export function* resumeDeletionOf(state: ControllerState, topics: Iterable<string>): Plan {
  const queued = [...topics].filter(topic => state.isQueuedForDeletion(topic))
  if (queued.length === 0) return
  for (const topic of queued) state.deletionIneligible.delete(topic)
  yield* resumeDeletions(state)
}

/** These replicas cannot be deleted now; their topics wait until `resumeDeletionOf`. */
export function* failReplicaDeletion(state: ControllerState, replicas: readonly Replica[]): Plan {
  const failed = replicas.filter(({ partition }) => state.isQueuedForDeletion(partition.topic))
  if (failed.length === 0) return
  yield* changeReplicas(state, failed, 'deletion-ineligible')
  markIneligible(
    state,
    failed.map(({ partition }) => partition.topic),
  )
  yield* resumeDeletions(state)
}

export function* completeReplicaDeletion(state: ControllerState, replicas: readonly Replica[]): Plan {
  const deleted = replicas.filter(({ partition }) => state.isQueuedForDeletion(partition.topic))
  yield* changeReplicas(state, deleted, 'deletion-successful')
  yield* resumeDeletions(state)
}

export function markIneligible(state: ControllerState, topics: Iterable<string>): void {
  for (const topic of topics) {
    if (state.isQueuedForDeletion(topic)) state.deletionIneligible.add(topic)
  }
}

export function* resumeDeletions(state: ControllerState): Plan {
  const retried: string[] = []
  const eligible: string[] = []
  for (const topic of [...state.deletionQueue]) {
    if (state.areAllReplicasInState(topic, 'deletion-successful')) {
      yield* completeDeletion(state, topic)
      continue
    }
    const isInProgress = state.isAnyReplicaInState(topic, 'deletion-started')
    if (!isInProgress && state.isAnyReplicaInState(topic, 'deletion-ineligible')) retried.push(topic)
    if (!isInProgress && !state.deletionIneligible.has(topic)) eligible.push(topic)
  }
  const ineligible = retried.flatMap(topic => state.replicasInState(topic, 'deletion-ineligible'))
  yield* changeReplicas(state, ineligible, 'offline')
  yield* startDeletion(state, eligible)
}

function* startDeletion(state: ControllerState, topics: readonly string[]): Plan {
  if (topics.length === 0) return
  const unseen = topics.filter(topic => !state.deletionStarted.has(topic))
  const partitions = unseen.flatMap(topic => state.partitionsOf(topic))
  yield* changePartitions(state, partitions, 'offline')
  yield* changePartitions(state, partitions, 'non-existent')
  for (const topic of unseen) state.deletionStarted.add(topic)
  // Brokers drop the partitions from their metadata: nobody is sent to them any more.
  const batch = new RequestBatch(state)
  batch.addUpdateMetadata(
    state.brokerIds(),
    topics.flatMap(topic => state.partitionsOf(topic)),
  )
  yield* send(batch.requests())
  const replicas = topics.flatMap(topic => state.replicasOf(topic))
  const dead = replicas.filter(({ partition, brokerId }) => !state.isReplicaOnline(brokerId, partition))
  const deletable = replicas.filter(
    ({ partition, brokerId }) =>
      state.isReplicaOnline(brokerId, partition) && partition.replicaState(brokerId) !== 'deletion-successful',
  )
  yield* changeReplicas(state, dead, 'deletion-ineligible')
  yield* changeReplicas(state, deletable, 'offline')
  yield* changeReplicas(state, deletable, 'deletion-started')
  markIneligible(
    state,
    dead.map(({ partition }) => partition.topic),
  )
}

function* completeDeletion(state: ControllerState, topic: string): Plan {
  yield* changeReplicas(state, state.replicasInState(topic, 'deletion-successful'), 'non-existent')
  yield* forgetRequested(
    state,
    state.partitionsOf(topic).map(partition => ({ topic, partition: partition.partition, replicas: null })),
  )
  yield* write([{ write: 'delete-topic', topic }])
  state.removeTopic(topic)
  yield* note('info', 'topic deleted', { topic })
}

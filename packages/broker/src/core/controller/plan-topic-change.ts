import type { ControllerState, TopicSnapshot } from './controller-state.ts'
import type { ReplicaAnswer } from './event.ts'
import type { ReplicaAssignment } from './leadership.ts'
import type { PartitionContext, Replica } from './partition-context.ts'
import { changePartitions } from './partition-states.ts'
import { note, write } from './plan-step.ts'
import type { Plan } from './plan-step.ts'
import { changeReplicas } from './replica-states.ts'
import { completeReplicaDeletion, failReplicaDeletion, queueTopicDeletion } from './topic-deletion.ts'

export function* planTopicsChanged(
  state: ControllerState,
  names: ReadonlySet<string>,
  added: readonly TopicSnapshot[],
): Plan {
  for (const name of [...state.topics.keys()]) {
    if (names.has(name)) continue
    yield* note('warn', 'topic vanished from ZooKeeper', { topic: name })
    state.removeTopic(name)
  }
  const fresh: PartitionContext[] = []
  for (const snapshot of added) {
    if (state.topics.has(snapshot.name)) continue
    // What leadership there is was left by someone else: creating the state then conflicts, and that adopts it.
    fresh.push(...state.addTopic({ ...snapshot, leadership: new Map() }))
    yield* note('info', 'topic created', { topic: snapshot.name, partitions: snapshot.partitions.size })
  }
  yield* createPartitions(state, fresh)
}

/** More partitions. A topic that is being deleted gets none: its znode is put back to what it was. */
export function* planTopicModified(
  state: ControllerState,
  name: string,
  partitions: ReadonlyMap<number, ReplicaAssignment>,
): Plan {
  const topic = state.topics.get(name)
  if (topic === undefined) return
  const added = [...partitions].filter(([partition]) => !topic.partitions.has(partition))
  if (added.length === 0) return
  if (state.isQueuedForDeletion(name)) {
    yield* note('warn', 'partitions added to a topic that is being deleted: dropped', { topic: name })
    const dropped = added.map(([partition]) => partition)
    yield* write([{ write: 'update-assignment', topic: name, topicId: topic.id, partitions: new Map(), dropped }])
    return
  }
  yield* note('info', 'partitions added', { topic: name, partitions: added.map(([partition]) => partition) })
  yield* createPartitions(
    state,
    added.map(([partition, assignment]) => state.addPartition(topic, partition, assignment)),
  )
}

function* createPartitions(state: ControllerState, partitions: readonly PartitionContext[]): Plan {
  if (partitions.length === 0) return
  const replicas: Replica[] = partitions.flatMap(partition =>
    partition.assignment.replicas.map(brokerId => ({ partition, brokerId })),
  )
  yield* changePartitions(state, partitions, 'new')
  yield* changeReplicas(state, replicas, 'new')
  yield* changePartitions(state, partitions, 'online')
  yield* changeReplicas(state, replicas, 'online')
}

export function* planDeletionsChanged(state: ControllerState, marked: readonly string[]): Plan {
  const deletable = state.settings.deleteTopics ? marked.filter(topic => state.topics.has(topic)) : []
  const obsolete = marked.filter(topic => !deletable.includes(topic))
  yield* write(obsolete.map(topic => ({ write: 'delete-marker', topic }) as const))
  const queued = deletable.filter(topic => !state.isQueuedForDeletion(topic))
  if (queued.length === 0) return
  yield* note('info', 'topics queued for deletion', { topics: queued })
  yield* queueTopicDeletion(state, queued)
}

export function* planDeletionAnswered(
  state: ControllerState,
  brokerId: number,
  brokerEpoch: number,
  answers: readonly ReplicaAnswer[],
): Plan {
  if (state.brokers.get(brokerId)?.epoch !== brokerEpoch) return
  const failed: Replica[] = []
  const deleted: Replica[] = []
  for (const { topic, partition, outcome } of answers) {
    const context = state.partition(topic, partition)
    // An answer may come after the topic was made anew: only a deletion that runs can be completed.
    if (context === undefined || context.replicaState(brokerId) !== 'deletion-started') continue
    const replicas = outcome === 'done' ? deleted : failed
    replicas.push({ partition: context, brokerId })
  }
  yield* failReplicaDeletion(state, failed)
  if (deleted.length > 0) yield* completeReplicaDeletion(state, deleted)
}

export function* planUncleanElectionEnabled(state: ControllerState, topic: string | null): Plan {
  const offline = [...state.partitions()].filter(
    partition =>
      partition.state === 'offline' &&
      (topic === null || partition.topic === topic) &&
      !state.isQueuedForDeletion(partition.topic),
  )
  yield* changePartitions(state, offline, 'online')
}

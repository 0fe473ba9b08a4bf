import type { ControllerState, RegisteredBroker } from './controller-state.ts'
import type { ReplicaAnswer } from './event.ts'
import type { PartitionContext, Replica } from './partition-context.ts'
import { bringPartitionsOnline, changePartitions } from './partition-states.ts'
import { targetReplicas } from './leadership.ts'
import { resumeReassignments } from './plan-reassignment.ts'
import { note, send } from './plan-step.ts'
import type { Plan } from './plan-step.ts'
import { changeReplicas } from './replica-states.ts'
import { RequestBatch } from './request-batch.ts'
import { failReplicaDeletion, resumeDeletionOf } from './topic-deletion.ts'

/** New brokers first, then those that came back as another incarnation, then those that are gone (reference 2.3). */
export function* planBrokersChanged(state: ControllerState, registered: readonly RegisteredBroker[]): Plan {
  const { added, bounced, lost } = compareBrokers(state, registered)
  if (added.length + bounced.length + lost.length === 0) return
  yield* note('info', 'brokers changed', { added: ids(added), bounced: ids(bounced), lost })
  if (added.length > 0) {
    for (const broker of added) state.addBroker(broker)
    yield* startBrokers(state, added)
  }
  if (bounced.length > 0) {
    for (const broker of bounced) state.removeBroker(broker.id)
    yield* loseBrokers(state, ids(bounced))
    for (const broker of bounced) state.addBroker(broker)
    yield* startBrokers(state, bounced)
  }
  if (lost.length > 0) {
    for (const id of lost) state.removeBroker(id)
    yield* loseBrokers(state, lost)
  }
}

export function compareBrokers(
  state: ControllerState,
  registered: readonly RegisteredBroker[],
): { added: RegisteredBroker[]; bounced: RegisteredBroker[]; lost: number[] } {
  const added: RegisteredBroker[] = []
  const bounced: RegisteredBroker[] = []
  for (const broker of registered) {
    const known = state.brokers.get(broker.id)
    if (known === undefined) added.push(broker)
    else if (broker.epoch > known.epoch) bounced.push(broker)
  }
  const present = new Set(ids(registered))
  return { added, bounced, lost: state.brokerIds().filter(id => !present.has(id)) }
}

const ids = (brokers: readonly RegisteredBroker[]): number[] => brokers.map(broker => broker.id)

/** Other endpoints under the same registration: everybody must learn them. */
export function* planBrokerModified(state: ControllerState, broker: RegisteredBroker): Plan {
  const known = state.brokers.get(broker.id)
  if (known === undefined || known.epoch !== broker.epoch) return
  if (JSON.stringify(known) === JSON.stringify(broker)) return
  state.addBroker(broker)
  yield* tellBrokers(state, state.brokerIds(), [])
}

/** What it missed it is told at once: the whole metadata, and the present state of each of its replicas. */
export function* planBrokerBehind(state: ControllerState, brokerId: number, brokerEpoch: number): Plan {
  if (state.brokers.get(brokerId)?.epoch !== brokerEpoch) return
  yield* tellBrokers(state, [brokerId], state.partitionsWithLeadership())
  const replicas = state.replicasOn(new Set([brokerId]))
  const inState = (...states: readonly string[]): Replica[] =>
    replicas.filter(({ partition }) => states.includes(partition.replicaState(brokerId)))
  yield* changeReplicas(state, inState('online'), 'online')
  // Its orders to stop and to delete may be among those dropped.
  yield* failReplicaDeletion(state, inState('deletion-started'))
  yield* resumeDeletionOf(state, topicsOf(replicas))
}

function* startBrokers(state: ControllerState, brokers: readonly RegisteredBroker[]): Plan {
  const started = new Set(ids(brokers))
  for (const id of started) state.forgetOfflineFolders(id)
  const others = state.brokerIds().filter(id => !started.has(id))
  yield* tellBrokers(state, others, [])
  yield* tellBrokers(state, [...started], state.partitionsWithLeadership())
  const replicas = state.replicasOn(started)
  yield* changeReplicas(state, replicas, 'online')
  yield* bringPartitionsOnline(state)
  yield* resumeReassignments(state, ({ assignment }) => targetReplicas(assignment).some(id => started.has(id)))
  yield* resumeDeletionOf(state, topicsOf(replicas))
}

function* loseBrokers(state: ControllerState, brokerIds: readonly number[]): Plan {
  for (const id of brokerIds) {
    state.forgetOfflineFolders(id)
    state.shuttingDown.delete(id)
  }
  yield* takeOffline(state, state.replicasOn(new Set(brokerIds)))
}

/** Replicas whose broker or folder is gone: leaders are replaced first, then the ISRs shrink. */
function* takeOffline(state: ControllerState, replicas: readonly Replica[]): Plan {
  const deleting = replicas.filter(({ partition }) => state.isQueuedForDeletion(partition.topic))
  const staying = replicas.filter(({ partition }) => !state.isQueuedForDeletion(partition.topic))
  const leaderless = state.partitionsWithOfflineLeader()
  yield* changePartitions(state, leaderless, 'offline')
  const elected = yield* bringPartitionsOnline(state)
  yield* changeReplicas(state, staying, 'offline')
  yield* failReplicaDeletion(state, deleting)
  // Without a change of leader or ISR no UpdateMetadata went out: the brokers must still learn who is gone.
  if (staying.length === 0 && elected.length === 0) yield* tellBrokers(state, state.brokerIds(), [])
}

/**
 * A broker wrote that a folder of its failed. Which replicas were there only it knows: LeaderAndIsr for all of them makes it
 * answer KAFKA_STORAGE_ERROR for those.
 */
export function* planLogFoldersFailed(state: ControllerState, brokerIds: readonly number[]): Plan {
  const present = new Set(brokerIds.filter(id => state.isPresent(id)))
  yield* changeReplicas(state, state.replicasOn(present), 'online')
}

export function* planLeaderAndIsrAnswered(
  state: ControllerState,
  brokerId: number,
  brokerEpoch: number,
  answers: readonly ReplicaAnswer[],
): Plan {
  if (state.brokers.get(brokerId)?.epoch !== brokerEpoch) return
  const broken: Replica[] = []
  const repaired: Replica[] = []
  for (const { topic, partition, outcome } of answers) {
    const context = state.partition(topic, partition)
    if (context === undefined) continue
    const wasOffline = state.isOnOfflineFolder(brokerId, context)
    if (outcome === 'storage-error' && !wasOffline) broken.push({ partition: context, brokerId })
    if (outcome === 'done' && wasOffline) repaired.push({ partition: context, brokerId })
  }
  if (broken.length > 0) {
    for (const { partition } of broken) state.markOfflineFolder(brokerId, partition)
    yield* note('warn', 'replicas lost with their log folder', { brokerId, replicas: broken.map(nameOfReplica) })
    yield* takeOffline(state, broken)
  }
  if (repaired.length > 0) {
    for (const { partition } of repaired) state.unmarkOfflineFolder(brokerId, partition)
    yield* changeReplicas(state, repaired, 'online')
    yield* bringPartitionsOnline(state)
    yield* resumeDeletionOf(state, topicsOf(repaired))
  }
}

function* tellBrokers(
  state: ControllerState,
  brokerIds: readonly number[],
  partitions: readonly PartitionContext[],
): Plan {
  const batch = new RequestBatch(state)
  batch.addUpdateMetadata(brokerIds, partitions)
  yield* send(batch.requests())
}

const topicsOf = (replicas: readonly Replica[]): Set<string> =>
  new Set(replicas.map(({ partition }) => partition.topic))

const nameOfReplica = ({ partition }: Replica): string => partition.name

import type { ControllerState } from './controller-state.ts'
import type { ControllerEvent } from './event.ts'
import { isBeingReassigned } from './leadership.ts'
import type { Replica } from './partition-context.ts'
import { bringPartitionsOnline } from './partition-states.ts'
import { planElectionsRequested } from './plan-leader-election.ts'
import { planReassignmentsRequested, resumeReassignments } from './plan-reassignment.ts'
import { note, send, write } from './plan-step.ts'
import type { Plan } from './plan-step.ts'
import { removeReplicas } from './reassignment-steps.ts'
import { changeReplicas } from './replica-states.ts'
import { RequestBatch } from './request-batch.ts'
import { markIneligible, resumeDeletions } from './topic-deletion.ts'

type Elected = Extract<ControllerEvent, { event: 'elected' }>

/**
 * Steps 4 to 10 of a controller's start (reference 2.2). The order is load-bearing: brokers must know each other's
 * endpoints before any LeaderAndIsr (a follower whose leader it does not know starts no fetcher), and replicas of lost
 * brokers leave the ISRs before partitions are elected.
 */
export function* planBecomeController(state: ControllerState, event: Elected): Plan {
  for (const broker of event.brokers) state.addBroker(broker)
  for (const topic of event.topics) state.addTopic(topic)
  yield* queueDeletions(state, event.deletions)
  const batch = new RequestBatch(state)
  batch.addUpdateMetadata(state.brokerIds(), [])
  yield* send(batch.requests())
  yield* startReplicas(state)
  startPartitions(state)
  yield* bringPartitionsOnline(state)
  yield* removeStrays(state)
  yield* planReassignmentsRequested(state, event.reassignments)
  const requested = new Set(event.reassignments?.map(({ topic, partition }) => state.partition(topic, partition)))
  yield* resumeReassignments(state, partition => !requested.has(partition))
  yield* resumeDeletions(state)
  if (event.elections !== null) yield* planElectionsRequested(state, event.elections)
}

function* queueDeletions(state: ControllerState, deletions: readonly string[]): Plan {
  const known = deletions.filter(topic => state.topics.has(topic))
  const obsolete = state.settings.deleteTopics ? deletions.filter(topic => !state.topics.has(topic)) : deletions
  yield* write(obsolete.map(topic => ({ write: 'delete-marker', topic }) as const))
  if (!state.settings.deleteTopics) return
  for (const topic of known) state.deletionQueue.add(topic)
  const waiting = known.filter(topic =>
    state
      .partitionsOf(topic)
      .some(
        partition =>
          isBeingReassigned(partition.assignment) ||
          partition.assignment.replicas.some(id => !state.isReplicaOnline(id, partition)),
      ),
  )
  markIneligible(state, waiting)
}

function* startReplicas(state: ControllerState): Plan {
  const online: Replica[] = []
  const offline: Replica[] = []
  for (const partition of state.partitions()) {
    for (const brokerId of partition.assignment.replicas) {
      if (state.isReplicaOnline(brokerId, partition)) {
        partition.rememberReplicaState(brokerId, 'online')
        online.push({ partition, brokerId })
      } else {
        const waits = state.isQueuedForDeletion(partition.topic)
        partition.rememberReplicaState(brokerId, waits ? 'deletion-ineligible' : 'offline')
        if (!waits) offline.push({ partition, brokerId })
      }
    }
  }
  yield* changeReplicas(state, online, 'online')
  yield* changeReplicas(state, offline, 'offline')
}

function startPartitions(state: ControllerState): void {
  for (const partition of state.partitions()) {
    const leader = partition.leadership?.leader
    if (leader === undefined) partition.state = 'new'
    else {
      const canLead = partition.assignment.replicas.includes(leader) && state.isReplicaOnline(leader, partition)
      partition.state = canLead ? 'online' : 'offline'
    }
  }
}

/**
 * Members of an ISR that the assignment does not name: the last controller gave up a reassignment, wrote that down and
 * died before it removed them. (Kafka forgets them, and the ISR keeps a member that nobody may elect.)
 */
function* removeStrays(state: ControllerState): Plan {
  const strays: Replica[] = []
  for (const partition of state.partitions()) {
    const { assignment, leadership } = partition
    if (leadership === null || state.isQueuedForDeletion(partition.topic)) continue
    const isStray = (id: number): boolean => !assignment.replicas.includes(id)
    // With nobody else in it the last good copy would go.
    if (leadership.inSyncReplicas.every(isStray)) continue
    for (const brokerId of leadership.inSyncReplicas.filter(isStray)) {
      partition.rememberReplicaState(brokerId, 'online')
      strays.push({ partition, brokerId })
    }
  }
  if (strays.length > 0)
    yield* note('warn', 'replicas outside of their assignment are removed', { count: strays.length })
  yield* removeReplicas(state, strays)
}

import type { LeaderAndIsrRequest } from '@millrace/protocol/messages/04-leader-and-isr'
import type { StopReplicaRequest } from '@millrace/protocol/messages/05-stop-replica'
import type { UpdateMetadataRequest } from '@millrace/protocol/messages/06-update-metadata'

/** One request of a controller as text, without ids of its own, addresses and order: what two controllers have in common. */
export function controlText(name: string, value: unknown): string {
  switch (name) {
    case 'LeaderAndIsr':
      return leaderAndIsrText(value as LeaderAndIsrRequest)
    case 'UpdateMetadata':
      return updateMetadataText(value as UpdateMetadataRequest)
    case 'StopReplica':
      return stopReplicaText(value as StopReplicaRequest)
    default:
      throw new Error(`${name} is no request of a controller`)
  }
}

const list = (ids: readonly number[]): string => ids.join(',')

const sorted = (ids: readonly number[]): string => list([...ids].sort((left, right) => left - right))

const lines = (head: string, partitions: readonly string[]): string => [head, ...[...partitions].sort()].join('\n  ')

function leaderAndIsrText({ controllerEpoch, type, topicStates, liveLeaders }: LeaderAndIsrRequest): string {
  const partitions = topicStates.flatMap(topic =>
    topic.partitionStates.map(state =>
      [
        `${topic.topicName}-${state.partitionIndex} leader ${state.leader} epoch ${state.leaderEpoch}`,
        `isr ${list(state.isr)} version ${state.partitionEpoch} by ${state.controllerEpoch}`,
        `replicas ${list(state.replicas)} +${list(state.addingReplicas)} -${list(state.removingReplicas)}`,
        `recovery ${state.leaderRecoveryState}${state.isNew ? ' new' : ''}`,
      ].join(' '),
    ),
  )
  const leaders = sorted(liveLeaders.map(leader => leader.brokerId))
  return lines(`LeaderAndIsr epoch ${controllerEpoch} type ${type} leaders ${leaders}`, partitions)
}

function updateMetadataText({ controllerEpoch, topicStates, liveBrokers }: UpdateMetadataRequest): string {
  const partitions = topicStates.flatMap(topic =>
    topic.partitionStates.map(state =>
      [
        `${topic.topicName}-${state.partitionIndex} leader ${state.leader} epoch ${state.leaderEpoch}`,
        `isr ${list(state.isr)} version ${state.zkVersion} by ${state.controllerEpoch}`,
        `replicas ${list(state.replicas)} offline ${sorted(state.offlineReplicas)}`,
      ].join(' '),
    ),
  )
  return lines(
    `UpdateMetadata epoch ${controllerEpoch} brokers ${sorted(liveBrokers.map(broker => broker.id))}`,
    partitions,
  )
}

function stopReplicaText({ controllerEpoch, topicStates }: StopReplicaRequest): string {
  const partitions = topicStates.flatMap(topic =>
    topic.partitionStates.map(
      state =>
        `${topic.topicName}-${state.partitionIndex} epoch ${state.leaderEpoch}${state.deletePartition ? ' delete' : ''}`,
    ),
  )
  return lines(`StopReplica epoch ${controllerEpoch}`, partitions)
}

import { ErrorCode } from '@millrace/protocol/errors'
import type { LeaderAndIsrResponse } from '@millrace/protocol/messages/04-leader-and-isr'
import type { StopReplicaResponse } from '@millrace/protocol/messages/05-stop-replica'
import type { LeaderAndIsrOrder, StopReplicaOrder } from '../core/controller/control-request.ts'
import type { ControllerEvent, ReplicaAnswer } from '../core/controller/event.ts'

/** What a LeaderAndIsr answer means to the controller; null when the broker refused the request as a whole. */
export function onLeaderAndIsrAnswer(order: LeaderAndIsrOrder, answer: LeaderAndIsrResponse): ControllerEvent | null {
  if (answer.errorCode !== ErrorCode.NONE) return null
  const names = new Map(order.topics.map(topic => [topic.id, topic.name]))
  const partitions: ReplicaAnswer[] = []
  for (const topic of answer.topics) {
    const name = names.get(topic.topicId)
    if (name === undefined) continue
    for (const { partitionIndex, errorCode } of topic.partitionErrors) {
      partitions.push({ topic: name, partition: partitionIndex, outcome: outcomeOf(errorCode) })
    }
  }
  const { brokerId, brokerEpoch } = order
  return { event: 'leader-and-isr-answered', brokerId, brokerEpoch, partitions }
}

/** What a StopReplica answer means for the partitions it was to delete; null when there were none. */
export function onStopReplicaAnswer(order: StopReplicaOrder, answer: StopReplicaResponse): ControllerEvent | null {
  const failed = new Map(
    answer.partitionErrors.map(({ topicName, partitionIndex, errorCode }) => [
      `${topicName}-${partitionIndex}`,
      errorCode,
    ]),
  )
  const partitions: ReplicaAnswer[] = []
  for (const topic of order.topics) {
    for (const { partition, deletePartition } of topic.partitions) {
      if (!deletePartition) continue
      const ownCode = failed.get(`${topic.name}-${partition}`) ?? ErrorCode.NONE
      const errorCode = answer.errorCode === ErrorCode.NONE ? ownCode : answer.errorCode
      partitions.push({ topic: topic.name, partition, outcome: outcomeOf(errorCode) })
    }
  }
  if (partitions.length === 0) return null
  const { brokerId, brokerEpoch } = order
  return { event: 'deletion-answered', brokerId, brokerEpoch, partitions }
}

function outcomeOf(errorCode: number): ReplicaAnswer['outcome'] {
  if (errorCode === ErrorCode.NONE) return 'done'
  return errorCode === ErrorCode.KAFKA_STORAGE_ERROR ? 'storage-error' : 'other-error'
}

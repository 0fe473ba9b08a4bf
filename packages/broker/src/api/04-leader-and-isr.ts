// LeaderAndIsr: v0-7
//
// Behavior
// - The controller says whom to lead and whom to follow; this broker opens the logs and takes the roles (reference 3.1).
// - Many partitions take several turns of some milliseconds; what comes to the broker meanwhile is answered.
// - Old controllers and messages to an earlier life of this broker are refused as a whole; old leader epochs per partition.
// Version notes
// - v2: grouped by topic, broker epoch (KIP-380). v5: topic ids; the answer is grouped by id (KIP-516).
// - v6: leader recovery state, which a leader treats as recovered (KIP-704).
// Not done: coordinators of internal topics.
import { ErrorCode } from '@millrace/protocol/errors'
import {
  leaderAndIsrRequest,
  leaderAndIsrResponse,
  type LeaderAndIsrRequest,
  type LeaderAndIsrResponse,
} from '@millrace/protocol/messages/04-leader-and-isr'
import { ZERO_UUID } from '@millrace/protocol/schema'
import type { PartitionError } from '../replication/partitions.ts'
import { defineHandler } from './handler.ts'
import type { DataServices } from './services.ts'

export default defineHandler(
  leaderAndIsrRequest,
  leaderAndIsrResponse,
  [0, 7],
  async (request, context, { partitions, topicConfigs }: Pick<DataServices, 'partitions' | 'topicConfigs'>) => {
    // The config of a new topic is written without a notification: ask before its first log is made.
    const newTopics = topicsOf(request).filter(topic => !partitions.hostsTopic(topic))
    await Promise.all(newTopics.map(topic => topicConfigs.load(topic)))
    // After the wait, because another controller may have spoken meanwhile.
    const refusal = partitions.admitController(request.brokerEpoch, request.controllerEpoch)
    const isAdmitted = refusal === ErrorCode.NONE
    const errors = isAdmitted ? await partitions.applyLeaderAndIsr(request) : allRefused(request, refusal)
    return response(refusal, errors, context.apiVersion)
  },
  { retainFrom: Infinity },
)

function topicsOf(request: LeaderAndIsrRequest): string[] {
  const ungrouped = request.ungroupedPartitionStates.map(({ topicName }) => topicName)
  return [...new Set([...request.topicStates.map(({ topicName }) => topicName), ...ungrouped])]
}

function allRefused(request: LeaderAndIsrRequest, errorCode: ErrorCode): PartitionError[] {
  const grouped = request.topicStates.flatMap(({ topicName: topic, topicId, partitionStates }) =>
    partitionStates.map(({ partitionIndex: partition }) => ({ topic, topicId, partition, errorCode })),
  )
  const ungrouped = request.ungroupedPartitionStates.map(({ topicName: topic, partitionIndex: partition }) => ({
    topic,
    topicId: ZERO_UUID,
    partition,
    errorCode,
  }))
  return [...grouped, ...ungrouped]
}

function response(errorCode: ErrorCode, errors: readonly PartitionError[], apiVersion: number): LeaderAndIsrResponse {
  const rows = errors.map(({ topic, topicId, partition, errorCode: code }) => ({
    topicId,
    row: { topicName: apiVersion < 5 ? topic : '', partitionIndex: partition, errorCode: code },
  }))
  if (apiVersion < 5) return { errorCode, partitionErrors: rows.map(({ row }) => row), topics: [] }
  const byTopic = Map.groupBy(rows, ({ topicId }) => topicId)
  const topics = [...byTopic].map(([topicId, group]) => ({ topicId, partitionErrors: group.map(({ row }) => row) }))
  return { errorCode, partitionErrors: [], topics }
}

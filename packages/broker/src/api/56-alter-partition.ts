// AlterPartition: v0-3
//
// Behavior
// - Between brokers: a leader proposes other in-sync replicas (KIP-497). The controller checks what the leader knows against
//   what is stored, writes it, and tells all brokers before it answers.
// - INELIGIBLE_REPLICA for members that are down, shutting down, or not the incarnation that has caught up.
// - NOT_CONTROLLER for a request that is for another term than this controller's (`controllerEpoch`, which Kafka does not have), and for one
//   that a later one of the same sender has overtaken (`attempt`, which Kafka does not have either).
// Version notes
// - v0-1: topics by name; OPERATION_NOT_ATTEMPTED where later versions say INELIGIBLE_REPLICA. v1: recovery state (KIP-704).
// - v2: topic ids (KIP-841). v3: broker epochs of the members (KIP-903); -1 is not checked.
//
// Not done
// - Authorization (security issue).
import { ErrorCode } from '@millrace/protocol/errors'
import {
  alterPartitionRequest,
  alterPartitionResponse,
  type AlterPartitionRequest,
  type AlterPartitionRequestPartitionData,
  type AlterPartitionResponsePartitionData,
} from '@millrace/protocol/messages/56-alter-partition'
import type { IsrProposal, IsrProposalAnswer } from '../core/controller/plan-alter-partition.ts'
import { defineHandler } from './handler.ts'
import type { TopicServices } from './topic-services.ts'

export default defineHandler(
  alterPartitionRequest,
  alterPartitionResponse,
  [0, 3],
  async (request, { apiVersion }, { controller }: Pick<TopicServices, 'controller'>) => {
    const { brokerId, brokerEpoch, controllerEpoch, attempt } = request
    const answer = await controller.alterPartition({
      brokerId,
      brokerEpoch,
      controllerEpoch,
      attempt,
      proposals: proposalsOf(request, apiVersion),
    })
    if (answer.errorCode !== ErrorCode.NONE) return { throttleTimeMs: 0, errorCode: answer.errorCode, topics: [] }
    // Answered in the order of the request: topic after topic, partition after partition.
    let next = 0
    const topics = request.topics.map(({ topicName, topicId, partitions }) => ({
      topicName,
      topicId,
      partitions: partitions.map(({ partitionIndex }) => rowOf(partitionIndex, answer.proposals[next++]!, apiVersion)),
    }))
    return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, topics }
  },
)

function proposalsOf({ topics }: AlterPartitionRequest, apiVersion: number): IsrProposal[] {
  return topics.flatMap(({ topicId, topicName, partitions }) =>
    partitions.map(partition => ({
      topic: apiVersion >= 2 ? { id: topicId } : { name: topicName },
      partition: partition.partitionIndex,
      leaderEpoch: partition.leaderEpoch,
      partitionEpoch: partition.partitionEpoch,
      inSyncReplicas: membersOf(partition, apiVersion),
      leaderRecoveryState: partition.leaderRecoveryState,
    })),
  )
}

const membersOf = (partition: AlterPartitionRequestPartitionData, apiVersion: number): IsrProposal['inSyncReplicas'] =>
  apiVersion >= 3 ? partition.newIsrWithEpochs : partition.newIsr.map(brokerId => ({ brokerId, brokerEpoch: -1 }))

function rowOf(
  partitionIndex: number,
  { errorCode, leadership }: IsrProposalAnswer,
  apiVersion: number,
): AlterPartitionResponsePartitionData {
  const isUnknownCode = errorCode === ErrorCode.INELIGIBLE_REPLICA && apiVersion < 2
  return {
    partitionIndex,
    errorCode: isUnknownCode ? ErrorCode.OPERATION_NOT_ATTEMPTED : errorCode,
    leaderId: leadership?.leader ?? 0,
    leaderEpoch: leadership?.leaderEpoch ?? 0,
    isr: [...(leadership?.inSyncReplicas ?? [])],
    leaderRecoveryState: leadership?.leaderRecoveryState ?? 0,
    partitionEpoch: leadership?.partitionEpoch ?? 0,
  }
}

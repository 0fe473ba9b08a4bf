// ShareAcknowledge, v0: share groups: acknowledges records (KIP-932).
import { array, int16, int32, int64, int8, message, string, struct, uuid, type Infer } from '../schema.ts'

export const shareAcknowledgeRequest = message('ShareAcknowledgeRequest', 79, '0', '0+', {
  groupId: string('0+').nullByDefault(),
  memberId: string('0+').nullable(),
  shareSessionEpoch: int32('0+'),
  topics: array('0+', {
    topicId: uuid('0+'),
    partitions: array('0+', {
      partitionIndex: int32('0+'),
      acknowledgementBatches: array('0+', {
        firstOffset: int64('0+'),
        lastOffset: int64('0+'),
        acknowledgeTypes: array('0+', int8()),
      }),
    }),
  }),
})
export type ShareAcknowledgeRequest = Infer<typeof shareAcknowledgeRequest>
export type AcknowledgeTopic = ShareAcknowledgeRequest['topics'][number]
export type AcknowledgePartition = AcknowledgeTopic['partitions'][number]
export type AcknowledgementBatch = AcknowledgePartition['acknowledgementBatches'][number]

export const shareAcknowledgeResponse = message('ShareAcknowledgeResponse', 79, '0', '0+', {
  throttleTimeMs: int32('0+').ignorable(),
  errorCode: int16('0+').ignorable(),
  errorMessage: string('0+').nullByDefault(),
  responses: array('0+', {
    topicId: uuid('0+').ignorable(),
    partitions: array('0+', {
      partitionIndex: int32('0+'),
      errorCode: int16('0+'),
      errorMessage: string('0+').nullByDefault(),
      currentLeader: struct('0+', { leaderId: int32('0+'), leaderEpoch: int32('0+') }),
    }),
  }),
  nodeEndpoints: array('0+', {
    nodeId: int32('0+'),
    host: string('0+'),
    port: int32('0+'),
    rack: string('0+').nullByDefault(),
  }),
})
export type ShareAcknowledgeResponse = Infer<typeof shareAcknowledgeResponse>
export type ShareAcknowledgeTopicResponse = ShareAcknowledgeResponse['responses'][number]
export type PartitionData = ShareAcknowledgeTopicResponse['partitions'][number]
export type LeaderIdAndEpoch = PartitionData['currentLeader']
export type NodeEndpoint = ShareAcknowledgeResponse['nodeEndpoints'][number]

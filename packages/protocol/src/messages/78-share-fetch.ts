// ShareFetch, v0: share groups: acquires records (KIP-932).
import { array, bytes, int16, int32, int64, int8, message, string, struct, uuid, type Infer } from '../schema.ts'

export const shareFetchRequest = message('ShareFetchRequest', 78, '0', '0+', {
  groupId: string('0+').nullByDefault(),
  memberId: string('0+').nullable(),
  shareSessionEpoch: int32('0+'),
  maxWaitMs: int32('0+'),
  minBytes: int32('0+'),
  maxBytes: int32('0+').default(0x7fffffff).ignorable(),
  topics: array('0+', {
    topicId: uuid('0+').ignorable(),
    partitions: array('0+', {
      partitionIndex: int32('0+'),
      partitionMaxBytes: int32('0+'),
      acknowledgementBatches: array('0+', {
        firstOffset: int64('0+'),
        lastOffset: int64('0+'),
        acknowledgeTypes: array('0+', int8()),
      }),
    }),
  }),
  forgottenTopicsData: array('0+', { topicId: uuid('0+').ignorable(), partitions: array('0+', int32()) }),
})
export type ShareFetchRequest = Infer<typeof shareFetchRequest>
export type FetchTopic = ShareFetchRequest['topics'][number]
export type FetchPartition = FetchTopic['partitions'][number]
export type AcknowledgementBatch = FetchPartition['acknowledgementBatches'][number]
export type ForgottenTopic = ShareFetchRequest['forgottenTopicsData'][number]

export const shareFetchResponse = message('ShareFetchResponse', 78, '0', '0+', {
  throttleTimeMs: int32('0+').ignorable(),
  errorCode: int16('0+').ignorable(),
  errorMessage: string('0+').nullByDefault(),
  responses: array('0+', {
    topicId: uuid('0+').ignorable(),
    partitions: array('0+', {
      partitionIndex: int32('0+'),
      errorCode: int16('0+'),
      errorMessage: string('0+').nullByDefault(),
      acknowledgeErrorCode: int16('0+'),
      acknowledgeErrorMessage: string('0+').nullByDefault(),
      currentLeader: struct('0+', { leaderId: int32('0+'), leaderEpoch: int32('0+') }),
      records: bytes('0+').nullable(),
      acquiredRecords: array('0+', {
        firstOffset: int64('0+'),
        lastOffset: int64('0+'),
        deliveryCount: int16('0+'),
      }),
    }),
  }),
  nodeEndpoints: array('0+', {
    nodeId: int32('0+'),
    host: string('0+'),
    port: int32('0+'),
    rack: string('0+').nullByDefault(),
  }),
})
export type ShareFetchResponse = Infer<typeof shareFetchResponse>
export type ShareFetchableTopicResponse = ShareFetchResponse['responses'][number]
export type PartitionData = ShareFetchableTopicResponse['partitions'][number]
export type LeaderIdAndEpoch = PartitionData['currentLeader']
export type AcquiredRecords = PartitionData['acquiredRecords'][number]
export type NodeEndpoint = ShareFetchResponse['nodeEndpoints'][number]

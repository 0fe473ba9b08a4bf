// Produce, v0-11: appends record batches, one records field per partition.
// v1: throttle time. v2: log append time; batches of magic 1. v3: transactional id; batches of magic 2 only
// (KIP-98). v4: KAFKA_STORAGE_ERROR. v5: log start offset. v6: throttled after the answer (KIP-219). v7: zstd
// (KIP-110). v8: which records were wrong (KIP-467). v9: flexible. v10: new leader with the error (KIP-951).
// v11: TRANSACTION_ABORTABLE (KIP-890).
// `acks=0` has no response at all.
import { array, bytes, int16, int32, int64, message, nearestInt64, string, struct, type Infer } from '../schema.ts'

export const produceRequest = message('ProduceRequest', 0, '0-11', '9+', {
  transactionalId: string('3+').nullByDefault(),
  acks: int16('0+'),
  timeoutMs: int32('0+'),
  topicData: array('0+', {
    name: string('0+'),
    partitionData: array('0+', { index: int32('0+'), records: bytes('0+').nullable() }),
  }),
})
export type ProduceRequest = Infer<typeof produceRequest>
export type TopicProduceData = ProduceRequest['topicData'][number]
export type PartitionProduceData = TopicProduceData['partitionData'][number]

export const produceResponse = message('ProduceResponse', 0, '0-11', '9+', {
  responses: array('0+', {
    name: string('0+'),
    partitionResponses: array('0+', {
      index: int32('0+'),
      errorCode: int16('0+'),
      baseOffset: int64('0+'),
      logAppendTimeMs: nearestInt64('2+').default(-1).ignorable(),
      logStartOffset: int64('5+').default(-1).ignorable(),
      recordErrors: array('8+', {
        batchIndex: int32('8+'),
        batchIndexErrorMessage: string('8+').nullByDefault(),
      }).ignorable(),
      errorMessage: string('8+').nullByDefault().ignorable(),
      currentLeader: struct('10+', {
        leaderId: int32('10+').default(-1),
        leaderEpoch: int32('10+').default(-1),
      }).tag(0),
    }),
  }),
  throttleTimeMs: int32('1+').ignorable(),
  nodeEndpoints: array('10+', {
    nodeId: int32('10+'),
    host: string('10+'),
    port: int32('10+'),
    rack: string('10+').nullByDefault(),
  }).tag(0),
})
export type ProduceResponse = Infer<typeof produceResponse>
export type TopicProduceResponse = ProduceResponse['responses'][number]
export type PartitionProduceResponse = TopicProduceResponse['partitionResponses'][number]
export type BatchIndexAndErrorMessage = PartitionProduceResponse['recordErrors'][number]
export type LeaderIdAndEpoch = PartitionProduceResponse['currentLeader']
export type NodeEndpoint = ProduceResponse['nodeEndpoints'][number]

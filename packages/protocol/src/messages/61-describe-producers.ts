// DescribeProducers, v0: active producers of partitions (KIP-664).
import { array, int16, int32, int64, message, nearestInt64, string, type Infer } from '../schema.ts'

export const describeProducersRequest = message('DescribeProducersRequest', 61, '0', '0+', {
  topics: array('0+', { name: string('0+'), partitionIndexes: array('0+', int32()) }),
})
export type DescribeProducersRequest = Infer<typeof describeProducersRequest>
export type TopicRequest = DescribeProducersRequest['topics'][number]

export const describeProducersResponse = message('DescribeProducersResponse', 61, '0', '0+', {
  throttleTimeMs: int32('0+'),
  topics: array('0+', {
    name: string('0+'),
    partitions: array('0+', {
      partitionIndex: int32('0+'),
      errorCode: int16('0+'),
      errorMessage: string('0+').nullByDefault(),
      activeProducers: array('0+', {
        producerId: int64('0+'),
        producerEpoch: int32('0+'),
        lastSequence: int32('0+').default(-1),
        lastTimestamp: nearestInt64('0+').default(-1),
        coordinatorEpoch: int32('0+'),
        currentTxnStartOffset: int64('0+').default(-1),
      }),
    }),
  }),
})
export type DescribeProducersResponse = Infer<typeof describeProducersResponse>
export type TopicResponse = DescribeProducersResponse['topics'][number]
export type PartitionResponse = TopicResponse['partitions'][number]
export type ProducerState = PartitionResponse['activeProducers'][number]

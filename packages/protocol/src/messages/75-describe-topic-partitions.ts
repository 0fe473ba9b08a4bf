// DescribeTopicPartitions, v0: topics and partitions, page by page (KIP-966).
import { array, bool, int16, int32, message, string, struct, uuid, type Infer } from '../schema.ts'

export const describeTopicPartitionsRequest = message('DescribeTopicPartitionsRequest', 75, '0', '0+', {
  topics: array('0+', { name: string('0+') }),
  responsePartitionLimit: int32('0+').default(2000),
  cursor: struct('0+', {
    topicName: string('0+'),
    partitionIndex: int32('0+'),
  }).nullByDefault(),
})
export type DescribeTopicPartitionsRequest = Infer<typeof describeTopicPartitionsRequest>
export type TopicRequest = DescribeTopicPartitionsRequest['topics'][number]
export type DescribeTopicPartitionsRequestCursor = NonNullable<DescribeTopicPartitionsRequest['cursor']>

export const describeTopicPartitionsResponse = message('DescribeTopicPartitionsResponse', 75, '0', '0+', {
  throttleTimeMs: int32('0+').ignorable(),
  topics: array('0+', {
    errorCode: int16('0+'),
    name: string('0+').nullable(),
    topicId: uuid('0+').ignorable(),
    isInternal: bool('0+').ignorable(),
    partitions: array('0+', {
      errorCode: int16('0+'),
      partitionIndex: int32('0+'),
      leaderId: int32('0+'),
      leaderEpoch: int32('0+').default(-1).ignorable(),
      replicaNodes: array('0+', int32()),
      isrNodes: array('0+', int32()),
      eligibleLeaderReplicas: array('0+', int32()).nullByDefault(),
      lastKnownElr: array('0+', int32()).nullByDefault(),
      offlineReplicas: array('0+', int32()).ignorable(),
    }),
    topicAuthorizedOperations: int32('0+').default(-2147483648),
  }),
  nextCursor: struct('0+', {
    topicName: string('0+'),
    partitionIndex: int32('0+'),
  }).nullByDefault(),
})
export type DescribeTopicPartitionsResponse = Infer<typeof describeTopicPartitionsResponse>
export type DescribeTopicPartitionsResponseTopic = DescribeTopicPartitionsResponse['topics'][number]
export type DescribeTopicPartitionsResponsePartition = DescribeTopicPartitionsResponseTopic['partitions'][number]
export type DescribeTopicPartitionsResponseCursor = NonNullable<DescribeTopicPartitionsResponse['nextCursor']>

// Groups of the new protocol (KIP-848) in __consumer_offsets, key versions 3 to 8. Brokers with ZooKeeper never write
// them; tools may meet them.
import { array, bytes, int32, int8, message, NO_API, string, struct, uuid, type Infer } from '../schema.ts'

export const consumerGroupMetadataKey = message('ConsumerGroupMetadataKey', NO_API, '3', 'none', {
  groupId: string('3'),
})
export type ConsumerGroupMetadataKey = Infer<typeof consumerGroupMetadataKey>

export const consumerGroupMetadataValue = message('ConsumerGroupMetadataValue', NO_API, '0', '0+', {
  epoch: int32('0+'),
})
export type ConsumerGroupMetadataValue = Infer<typeof consumerGroupMetadataValue>

export const consumerGroupPartitionMetadataKey = message('ConsumerGroupPartitionMetadataKey', NO_API, '4', 'none', {
  groupId: string('4'),
})
export type ConsumerGroupPartitionMetadataKey = Infer<typeof consumerGroupPartitionMetadataKey>

export const consumerGroupPartitionMetadataValue = message('ConsumerGroupPartitionMetadataValue', NO_API, '0', '0+', {
  topics: array('0+', {
    topicId: uuid('0+'),
    topicName: string('0+'),
    numPartitions: int32('0+'),
    partitionMetadata: array('0+', { partition: int32('0+'), racks: array('0+', string()) }),
  }),
})
export type ConsumerGroupPartitionMetadataValue = Infer<typeof consumerGroupPartitionMetadataValue>
export type TopicMetadata = ConsumerGroupPartitionMetadataValue['topics'][number]
export type PartitionMetadata = TopicMetadata['partitionMetadata'][number]

export const consumerGroupMemberMetadataKey = message('ConsumerGroupMemberMetadataKey', NO_API, '5', 'none', {
  groupId: string('5'),
  memberId: string('5'),
})
export type ConsumerGroupMemberMetadataKey = Infer<typeof consumerGroupMemberMetadataKey>

export const consumerGroupMemberMetadataValue = message('ConsumerGroupMemberMetadataValue', NO_API, '0', '0+', {
  instanceId: string('0+').nullable(),
  rackId: string('0+').nullable(),
  clientId: string('0+'),
  clientHost: string('0+'),
  subscribedTopicNames: array('0+', string()),
  subscribedTopicRegex: string('0+').nullable(),
  rebalanceTimeoutMs: int32('0+').default(-1),
  serverAssignor: string('0+').nullable(),
  classicMemberMetadata: struct('0+', {
    sessionTimeoutMs: int32('0+'),
    supportedProtocols: array('0+', { name: string('0+'), metadata: bytes('0+') }),
  })
    .nullByDefault()
    .tag(0),
})
export type ConsumerGroupMemberMetadataValue = Infer<typeof consumerGroupMemberMetadataValue>
export type ClassicMemberMetadata = NonNullable<ConsumerGroupMemberMetadataValue['classicMemberMetadata']>
export type ClassicProtocol = ClassicMemberMetadata['supportedProtocols'][number]

export const consumerGroupTargetAssignmentMetadataKey = message(
  'ConsumerGroupTargetAssignmentMetadataKey',
  NO_API,
  '6',
  'none',
  {
    groupId: string('6'),
  },
)
export type ConsumerGroupTargetAssignmentMetadataKey = Infer<typeof consumerGroupTargetAssignmentMetadataKey>

export const consumerGroupTargetAssignmentMetadataValue = message(
  'ConsumerGroupTargetAssignmentMetadataValue',
  NO_API,
  '0',
  '0+',
  {
    assignmentEpoch: int32('0+'),
  },
)
export type ConsumerGroupTargetAssignmentMetadataValue = Infer<typeof consumerGroupTargetAssignmentMetadataValue>

export const consumerGroupTargetAssignmentMemberKey = message(
  'ConsumerGroupTargetAssignmentMemberKey',
  NO_API,
  '7',
  'none',
  {
    groupId: string('7'),
    memberId: string('7'),
  },
)
export type ConsumerGroupTargetAssignmentMemberKey = Infer<typeof consumerGroupTargetAssignmentMemberKey>

export const consumerGroupTargetAssignmentMemberValue = message(
  'ConsumerGroupTargetAssignmentMemberValue',
  NO_API,
  '0',
  '0+',
  {
    topicPartitions: array('0+', { topicId: uuid('0+'), partitions: array('0+', int32()) }),
  },
)
export type ConsumerGroupTargetAssignmentMemberValue = Infer<typeof consumerGroupTargetAssignmentMemberValue>
export type TopicPartition = ConsumerGroupTargetAssignmentMemberValue['topicPartitions'][number]

export const consumerGroupCurrentMemberAssignmentKey = message(
  'ConsumerGroupCurrentMemberAssignmentKey',
  NO_API,
  '8',
  'none',
  {
    groupId: string('8'),
    memberId: string('8'),
  },
)
export type ConsumerGroupCurrentMemberAssignmentKey = Infer<typeof consumerGroupCurrentMemberAssignmentKey>

const topicPartitions = { topicId: uuid('0+'), partitions: array('0+', int32()) }

export const consumerGroupCurrentMemberAssignmentValue = message(
  'ConsumerGroupCurrentMemberAssignmentValue',
  NO_API,
  '0',
  '0+',
  {
    memberEpoch: int32('0+'),
    previousMemberEpoch: int32('0+'),
    state: int8('0+'),
    assignedPartitions: array('0+', topicPartitions),
    partitionsPendingRevocation: array('0+', topicPartitions),
  },
)
export type ConsumerGroupCurrentMemberAssignmentValue = Infer<typeof consumerGroupCurrentMemberAssignmentValue>
export type TopicPartitions = ConsumerGroupCurrentMemberAssignmentValue['assignedPartitions'][number]

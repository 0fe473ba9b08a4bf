// Share groups (KIP-932) in __consumer_offsets, key versions 9 to 11. Brokers with ZooKeeper never write them; tools
// may meet them.
import { array, int32, message, NO_API, string, uuid, type Infer } from '../schema.ts'

export const shareGroupPartitionMetadataKey = message('ShareGroupPartitionMetadataKey', NO_API, '9', 'none', {
  groupId: string('9'),
})
export type ShareGroupPartitionMetadataKey = Infer<typeof shareGroupPartitionMetadataKey>

const topicPartitionsInfo = { topicId: uuid('0+'), topicName: string('0+'), partitions: array('0+', int32()) }

const topicInfo = { topicId: uuid('0+'), topicName: string('0+') }

export const shareGroupPartitionMetadataValue = message('ShareGroupPartitionMetadataValue', NO_API, '0', '0+', {
  initializedTopics: array('0+', topicPartitionsInfo),
  deletingTopics: array('0+', topicInfo),
})
export type ShareGroupPartitionMetadataValue = Infer<typeof shareGroupPartitionMetadataValue>
export type TopicPartitionsInfo = ShareGroupPartitionMetadataValue['initializedTopics'][number]
export type TopicInfo = ShareGroupPartitionMetadataValue['deletingTopics'][number]

export const shareGroupMemberMetadataKey = message('ShareGroupMemberMetadataKey', NO_API, '10', 'none', {
  groupId: string('10'),
  memberId: string('10'),
})
export type ShareGroupMemberMetadataKey = Infer<typeof shareGroupMemberMetadataKey>

export const shareGroupMemberMetadataValue = message('ShareGroupMemberMetadataValue', NO_API, '0', '0+', {
  rackId: string('0+').nullable(),
  clientId: string('0+'),
  clientHost: string('0+'),
  subscribedTopicNames: array('0+', string()),
})
export type ShareGroupMemberMetadataValue = Infer<typeof shareGroupMemberMetadataValue>

export const shareGroupMetadataKey = message('ShareGroupMetadataKey', NO_API, '11', 'none', {
  groupId: string('11'),
})
export type ShareGroupMetadataKey = Infer<typeof shareGroupMetadataKey>

export const shareGroupMetadataValue = message('ShareGroupMetadataValue', NO_API, '0', '0+', {
  epoch: int32('0+'),
})
export type ShareGroupMetadataValue = Infer<typeof shareGroupMetadataValue>

// ConsumerGroupHeartbeat, v0: member and assignment of the new group protocol (KIP-848). Not for clusters with
// ZooKeeper.
import { array, int16, int32, message, string, struct, uuid, type Infer } from '../schema.ts'

export const consumerGroupHeartbeatRequest = message('ConsumerGroupHeartbeatRequest', 68, '0', '0+', {
  groupId: string('0+'),
  memberId: string('0+'),
  memberEpoch: int32('0+'),
  instanceId: string('0+').nullByDefault(),
  rackId: string('0+').nullByDefault(),
  rebalanceTimeoutMs: int32('0+').default(-1),
  subscribedTopicNames: array('0+', string()).nullByDefault(),
  serverAssignor: string('0+').nullByDefault(),
  topicPartitions: array('0+', {
    topicId: uuid('0+'),
    partitions: array('0+', int32()),
  }).nullByDefault(),
})
export type ConsumerGroupHeartbeatRequest = Infer<typeof consumerGroupHeartbeatRequest>
export type ConsumerGroupHeartbeatRequestTopicPartitions = NonNullable<
  ConsumerGroupHeartbeatRequest['topicPartitions']
>[number]

const topicPartitions = { topicId: uuid('0+'), partitions: array('0+', int32()) }

export const consumerGroupHeartbeatResponse = message('ConsumerGroupHeartbeatResponse', 68, '0', '0+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
  errorMessage: string('0+').nullByDefault(),
  memberId: string('0+').nullByDefault(),
  memberEpoch: int32('0+'),
  heartbeatIntervalMs: int32('0+'),
  assignment: struct('0+', {
    topicPartitions: array('0+', topicPartitions),
  }).nullByDefault(),
})
export type ConsumerGroupHeartbeatResponse = Infer<typeof consumerGroupHeartbeatResponse>
export type Assignment = NonNullable<ConsumerGroupHeartbeatResponse['assignment']>
export type ConsumerGroupHeartbeatResponseTopicPartitions = Assignment['topicPartitions'][number]

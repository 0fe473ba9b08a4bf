// ShareGroupHeartbeat, v0: share groups: member and assignment (KIP-932).
import { array, int16, int32, message, string, struct, uuid, type Infer } from '../schema.ts'

export const shareGroupHeartbeatRequest = message('ShareGroupHeartbeatRequest', 76, '0', '0+', {
  groupId: string('0+'),
  memberId: string('0+'),
  memberEpoch: int32('0+'),
  rackId: string('0+').nullByDefault(),
  subscribedTopicNames: array('0+', string()).nullByDefault(),
})
export type ShareGroupHeartbeatRequest = Infer<typeof shareGroupHeartbeatRequest>

const topicPartitions = { topicId: uuid('0+'), partitions: array('0+', int32()) }

export const shareGroupHeartbeatResponse = message('ShareGroupHeartbeatResponse', 76, '0', '0+', {
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
export type ShareGroupHeartbeatResponse = Infer<typeof shareGroupHeartbeatResponse>
export type Assignment = NonNullable<ShareGroupHeartbeatResponse['assignment']>
export type TopicPartitions = Assignment['topicPartitions'][number]

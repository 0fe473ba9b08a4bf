// ShareGroupDescribe, v0: share groups: state (KIP-932).
import { array, bool, int16, int32, message, string, struct, uuid, type Infer } from '../schema.ts'

export const shareGroupDescribeRequest = message('ShareGroupDescribeRequest', 77, '0', '0+', {
  groupIds: array('0+', string()),
  includeAuthorizedOperations: bool('0+'),
})
export type ShareGroupDescribeRequest = Infer<typeof shareGroupDescribeRequest>

const topicPartitions = { topicId: uuid('0+'), topicName: string('0+'), partitions: array('0+', int32()) }

const assignment = { topicPartitions: array('0+', topicPartitions) }

export const shareGroupDescribeResponse = message('ShareGroupDescribeResponse', 77, '0', '0+', {
  throttleTimeMs: int32('0+'),
  groups: array('0+', {
    errorCode: int16('0+'),
    errorMessage: string('0+').nullByDefault(),
    groupId: string('0+'),
    groupState: string('0+'),
    groupEpoch: int32('0+'),
    assignmentEpoch: int32('0+'),
    assignorName: string('0+'),
    members: array('0+', {
      memberId: string('0+'),
      rackId: string('0+').nullByDefault(),
      memberEpoch: int32('0+'),
      clientId: string('0+'),
      clientHost: string('0+'),
      subscribedTopicNames: array('0+', string()),
      assignment: struct('0+', assignment),
    }),
    authorizedOperations: int32('0+').default(-2147483648),
  }),
})
export type ShareGroupDescribeResponse = Infer<typeof shareGroupDescribeResponse>
export type DescribedGroup = ShareGroupDescribeResponse['groups'][number]
export type Member = DescribedGroup['members'][number]
export type Assignment = Member['assignment']
export type TopicPartitions = Assignment['topicPartitions'][number]

// DescribeGroups, v0-5: state, members and assignments of classic groups.
// v1: throttle time. v3: authorized operations (KIP-430). v4: instance ids (KIP-345). v5: flexible.
import { array, bool, bytes, int16, int32, message, string, type Infer } from '../schema.ts'

export const describeGroupsRequest = message('DescribeGroupsRequest', 15, '0-5', '5+', {
  groups: array('0+', string()),
  includeAuthorizedOperations: bool('3+'),
})
export type DescribeGroupsRequest = Infer<typeof describeGroupsRequest>

export const describeGroupsResponse = message('DescribeGroupsResponse', 15, '0-5', '5+', {
  throttleTimeMs: int32('1+').ignorable(),
  groups: array('0+', {
    errorCode: int16('0+'),
    groupId: string('0+'),
    groupState: string('0+'),
    protocolType: string('0+'),
    protocolData: string('0+'),
    members: array('0+', {
      memberId: string('0+'),
      groupInstanceId: string('4+').nullByDefault().ignorable(),
      clientId: string('0+'),
      clientHost: string('0+'),
      memberMetadata: bytes('0+'),
      memberAssignment: bytes('0+'),
    }),
    authorizedOperations: int32('3+').default(-2147483648),
  }),
})
export type DescribeGroupsResponse = Infer<typeof describeGroupsResponse>
export type DescribedGroup = DescribeGroupsResponse['groups'][number]
export type DescribedGroupMember = DescribedGroup['members'][number]

// JoinGroup, v0-9: joins a group of the classic protocol; answered when the rebalance has gathered everyone.
// v1: rebalance timeout apart from the session timeout (KIP-62). v4: the first answer may only hand out a member id
// (KIP-394). v5: static members (KIP-345). v6: flexible. v7: protocol type and name (KIP-559). v8: reason
// (KIP-800). v9: skipAssignment for a leader that rejoins (KIP-814).
import { array, bool, bytes, int16, int32, message, string, type Infer } from '../schema.ts'

export const joinGroupRequest = message('JoinGroupRequest', 11, '0-9', '6+', {
  groupId: string('0+'),
  sessionTimeoutMs: int32('0+'),
  rebalanceTimeoutMs: int32('1+').default(-1).ignorable(),
  memberId: string('0+'),
  groupInstanceId: string('5+').nullByDefault(),
  protocolType: string('0+'),
  protocols: array('0+', { name: string('0+'), metadata: bytes('0+') }),
  reason: string('8+').nullByDefault().ignorable(),
})
export type JoinGroupRequest = Infer<typeof joinGroupRequest>
export type JoinGroupRequestProtocol = JoinGroupRequest['protocols'][number]

export const joinGroupResponse = message('JoinGroupResponse', 11, '0-9', '6+', {
  throttleTimeMs: int32('2+').ignorable(),
  errorCode: int16('0+'),
  generationId: int32('0+').default(-1),
  protocolType: string('7+').nullByDefault().ignorable(),
  protocolName: string('0+').nullable('7+'),
  leader: string('0+'),
  skipAssignment: bool('9+'),
  memberId: string('0+'),
  members: array('0+', {
    memberId: string('0+'),
    groupInstanceId: string('5+').nullByDefault().ignorable(),
    metadata: bytes('0+'),
  }),
})
export type JoinGroupResponse = Infer<typeof joinGroupResponse>
export type JoinGroupResponseMember = JoinGroupResponse['members'][number]

// LeaveGroup, v0-5: leaves a group.
// v1: throttle time. v3: several members, by instance id too (KIP-345). v4: flexible. v5: reason (KIP-800).
import { array, int16, int32, message, string, type Infer } from '../schema.ts'

export const leaveGroupRequest = message('LeaveGroupRequest', 13, '0-5', '4+', {
  groupId: string('0+'),
  memberId: string('0-2'),
  members: array('3+', {
    memberId: string('3+'),
    groupInstanceId: string('3+').nullByDefault(),
    reason: string('5+').nullByDefault().ignorable(),
  }),
})
export type LeaveGroupRequest = Infer<typeof leaveGroupRequest>
export type MemberIdentity = LeaveGroupRequest['members'][number]

export const leaveGroupResponse = message('LeaveGroupResponse', 13, '0-5', '4+', {
  throttleTimeMs: int32('1+').ignorable(),
  errorCode: int16('0+'),
  members: array('3+', {
    memberId: string('3+'),
    groupInstanceId: string('3+').nullable(),
    errorCode: int16('3+'),
  }),
})
export type LeaveGroupResponse = Infer<typeof leaveGroupResponse>
export type MemberResponse = LeaveGroupResponse['members'][number]

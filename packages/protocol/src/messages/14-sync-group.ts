// SyncGroup, v0-5: hands the leader's assignment to the members.
// v1: throttle time. v3: static members (KIP-345). v4: flexible. v5: protocol type and name (KIP-559).
import { array, bytes, int16, int32, message, string, type Infer } from '../schema.ts'

export const syncGroupRequest = message('SyncGroupRequest', 14, '0-5', '4+', {
  groupId: string('0+'),
  generationId: int32('0+'),
  memberId: string('0+'),
  groupInstanceId: string('3+').nullByDefault(),
  protocolType: string('5+').nullByDefault().ignorable(),
  protocolName: string('5+').nullByDefault().ignorable(),
  assignments: array('0+', { memberId: string('0+'), assignment: bytes('0+') }),
})
export type SyncGroupRequest = Infer<typeof syncGroupRequest>
export type SyncGroupRequestAssignment = SyncGroupRequest['assignments'][number]

export const syncGroupResponse = message('SyncGroupResponse', 14, '0-5', '4+', {
  throttleTimeMs: int32('1+').ignorable(),
  errorCode: int16('0+'),
  protocolType: string('5+').nullByDefault().ignorable(),
  protocolName: string('5+').nullByDefault().ignorable(),
  assignment: bytes('0+'),
})
export type SyncGroupResponse = Infer<typeof syncGroupResponse>

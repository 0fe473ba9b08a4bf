// Heartbeat, v0-4: keeps a member alive and tells it to rejoin.
// v1: throttle time. v3: static members (KIP-345). v4: flexible.
import { int16, int32, message, string, type Infer } from '../schema.ts'

export const heartbeatRequest = message('HeartbeatRequest', 12, '0-4', '4+', {
  groupId: string('0+'),
  generationId: int32('0+'),
  memberId: string('0+'),
  groupInstanceId: string('3+').nullByDefault(),
})
export type HeartbeatRequest = Infer<typeof heartbeatRequest>

export const heartbeatResponse = message('HeartbeatResponse', 12, '0-4', '4+', {
  throttleTimeMs: int32('1+').ignorable(),
  errorCode: int16('0+'),
})
export type HeartbeatResponse = Infer<typeof heartbeatResponse>

// ExpireDelegationToken, v0-2: expires a delegation token (KIP-48).
// v2: flexible.
import { bytes, int16, int32, int64, message, type Infer } from '../schema.ts'

export const expireDelegationTokenRequest = message('ExpireDelegationTokenRequest', 40, '0-2', '2+', {
  hmac: bytes('0+'),
  expiryTimePeriodMs: int64('0+'),
})
export type ExpireDelegationTokenRequest = Infer<typeof expireDelegationTokenRequest>

export const expireDelegationTokenResponse = message('ExpireDelegationTokenResponse', 40, '0-2', '2+', {
  errorCode: int16('0+'),
  expiryTimestampMs: int64('0+'),
  throttleTimeMs: int32('0+'),
})
export type ExpireDelegationTokenResponse = Infer<typeof expireDelegationTokenResponse>

// RenewDelegationToken, v0-2: renews a delegation token (KIP-48).
// v2: flexible.
import { bytes, int16, int32, int64, message, type Infer } from '../schema.ts'

export const renewDelegationTokenRequest = message('RenewDelegationTokenRequest', 39, '0-2', '2+', {
  hmac: bytes('0+'),
  renewPeriodMs: int64('0+'),
})
export type RenewDelegationTokenRequest = Infer<typeof renewDelegationTokenRequest>

export const renewDelegationTokenResponse = message('RenewDelegationTokenResponse', 39, '0-2', '2+', {
  errorCode: int16('0+'),
  expiryTimestampMs: int64('0+'),
  throttleTimeMs: int32('0+'),
})
export type RenewDelegationTokenResponse = Infer<typeof renewDelegationTokenResponse>

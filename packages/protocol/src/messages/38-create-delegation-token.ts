// CreateDelegationToken, v0-3: creates a delegation token (KIP-48).
// v2: flexible. v3: for another owner (KIP-373).
import { array, bytes, int16, int32, int64, message, string, type Infer } from '../schema.ts'

export const createDelegationTokenRequest = message('CreateDelegationTokenRequest', 38, '0-3', '2+', {
  ownerPrincipalType: string('3+').nullable(),
  ownerPrincipalName: string('3+').nullable(),
  renewers: array('0+', { principalType: string('0+'), principalName: string('0+') }),
  maxLifetimeMs: int64('0+'),
})
export type CreateDelegationTokenRequest = Infer<typeof createDelegationTokenRequest>
export type CreatableRenewers = CreateDelegationTokenRequest['renewers'][number]

export const createDelegationTokenResponse = message('CreateDelegationTokenResponse', 38, '0-3', '2+', {
  errorCode: int16('0+'),
  principalType: string('0+'),
  principalName: string('0+'),
  tokenRequesterPrincipalType: string('3+'),
  tokenRequesterPrincipalName: string('3+'),
  issueTimestampMs: int64('0+'),
  expiryTimestampMs: int64('0+'),
  maxTimestampMs: int64('0+'),
  tokenId: string('0+'),
  hmac: bytes('0+'),
  throttleTimeMs: int32('0+'),
})
export type CreateDelegationTokenResponse = Infer<typeof createDelegationTokenResponse>

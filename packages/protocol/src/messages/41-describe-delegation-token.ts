// DescribeDelegationToken, v0-3: lists delegation tokens (KIP-48).
// v2: flexible. v3: requester apart from the owner (KIP-373).
import { array, bytes, int16, int32, int64, message, string, type Infer } from '../schema.ts'

export const describeDelegationTokenRequest = message('DescribeDelegationTokenRequest', 41, '0-3', '2+', {
  owners: array('0+', {
    principalType: string('0+'),
    principalName: string('0+'),
  }).nullable(),
})
export type DescribeDelegationTokenRequest = Infer<typeof describeDelegationTokenRequest>
export type DescribeDelegationTokenOwner = NonNullable<DescribeDelegationTokenRequest['owners']>[number]

export const describeDelegationTokenResponse = message('DescribeDelegationTokenResponse', 41, '0-3', '2+', {
  errorCode: int16('0+'),
  tokens: array('0+', {
    principalType: string('0+'),
    principalName: string('0+'),
    tokenRequesterPrincipalType: string('3+'),
    tokenRequesterPrincipalName: string('3+'),
    issueTimestamp: int64('0+'),
    expiryTimestamp: int64('0+'),
    maxTimestamp: int64('0+'),
    tokenId: string('0+'),
    hmac: bytes('0+'),
    renewers: array('0+', { principalType: string('0+'), principalName: string('0+') }),
  }),
  throttleTimeMs: int32('0+'),
})
export type DescribeDelegationTokenResponse = Infer<typeof describeDelegationTokenResponse>
export type DescribedDelegationToken = DescribeDelegationTokenResponse['tokens'][number]
export type DescribedDelegationTokenRenewer = DescribedDelegationToken['renewers'][number]

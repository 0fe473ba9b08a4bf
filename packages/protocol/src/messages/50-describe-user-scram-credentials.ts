// DescribeUserScramCredentials, v0: SCRAM mechanisms and iterations of users (KIP-554).
import { array, int16, int32, int8, message, string, type Infer } from '../schema.ts'

export const describeUserScramCredentialsRequest = message('DescribeUserScramCredentialsRequest', 50, '0', '0+', {
  users: array('0+', {
    name: string('0+'),
  }).nullable(),
})
export type DescribeUserScramCredentialsRequest = Infer<typeof describeUserScramCredentialsRequest>
export type UserName = NonNullable<DescribeUserScramCredentialsRequest['users']>[number]

export const describeUserScramCredentialsResponse = message('DescribeUserScramCredentialsResponse', 50, '0', '0+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
  errorMessage: string('0+').nullable(),
  results: array('0+', {
    user: string('0+'),
    errorCode: int16('0+'),
    errorMessage: string('0+').nullable(),
    credentialInfos: array('0+', { mechanism: int8('0+'), iterations: int32('0+') }),
  }),
})
export type DescribeUserScramCredentialsResponse = Infer<typeof describeUserScramCredentialsResponse>
export type DescribeUserScramCredentialsResult = DescribeUserScramCredentialsResponse['results'][number]
export type CredentialInfo = DescribeUserScramCredentialsResult['credentialInfos'][number]

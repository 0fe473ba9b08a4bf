// AlterUserScramCredentials, v0: sets and deletes SCRAM credentials (KIP-554). The password itself is never sent.
import { array, bytes, int16, int32, int8, message, string, type Infer } from '../schema.ts'

export const alterUserScramCredentialsRequest = message('AlterUserScramCredentialsRequest', 51, '0', '0+', {
  deletions: array('0+', { name: string('0+'), mechanism: int8('0+') }),
  upsertions: array('0+', {
    name: string('0+'),
    mechanism: int8('0+'),
    iterations: int32('0+'),
    salt: bytes('0+'),
    saltedPassword: bytes('0+'),
  }),
})
export type AlterUserScramCredentialsRequest = Infer<typeof alterUserScramCredentialsRequest>
export type ScramCredentialDeletion = AlterUserScramCredentialsRequest['deletions'][number]
export type ScramCredentialUpsertion = AlterUserScramCredentialsRequest['upsertions'][number]

export const alterUserScramCredentialsResponse = message('AlterUserScramCredentialsResponse', 51, '0', '0+', {
  throttleTimeMs: int32('0+'),
  results: array('0+', {
    user: string('0+'),
    errorCode: int16('0+'),
    errorMessage: string('0+').nullable(),
  }),
})
export type AlterUserScramCredentialsResponse = Infer<typeof alterUserScramCredentialsResponse>
export type AlterUserScramCredentialsResult = AlterUserScramCredentialsResponse['results'][number]

// SaslAuthenticate, v0-2: carries SASL tokens (KIP-152).
// v1: session lifetime (KIP-368). v2: flexible.
import { bytes, int16, int64, message, string, type Infer } from '../schema.ts'

export const saslAuthenticateRequest = message('SaslAuthenticateRequest', 36, '0-2', '2+', {
  authBytes: bytes('0+'),
})
export type SaslAuthenticateRequest = Infer<typeof saslAuthenticateRequest>

export const saslAuthenticateResponse = message('SaslAuthenticateResponse', 36, '0-2', '2+', {
  errorCode: int16('0+'),
  errorMessage: string('0+').nullable(),
  authBytes: bytes('0+'),
  sessionLifetimeMs: int64('1+').ignorable(),
})
export type SaslAuthenticateResponse = Infer<typeof saslAuthenticateResponse>

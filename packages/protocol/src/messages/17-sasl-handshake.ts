// SaslHandshake, v0-1: chooses a SASL mechanism.
// v0: bare SASL tokens follow. v1: SaslAuthenticate requests follow (KIP-152). Never flexible.
import { array, int16, message, string, type Infer } from '../schema.ts'

export const saslHandshakeRequest = message('SaslHandshakeRequest', 17, '0-1', 'none', {
  mechanism: string('0+'),
})
export type SaslHandshakeRequest = Infer<typeof saslHandshakeRequest>

export const saslHandshakeResponse = message('SaslHandshakeResponse', 17, '0-1', 'none', {
  errorCode: int16('0+'),
  mechanisms: array('0+', string()),
})
export type SaslHandshakeResponse = Infer<typeof saslHandshakeResponse>

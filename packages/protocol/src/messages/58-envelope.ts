// Envelope, v0: a broker forwards a request of somebody else to the controller (KIP-590).
import { bytes, int16, message, type Infer } from '../schema.ts'

export const envelopeRequest = message('EnvelopeRequest', 58, '0', '0+', {
  requestData: bytes('0+'),
  requestPrincipal: bytes('0+').nullable(),
  clientHostAddress: bytes('0+'),
})
export type EnvelopeRequest = Infer<typeof envelopeRequest>

export const envelopeResponse = message('EnvelopeResponse', 58, '0', '0+', {
  responseData: bytes('0+').nullByDefault(),
  errorCode: int16('0+'),
})
export type EnvelopeResponse = Infer<typeof envelopeResponse>

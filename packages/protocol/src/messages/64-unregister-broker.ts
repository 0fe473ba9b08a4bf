// UnregisterBroker, v0: KRaft: forgets a broker (KIP-631).
import { int16, int32, message, string, type Infer } from '../schema.ts'

export const unregisterBrokerRequest = message('UnregisterBrokerRequest', 64, '0', '0+', {
  brokerId: int32('0+'),
})
export type UnregisterBrokerRequest = Infer<typeof unregisterBrokerRequest>

export const unregisterBrokerResponse = message('UnregisterBrokerResponse', 64, '0', '0+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
  errorMessage: string('0+').nullable(),
})
export type UnregisterBrokerResponse = Infer<typeof unregisterBrokerResponse>

// AllocateProducerIds, v0: the controller hands a broker a block of producer ids.
import { int16, int32, int64, message, type Infer } from '../schema.ts'

export const allocateProducerIdsRequest = message('AllocateProducerIdsRequest', 67, '0', '0+', {
  brokerId: int32('0+'),
  brokerEpoch: int64('0+').default(-1),
})
export type AllocateProducerIdsRequest = Infer<typeof allocateProducerIdsRequest>

export const allocateProducerIdsResponse = message('AllocateProducerIdsResponse', 67, '0', '0+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
  producerIdStart: int64('0+'),
  producerIdLen: int32('0+'),
})
export type AllocateProducerIdsResponse = Infer<typeof allocateProducerIdsResponse>

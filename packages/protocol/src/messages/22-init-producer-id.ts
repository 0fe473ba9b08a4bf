// InitProducerId, v0-5: hands out a producer id (KIP-98), and fences older producers of a transactional id.
// v2: flexible. v3: the producer names its id and epoch to bump it (KIP-360). v4: PRODUCER_FENCED.
// v5: TRANSACTION_ABORTABLE (KIP-890).
import { int16, int32, int64, message, string, type Infer } from '../schema.ts'

export const initProducerIdRequest = message('InitProducerIdRequest', 22, '0-5', '2+', {
  transactionalId: string('0+').nullable(),
  transactionTimeoutMs: int32('0+'),
  producerId: int64('3+').default(-1),
  producerEpoch: int16('3+').default(-1),
})
export type InitProducerIdRequest = Infer<typeof initProducerIdRequest>

export const initProducerIdResponse = message('InitProducerIdResponse', 22, '0-5', '2+', {
  throttleTimeMs: int32('0+').ignorable(),
  errorCode: int16('0+'),
  producerId: int64('0+').default(-1),
  producerEpoch: int16('0+'),
})
export type InitProducerIdResponse = Infer<typeof initProducerIdResponse>

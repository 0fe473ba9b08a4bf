// AddOffsetsToTxn, v0-4: adds a group's offsets partition to a transaction (KIP-98).
// v3: flexible. v4: TRANSACTION_ABORTABLE (KIP-890).
import { int16, int32, int64, message, string, type Infer } from '../schema.ts'

export const addOffsetsToTxnRequest = message('AddOffsetsToTxnRequest', 25, '0-4', '3+', {
  transactionalId: string('0+'),
  producerId: int64('0+'),
  producerEpoch: int16('0+'),
  groupId: string('0+'),
})
export type AddOffsetsToTxnRequest = Infer<typeof addOffsetsToTxnRequest>

export const addOffsetsToTxnResponse = message('AddOffsetsToTxnResponse', 25, '0-4', '3+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
})
export type AddOffsetsToTxnResponse = Infer<typeof addOffsetsToTxnResponse>

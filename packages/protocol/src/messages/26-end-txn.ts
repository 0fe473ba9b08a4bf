// EndTxn, v0-4: commits or aborts a transaction (KIP-98).
// v3: flexible. v4: TRANSACTION_ABORTABLE (KIP-890).
import { bool, int16, int32, int64, message, string, type Infer } from '../schema.ts'

export const endTxnRequest = message('EndTxnRequest', 26, '0-4', '3+', {
  transactionalId: string('0+'),
  producerId: int64('0+'),
  producerEpoch: int16('0+'),
  committed: bool('0+'),
})
export type EndTxnRequest = Infer<typeof endTxnRequest>

export const endTxnResponse = message('EndTxnResponse', 26, '0-4', '3+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
})
export type EndTxnResponse = Infer<typeof endTxnResponse>

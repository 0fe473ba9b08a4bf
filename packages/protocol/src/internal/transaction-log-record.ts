// A transactional id in __transaction_state. Kafka 3.9 writes v0. v1: flexible (KIP-915). Status: 0 empty, 1 ongoing,
// 2 prepare commit, 3 prepare abort, 4 complete commit, 5 complete abort, 6 dead, 7 prepare epoch fence.
import { array, int16, int32, int64, int8, message, NO_API, string, type Infer } from '../schema.ts'

export const transactionLogKey = message('TransactionLogKey', NO_API, '0', 'none', {
  transactionalId: string('0'),
})
export type TransactionLogKey = Infer<typeof transactionLogKey>

export const transactionLogValue = message('TransactionLogValue', NO_API, '0-1', '1+', {
  producerId: int64('0+'),
  producerEpoch: int16('0+'),
  transactionTimeoutMs: int32('0+'),
  transactionStatus: int8('0+'),
  transactionPartitions: array('0+', {
    topic: string('0+'),
    partitionIds: array('0+', int32()),
  }).nullable(),
  transactionLastUpdateTimestampMs: int64('0+'),
  transactionStartTimestampMs: int64('0+'),
})
export type TransactionLogValue = Infer<typeof transactionLogValue>
export type PartitionsSchema = NonNullable<TransactionLogValue['transactionPartitions']>[number]

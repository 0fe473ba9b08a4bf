// ListTransactions, v0-1: transactions that this broker coordinates (KIP-664).
// v1: filter by duration (KIP-994).
import { array, int16, int32, int64, message, string, type Infer } from '../schema.ts'

export const listTransactionsRequest = message('ListTransactionsRequest', 66, '0-1', '0+', {
  stateFilters: array('0+', string()),
  producerIdFilters: array('0+', int64()),
  durationFilter: int64('1+').default(-1),
})
export type ListTransactionsRequest = Infer<typeof listTransactionsRequest>

export const listTransactionsResponse = message('ListTransactionsResponse', 66, '0-1', '0+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
  unknownStateFilters: array('0+', string()),
  transactionStates: array('0+', {
    transactionalId: string('0+'),
    producerId: int64('0+'),
    transactionState: string('0+'),
  }),
})
export type ListTransactionsResponse = Infer<typeof listTransactionsResponse>
export type TransactionState = ListTransactionsResponse['transactionStates'][number]

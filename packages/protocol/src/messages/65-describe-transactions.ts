// DescribeTransactions, v0: state of transactions (KIP-664).
import { array, int16, int32, int64, message, string, type Infer } from '../schema.ts'

export const describeTransactionsRequest = message('DescribeTransactionsRequest', 65, '0', '0+', {
  transactionalIds: array('0+', string()),
})
export type DescribeTransactionsRequest = Infer<typeof describeTransactionsRequest>

export const describeTransactionsResponse = message('DescribeTransactionsResponse', 65, '0', '0+', {
  throttleTimeMs: int32('0+'),
  transactionStates: array('0+', {
    errorCode: int16('0+'),
    transactionalId: string('0+'),
    transactionState: string('0+'),
    transactionTimeoutMs: int32('0+'),
    transactionStartTimeMs: int64('0+'),
    producerId: int64('0+'),
    producerEpoch: int16('0+'),
    topics: array('0+', { topic: string('0+'), partitions: array('0+', int32()) }),
  }),
})
export type DescribeTransactionsResponse = Infer<typeof describeTransactionsResponse>
export type TransactionState = DescribeTransactionsResponse['transactionStates'][number]
export type TopicData = TransactionState['topics'][number]

// AddPartitionsToTxn, v0-5: adds partitions to a transaction (KIP-98).
// v3: flexible. v4: several transactions, verification only: brokers ask coordinators so (KIP-890).
// v5: TRANSACTION_ABORTABLE.
import { array, bool, int16, int32, int64, message, string, type Infer } from '../schema.ts'

const addPartitionsToTxnTopic = { name: string('0+'), partitions: array('0+', int32()) }

export const addPartitionsToTxnRequest = message('AddPartitionsToTxnRequest', 24, '0-5', '3+', {
  transactions: array('4+', {
    transactionalId: string('4+'),
    producerId: int64('4+'),
    producerEpoch: int16('4+'),
    verifyOnly: bool('4+'),
    topics: array('4+', addPartitionsToTxnTopic),
  }),
  v3AndBelowTransactionalId: string('0-3'),
  v3AndBelowProducerId: int64('0-3'),
  v3AndBelowProducerEpoch: int16('0-3'),
  v3AndBelowTopics: array('0-3', addPartitionsToTxnTopic),
})
export type AddPartitionsToTxnRequest = Infer<typeof addPartitionsToTxnRequest>
export type AddPartitionsToTxnTransaction = AddPartitionsToTxnRequest['transactions'][number]
export type AddPartitionsToTxnTopic = AddPartitionsToTxnTransaction['topics'][number]

const addPartitionsToTxnPartitionResult = { partitionIndex: int32('0+'), partitionErrorCode: int16('0+') }

const addPartitionsToTxnTopicResult = {
  name: string('0+'),
  resultsByPartition: array('0+', addPartitionsToTxnPartitionResult),
}

export const addPartitionsToTxnResponse = message('AddPartitionsToTxnResponse', 24, '0-5', '3+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('4+').ignorable(),
  resultsByTransaction: array('4+', {
    transactionalId: string('4+'),
    topicResults: array('4+', addPartitionsToTxnTopicResult),
  }),
  resultsByTopicV3AndBelow: array('0-3', addPartitionsToTxnTopicResult),
})
export type AddPartitionsToTxnResponse = Infer<typeof addPartitionsToTxnResponse>
export type AddPartitionsToTxnResult = AddPartitionsToTxnResponse['resultsByTransaction'][number]
export type AddPartitionsToTxnTopicResult = AddPartitionsToTxnResult['topicResults'][number]
export type AddPartitionsToTxnPartitionResult = AddPartitionsToTxnTopicResult['resultsByPartition'][number]

// TxnOffsetCommit, v0-4: commits offsets of a group inside a transaction (KIP-98).
// v2: leader epoch (KIP-320). v3: flexible; group membership (KIP-447). v4: TRANSACTION_ABORTABLE (KIP-890).
import { array, int16, int32, int64, message, string, type Infer } from '../schema.ts'

export const txnOffsetCommitRequest = message('TxnOffsetCommitRequest', 28, '0-4', '3+', {
  transactionalId: string('0+'),
  groupId: string('0+'),
  producerId: int64('0+'),
  producerEpoch: int16('0+'),
  generationId: int32('3+').default(-1),
  memberId: string('3+'),
  groupInstanceId: string('3+').nullByDefault(),
  topics: array('0+', {
    name: string('0+'),
    partitions: array('0+', {
      partitionIndex: int32('0+'),
      committedOffset: int64('0+'),
      committedLeaderEpoch: int32('2+').default(-1).ignorable(),
      committedMetadata: string('0+').nullable(),
    }),
  }),
})
export type TxnOffsetCommitRequest = Infer<typeof txnOffsetCommitRequest>
export type TxnOffsetCommitRequestTopic = TxnOffsetCommitRequest['topics'][number]
export type TxnOffsetCommitRequestPartition = TxnOffsetCommitRequestTopic['partitions'][number]

export const txnOffsetCommitResponse = message('TxnOffsetCommitResponse', 28, '0-4', '3+', {
  throttleTimeMs: int32('0+'),
  topics: array('0+', {
    name: string('0+'),
    partitions: array('0+', { partitionIndex: int32('0+'), errorCode: int16('0+') }),
  }),
})
export type TxnOffsetCommitResponse = Infer<typeof txnOffsetCommitResponse>
export type TxnOffsetCommitResponseTopic = TxnOffsetCommitResponse['topics'][number]
export type TxnOffsetCommitResponsePartition = TxnOffsetCommitResponseTopic['partitions'][number]

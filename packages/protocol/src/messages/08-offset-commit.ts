// OffsetCommit, v0-9: commits offsets of a group.
// v0: kept in ZooKeeper by old brokers. v1: generation and member. v2: retention time, gone in v5 (KIP-211).
// v3: throttle time. v6: leader epoch (KIP-320). v7: static members (KIP-345). v8: flexible. v9: member epochs of
// the new group protocol (KIP-848).
import { array, int16, int32, int64, message, string, type Infer } from '../schema.ts'

export const offsetCommitRequest = message('OffsetCommitRequest', 8, '0-9', '8+', {
  groupId: string('0+'),
  generationIdOrMemberEpoch: int32('1+').default(-1).ignorable(),
  memberId: string('1+').ignorable(),
  groupInstanceId: string('7+').nullByDefault(),
  retentionTimeMs: int64('2-4').default(-1).ignorable(),
  topics: array('0+', {
    name: string('0+'),
    partitions: array('0+', {
      partitionIndex: int32('0+'),
      committedOffset: int64('0+'),
      committedLeaderEpoch: int32('6+').default(-1).ignorable(),
      commitTimestamp: int64('1').default(-1),
      committedMetadata: string('0+').nullable(),
    }),
  }),
})
export type OffsetCommitRequest = Infer<typeof offsetCommitRequest>
export type OffsetCommitRequestTopic = OffsetCommitRequest['topics'][number]
export type OffsetCommitRequestPartition = OffsetCommitRequestTopic['partitions'][number]

export const offsetCommitResponse = message('OffsetCommitResponse', 8, '0-9', '8+', {
  throttleTimeMs: int32('3+').ignorable(),
  topics: array('0+', {
    name: string('0+'),
    partitions: array('0+', { partitionIndex: int32('0+'), errorCode: int16('0+') }),
  }),
})
export type OffsetCommitResponse = Infer<typeof offsetCommitResponse>
export type OffsetCommitResponseTopic = OffsetCommitResponse['topics'][number]
export type OffsetCommitResponsePartition = OffsetCommitResponseTopic['partitions'][number]

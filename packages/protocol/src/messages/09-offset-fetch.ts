// OffsetFetch, v0-9: committed offsets of a group.
// v2: null topics for all, error of the group. v3: throttle time. v5: leader epoch (KIP-320). v6: flexible.
// v7: requireStable waits for open transactions (KIP-447). v8: several groups (KIP-709). v9: member id and epoch
// (KIP-848).
import { array, bool, int16, int32, int64, message, string, type Infer } from '../schema.ts'

export const offsetFetchRequest = message('OffsetFetchRequest', 9, '0-9', '6+', {
  groupId: string('0-7'),
  topics: array('0-7', {
    name: string('0-7'),
    partitionIndexes: array('0-7', int32()),
  }).nullable('2-7'),
  groups: array('8+', {
    groupId: string('8+'),
    memberId: string('9+').nullByDefault().ignorable(),
    memberEpoch: int32('9+').default(-1).ignorable(),
    topics: array('8+', {
      name: string('8+'),
      partitionIndexes: array('8+', int32()),
    }).nullable(),
  }),
  requireStable: bool('7+'),
})
export type OffsetFetchRequest = Infer<typeof offsetFetchRequest>
export type OffsetFetchRequestTopic = NonNullable<OffsetFetchRequest['topics']>[number]
export type OffsetFetchRequestGroup = OffsetFetchRequest['groups'][number]
export type OffsetFetchRequestTopics = NonNullable<OffsetFetchRequestGroup['topics']>[number]

export const offsetFetchResponse = message('OffsetFetchResponse', 9, '0-9', '6+', {
  throttleTimeMs: int32('3+').ignorable(),
  topics: array('0-7', {
    name: string('0-7'),
    partitions: array('0-7', {
      partitionIndex: int32('0-7'),
      committedOffset: int64('0-7'),
      committedLeaderEpoch: int32('5-7').default(-1).ignorable(),
      metadata: string('0-7').nullable(),
      errorCode: int16('0-7'),
    }),
  }),
  errorCode: int16('2-7').ignorable(),
  groups: array('8+', {
    groupId: string('8+'),
    topics: array('8+', {
      name: string('8+'),
      partitions: array('8+', {
        partitionIndex: int32('8+'),
        committedOffset: int64('8+'),
        committedLeaderEpoch: int32('8+').default(-1).ignorable(),
        metadata: string('8+').nullable(),
        errorCode: int16('8+'),
      }),
    }),
    errorCode: int16('8+'),
  }),
})
export type OffsetFetchResponse = Infer<typeof offsetFetchResponse>
export type OffsetFetchResponseTopic = OffsetFetchResponse['topics'][number]
export type OffsetFetchResponsePartition = OffsetFetchResponseTopic['partitions'][number]
export type OffsetFetchResponseGroup = OffsetFetchResponse['groups'][number]
export type OffsetFetchResponseTopics = OffsetFetchResponseGroup['topics'][number]
export type OffsetFetchResponsePartitions = OffsetFetchResponseTopics['partitions'][number]

// OffsetForLeaderEpoch, v0-4: where the epochs of a leader end (KIP-101): followers and consumers find where their
// logs part.
// v1: the epoch that the answer is about (KIP-279). v2: current leader epoch (KIP-320), throttle time. v3: replica
// id. v4: flexible.
import { array, int16, int32, int64, message, string, type Infer } from '../schema.ts'

export const offsetForLeaderEpochRequest = message('OffsetForLeaderEpochRequest', 23, '0-4', '4+', {
  replicaId: int32('3+').default(-2).ignorable(),
  topics: array('0+', {
    topic: string('0+'),
    partitions: array('0+', {
      partition: int32('0+'),
      currentLeaderEpoch: int32('2+').default(-1).ignorable(),
      leaderEpoch: int32('0+'),
    }),
  }),
})
export type OffsetForLeaderEpochRequest = Infer<typeof offsetForLeaderEpochRequest>
export type OffsetForLeaderTopic = OffsetForLeaderEpochRequest['topics'][number]
export type OffsetForLeaderPartition = OffsetForLeaderTopic['partitions'][number]

export const offsetForLeaderEpochResponse = message('OffsetForLeaderEpochResponse', 23, '0-4', '4+', {
  throttleTimeMs: int32('2+').ignorable(),
  topics: array('0+', {
    topic: string('0+'),
    partitions: array('0+', {
      errorCode: int16('0+'),
      partition: int32('0+'),
      leaderEpoch: int32('1+').default(-1).ignorable(),
      endOffset: int64('0+').default(-1),
    }),
  }),
})
export type OffsetForLeaderEpochResponse = Infer<typeof offsetForLeaderEpochResponse>
export type OffsetForLeaderTopicResult = OffsetForLeaderEpochResponse['topics'][number]
export type EpochEndOffset = OffsetForLeaderTopicResult['partitions'][number]

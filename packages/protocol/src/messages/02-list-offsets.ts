// ListOffsets, v0-9: offsets by timestamp; -1 latest, -2 earliest.
// v0: a list of segment offsets, newest first. v1: one offset and its timestamp. v2: isolation level (KIP-98).
// v4: leader epoch (KIP-320). v6: flexible. v7: -3, the largest timestamp (KIP-734). v8: -4, earliest local
// (KIP-405). v9: -5, latest tiered (KIP-1005).
import { array, int16, int32, int64, int8, message, nearestInt64, string, type Infer } from '../schema.ts'

export const listOffsetsRequest = message('ListOffsetsRequest', 2, '0-9', '6+', {
  replicaId: int32('0+'),
  isolationLevel: int8('2+'),
  topics: array('0+', {
    name: string('0+'),
    partitions: array('0+', {
      partitionIndex: int32('0+'),
      currentLeaderEpoch: int32('4+').default(-1).ignorable(),
      timestamp: nearestInt64('0+'),
      maxNumOffsets: int32('0').default(1),
    }),
  }),
})
export type ListOffsetsRequest = Infer<typeof listOffsetsRequest>
export type ListOffsetsTopic = ListOffsetsRequest['topics'][number]
export type ListOffsetsPartition = ListOffsetsTopic['partitions'][number]

export const listOffsetsResponse = message('ListOffsetsResponse', 2, '0-9', '6+', {
  throttleTimeMs: int32('2+').ignorable(),
  topics: array('0+', {
    name: string('0+'),
    partitions: array('0+', {
      partitionIndex: int32('0+'),
      errorCode: int16('0+'),
      oldStyleOffsets: array('0', int64()),
      timestamp: nearestInt64('1+').default(-1),
      offset: int64('1+').default(-1),
      leaderEpoch: int32('4+').default(-1),
    }),
  }),
})
export type ListOffsetsResponse = Infer<typeof listOffsetsResponse>
export type ListOffsetsTopicResponse = ListOffsetsResponse['topics'][number]
export type ListOffsetsPartitionResponse = ListOffsetsTopicResponse['partitions'][number]

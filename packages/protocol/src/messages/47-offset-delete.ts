// OffsetDelete, v0: deletes committed offsets (KIP-496). Never flexible.
import { array, int16, int32, message, string, type Infer } from '../schema.ts'

export const offsetDeleteRequest = message('OffsetDeleteRequest', 47, '0', 'none', {
  groupId: string('0+'),
  topics: array('0+', {
    name: string('0+'),
    partitions: array('0+', { partitionIndex: int32('0+') }),
  }),
})
export type OffsetDeleteRequest = Infer<typeof offsetDeleteRequest>
export type OffsetDeleteRequestTopic = OffsetDeleteRequest['topics'][number]
export type OffsetDeleteRequestPartition = OffsetDeleteRequestTopic['partitions'][number]

export const offsetDeleteResponse = message('OffsetDeleteResponse', 47, '0', 'none', {
  errorCode: int16('0+'),
  throttleTimeMs: int32('0+').ignorable(),
  topics: array('0+', {
    name: string('0+'),
    partitions: array('0+', { partitionIndex: int32('0+'), errorCode: int16('0+') }),
  }),
})
export type OffsetDeleteResponse = Infer<typeof offsetDeleteResponse>
export type OffsetDeleteResponseTopic = OffsetDeleteResponse['topics'][number]
export type OffsetDeleteResponsePartition = OffsetDeleteResponseTopic['partitions'][number]

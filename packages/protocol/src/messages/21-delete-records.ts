// DeleteRecords, v0-2: moves log start offsets up (KIP-107); -1 to the high watermark.
// v2: flexible.
import { array, int16, int32, int64, message, string, type Infer } from '../schema.ts'

export const deleteRecordsRequest = message('DeleteRecordsRequest', 21, '0-2', '2+', {
  topics: array('0+', {
    name: string('0+'),
    partitions: array('0+', { partitionIndex: int32('0+'), offset: int64('0+') }),
  }),
  timeoutMs: int32('0+'),
})
export type DeleteRecordsRequest = Infer<typeof deleteRecordsRequest>
export type DeleteRecordsTopic = DeleteRecordsRequest['topics'][number]
export type DeleteRecordsPartition = DeleteRecordsTopic['partitions'][number]

export const deleteRecordsResponse = message('DeleteRecordsResponse', 21, '0-2', '2+', {
  throttleTimeMs: int32('0+'),
  topics: array('0+', {
    name: string('0+'),
    partitions: array('0+', {
      partitionIndex: int32('0+'),
      lowWatermark: int64('0+'),
      errorCode: int16('0+'),
    }),
  }),
})
export type DeleteRecordsResponse = Infer<typeof deleteRecordsResponse>
export type DeleteRecordsTopicResult = DeleteRecordsResponse['topics'][number]
export type DeleteRecordsPartitionResult = DeleteRecordsTopicResult['partitions'][number]

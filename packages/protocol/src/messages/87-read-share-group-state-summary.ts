// ReadShareGroupStateSummary, v0: share groups: reads start offsets of partitions (KIP-932).
import { array, int16, int32, int64, message, string, uuid, type Infer } from '../schema.ts'

export const readShareGroupStateSummaryRequest = message('ReadShareGroupStateSummaryRequest', 87, '0', '0+', {
  groupId: string('0+'),
  topics: array('0+', {
    topicId: uuid('0+'),
    partitions: array('0+', { partition: int32('0+'), leaderEpoch: int32('0+') }),
  }),
})
export type ReadShareGroupStateSummaryRequest = Infer<typeof readShareGroupStateSummaryRequest>
export type ReadStateSummaryData = ReadShareGroupStateSummaryRequest['topics'][number]
export type PartitionData = ReadStateSummaryData['partitions'][number]

export const readShareGroupStateSummaryResponse = message('ReadShareGroupStateSummaryResponse', 87, '0', '0+', {
  results: array('0+', {
    topicId: uuid('0+'),
    partitions: array('0+', {
      partition: int32('0+'),
      errorCode: int16('0+'),
      errorMessage: string('0+').nullByDefault(),
      stateEpoch: int32('0+'),
      startOffset: int64('0+'),
    }),
  }),
})
export type ReadShareGroupStateSummaryResponse = Infer<typeof readShareGroupStateSummaryResponse>
export type ReadStateSummaryResult = ReadShareGroupStateSummaryResponse['results'][number]
export type PartitionResult = ReadStateSummaryResult['partitions'][number]

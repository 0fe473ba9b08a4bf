// InitializeShareGroupState, v0: share groups: first state of a partition (KIP-932).
import { array, int16, int32, int64, message, string, uuid, type Infer } from '../schema.ts'

export const initializeShareGroupStateRequest = message('InitializeShareGroupStateRequest', 83, '0', '0+', {
  groupId: string('0+'),
  topics: array('0+', {
    topicId: uuid('0+'),
    partitions: array('0+', {
      partition: int32('0+'),
      stateEpoch: int32('0+'),
      startOffset: int64('0+'),
    }),
  }),
})
export type InitializeShareGroupStateRequest = Infer<typeof initializeShareGroupStateRequest>
export type InitializeStateData = InitializeShareGroupStateRequest['topics'][number]
export type PartitionData = InitializeStateData['partitions'][number]

export const initializeShareGroupStateResponse = message('InitializeShareGroupStateResponse', 83, '0', '0+', {
  results: array('0+', {
    topicId: uuid('0+'),
    partitions: array('0+', {
      partition: int32('0+'),
      errorCode: int16('0+'),
      errorMessage: string('0+').nullByDefault(),
    }),
  }),
})
export type InitializeShareGroupStateResponse = Infer<typeof initializeShareGroupStateResponse>
export type InitializeStateResult = InitializeShareGroupStateResponse['results'][number]
export type PartitionResult = InitializeStateResult['partitions'][number]

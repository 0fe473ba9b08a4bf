// WriteShareGroupState, v0: share groups: writes state of partitions (KIP-932).
import { array, int16, int32, int64, int8, message, string, uuid, type Infer } from '../schema.ts'

export const writeShareGroupStateRequest = message('WriteShareGroupStateRequest', 85, '0', '0+', {
  groupId: string('0+'),
  topics: array('0+', {
    topicId: uuid('0+'),
    partitions: array('0+', {
      partition: int32('0+'),
      stateEpoch: int32('0+'),
      leaderEpoch: int32('0+'),
      startOffset: int64('0+'),
      stateBatches: array('0+', {
        firstOffset: int64('0+'),
        lastOffset: int64('0+'),
        deliveryState: int8('0+'),
        deliveryCount: int16('0+'),
      }),
    }),
  }),
})
export type WriteShareGroupStateRequest = Infer<typeof writeShareGroupStateRequest>
export type WriteStateData = WriteShareGroupStateRequest['topics'][number]
export type PartitionData = WriteStateData['partitions'][number]
export type StateBatch = PartitionData['stateBatches'][number]

export const writeShareGroupStateResponse = message('WriteShareGroupStateResponse', 85, '0', '0+', {
  results: array('0+', {
    topicId: uuid('0+'),
    partitions: array('0+', {
      partition: int32('0+'),
      errorCode: int16('0+'),
      errorMessage: string('0+').nullByDefault(),
    }),
  }),
})
export type WriteShareGroupStateResponse = Infer<typeof writeShareGroupStateResponse>
export type WriteStateResult = WriteShareGroupStateResponse['results'][number]
export type PartitionResult = WriteStateResult['partitions'][number]

// ReadShareGroupState, v0: share groups: reads state of partitions (KIP-932).
import { array, int16, int32, int64, int8, message, string, uuid, type Infer } from '../schema.ts'

export const readShareGroupStateRequest = message('ReadShareGroupStateRequest', 84, '0', '0+', {
  groupId: string('0+'),
  topics: array('0+', {
    topicId: uuid('0+'),
    partitions: array('0+', { partition: int32('0+'), leaderEpoch: int32('0+') }),
  }),
})
export type ReadShareGroupStateRequest = Infer<typeof readShareGroupStateRequest>
export type ReadStateData = ReadShareGroupStateRequest['topics'][number]
export type PartitionData = ReadStateData['partitions'][number]

export const readShareGroupStateResponse = message('ReadShareGroupStateResponse', 84, '0', '0+', {
  results: array('0+', {
    topicId: uuid('0+'),
    partitions: array('0+', {
      partition: int32('0+'),
      errorCode: int16('0+'),
      errorMessage: string('0+').nullByDefault(),
      stateEpoch: int32('0+'),
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
export type ReadShareGroupStateResponse = Infer<typeof readShareGroupStateResponse>
export type ReadStateResult = ReadShareGroupStateResponse['results'][number]
export type PartitionResult = ReadStateResult['partitions'][number]
export type StateBatch = PartitionResult['stateBatches'][number]

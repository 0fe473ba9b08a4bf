// DeleteShareGroupState, v0: share groups: deletes state of partitions (KIP-932).
import { array, int16, int32, message, string, uuid, type Infer } from '../schema.ts'

export const deleteShareGroupStateRequest = message('DeleteShareGroupStateRequest', 86, '0', '0+', {
  groupId: string('0+'),
  topics: array('0+', {
    topicId: uuid('0+'),
    partitions: array('0+', { partition: int32('0+') }),
  }),
})
export type DeleteShareGroupStateRequest = Infer<typeof deleteShareGroupStateRequest>
export type DeleteStateData = DeleteShareGroupStateRequest['topics'][number]
export type PartitionData = DeleteStateData['partitions'][number]

export const deleteShareGroupStateResponse = message('DeleteShareGroupStateResponse', 86, '0', '0+', {
  results: array('0+', {
    topicId: uuid('0+'),
    partitions: array('0+', {
      partition: int32('0+'),
      errorCode: int16('0+'),
      errorMessage: string('0+').nullByDefault(),
    }),
  }),
})
export type DeleteShareGroupStateResponse = Infer<typeof deleteShareGroupStateResponse>
export type DeleteStateResult = DeleteShareGroupStateResponse['results'][number]
export type PartitionResult = DeleteStateResult['partitions'][number]

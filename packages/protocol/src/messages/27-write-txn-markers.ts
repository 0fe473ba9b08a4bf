// WriteTxnMarkers, v0-1: the transaction coordinator has commit and abort markers written (KIP-98).
// v1: flexible.
import { array, bool, int16, int32, int64, message, string, type Infer } from '../schema.ts'

export const writeTxnMarkersRequest = message('WriteTxnMarkersRequest', 27, '0-1', '1+', {
  markers: array('0+', {
    producerId: int64('0+'),
    producerEpoch: int16('0+'),
    transactionResult: bool('0+'),
    topics: array('0+', { name: string('0+'), partitionIndexes: array('0+', int32()) }),
    coordinatorEpoch: int32('0+'),
  }),
})
export type WriteTxnMarkersRequest = Infer<typeof writeTxnMarkersRequest>
export type WritableTxnMarker = WriteTxnMarkersRequest['markers'][number]
export type WritableTxnMarkerTopic = WritableTxnMarker['topics'][number]

export const writeTxnMarkersResponse = message('WriteTxnMarkersResponse', 27, '0-1', '1+', {
  markers: array('0+', {
    producerId: int64('0+'),
    topics: array('0+', {
      name: string('0+'),
      partitions: array('0+', { partitionIndex: int32('0+'), errorCode: int16('0+') }),
    }),
  }),
})
export type WriteTxnMarkersResponse = Infer<typeof writeTxnMarkersResponse>
export type WritableTxnMarkerResult = WriteTxnMarkersResponse['markers'][number]
export type WritableTxnMarkerTopicResult = WritableTxnMarkerResult['topics'][number]
export type WritableTxnMarkerPartitionResult = WritableTxnMarkerTopicResult['partitions'][number]

// ControlledShutdown, v0-3: a broker asks the controller to move leadership away before it stops.
// v0: its request header has no client id. v2: broker epoch (KIP-380). v3: flexible.
import { array, int16, int32, int64, message, string, type Infer } from '../schema.ts'

export const controlledShutdownRequest = message('ControlledShutdownRequest', 7, '0-3', '3+', {
  brokerId: int32('0+'),
  brokerEpoch: int64('2+').default(-1).ignorable(),
})
export type ControlledShutdownRequest = Infer<typeof controlledShutdownRequest>

export const controlledShutdownResponse = message('ControlledShutdownResponse', 7, '0-3', '3+', {
  errorCode: int16('0+'),
  remainingPartitions: array('0+', { topicName: string('0+'), partitionIndex: int32('0+') }),
})
export type ControlledShutdownResponse = Infer<typeof controlledShutdownResponse>
export type RemainingPartition = ControlledShutdownResponse['remainingPartitions'][number]

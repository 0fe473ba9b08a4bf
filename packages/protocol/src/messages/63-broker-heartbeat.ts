// BrokerHeartbeat, v0-1: KRaft: a broker is alive (KIP-631).
// v1: offline log directories (KIP-858).
import { array, bool, int16, int32, int64, message, uuid, type Infer } from '../schema.ts'

export const brokerHeartbeatRequest = message('BrokerHeartbeatRequest', 63, '0-1', '0+', {
  brokerId: int32('0+'),
  brokerEpoch: int64('0+').default(-1),
  currentMetadataOffset: int64('0+'),
  wantFence: bool('0+'),
  wantShutDown: bool('0+'),
  offlineLogDirs: array('1+', uuid()).tag(0),
})
export type BrokerHeartbeatRequest = Infer<typeof brokerHeartbeatRequest>

export const brokerHeartbeatResponse = message('BrokerHeartbeatResponse', 63, '0-1', '0+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
  isCaughtUp: bool('0+'),
  isFenced: bool('0+').default(true),
  shouldShutDown: bool('0+'),
})
export type BrokerHeartbeatResponse = Infer<typeof brokerHeartbeatResponse>

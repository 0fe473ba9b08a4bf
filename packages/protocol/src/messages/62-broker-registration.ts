// BrokerRegistration, v0-4: KRaft: a broker registers with the controller (KIP-631).
// v1: migration from ZooKeeper (KIP-866). v2: log directories (KIP-858). v3: the epoch before. v4: features whose
// range starts at 0.
import { array, bool, int16, int32, int64, message, string, uint16, uuid, type Infer } from '../schema.ts'

export const brokerRegistrationRequest = message('BrokerRegistrationRequest', 62, '0-4', '0+', {
  brokerId: int32('0+'),
  clusterId: string('0+'),
  incarnationId: uuid('0+'),
  listeners: array('0+', {
    name: string('0+'),
    host: string('0+'),
    port: uint16('0+'),
    securityProtocol: int16('0+'),
  }),
  features: array('0+', {
    name: string('0+'),
    minSupportedVersion: int16('0+'),
    maxSupportedVersion: int16('0+'),
  }),
  rack: string('0+').nullable(),
  isMigratingZkBroker: bool('1+'),
  logDirs: array('2+', uuid()).ignorable(),
  previousBrokerEpoch: int64('3+').default(-1).ignorable(),
})
export type BrokerRegistrationRequest = Infer<typeof brokerRegistrationRequest>
export type Listener = BrokerRegistrationRequest['listeners'][number]
export type Feature = BrokerRegistrationRequest['features'][number]

export const brokerRegistrationResponse = message('BrokerRegistrationResponse', 62, '0-4', '0+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
  brokerEpoch: int64('0+').default(-1),
})
export type BrokerRegistrationResponse = Infer<typeof brokerRegistrationResponse>

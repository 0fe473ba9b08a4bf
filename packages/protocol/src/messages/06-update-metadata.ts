// UpdateMetadata, v0-8: the controller sends what every broker answers Metadata from.
// v1: several endpoints. v2: racks. v3: listener names. v4: offline replicas. v5: grouped by topic, broker epoch
// (KIP-380). v6: flexible. v7: topic ids (KIP-516). v8: KRaft controllers, full or incremental (KIP-866).
import { array, bool, int16, int32, int64, int8, message, string, uuid, type Infer } from '../schema.ts'

const updateMetadataPartitionState = {
  topicName: string('0-4').ignorable(),
  partitionIndex: int32('0+'),
  controllerEpoch: int32('0+'),
  leader: int32('0+'),
  leaderEpoch: int32('0+'),
  isr: array('0+', int32()),
  zkVersion: int32('0+'),
  replicas: array('0+', int32()),
  offlineReplicas: array('4+', int32()).ignorable(),
}

export const updateMetadataRequest = message('UpdateMetadataRequest', 6, '0-8', '6+', {
  controllerId: int32('0+'),
  isKRaftController: bool('8+'),
  type: int8('8+').tag(0),
  controllerEpoch: int32('0+'),
  brokerEpoch: int64('5+').default(-1).ignorable(),
  ungroupedPartitionStates: array('0-4', updateMetadataPartitionState),
  topicStates: array('5+', {
    topicName: string('5+'),
    topicId: uuid('7+').ignorable(),
    partitionStates: array('5+', updateMetadataPartitionState),
  }),
  liveBrokers: array('0+', {
    id: int32('0+'),
    v0Host: string('0').ignorable(),
    v0Port: int32('0').ignorable(),
    endpoints: array('1+', {
      port: int32('1+'),
      host: string('1+'),
      listener: string('3+').ignorable(),
      securityProtocol: int16('1+'),
    }).ignorable(),
    rack: string('2+').nullable().ignorable(),
  }),
})
export type UpdateMetadataRequest = Infer<typeof updateMetadataRequest>
export type UpdateMetadataPartitionState = UpdateMetadataRequest['ungroupedPartitionStates'][number]
export type UpdateMetadataTopicState = UpdateMetadataRequest['topicStates'][number]
export type UpdateMetadataBroker = UpdateMetadataRequest['liveBrokers'][number]
export type UpdateMetadataEndpoint = UpdateMetadataBroker['endpoints'][number]

export const updateMetadataResponse = message('UpdateMetadataResponse', 6, '0-8', '6+', {
  errorCode: int16('0+'),
})
export type UpdateMetadataResponse = Infer<typeof updateMetadataResponse>

// AlterPartition, v0-3: a leader changes its in-sync replicas through the controller (KIP-497), instead of writing
// ZooKeeper itself.
// v1: leader recovery state (KIP-704). v2: topic ids (KIP-841). v3: broker epochs of the new in-sync replicas
// (KIP-903).
// `controllerEpoch` and `attempt` are Millrace's own: the only term of a controller in which this may be written, and the number of this
// request among those of the sender's broker epoch. Kafka ignores tags that it does not know.
import { array, int16, int32, int64, int8, message, string, uuid, type Infer } from '../schema.ts'

export const alterPartitionRequest = message('AlterPartitionRequest', 56, '0-3', '0+', {
  brokerId: int32('0+'),
  brokerEpoch: int64('0+').default(-1),
  topics: array('0+', {
    topicName: string('0-1').ignorable(),
    topicId: uuid('2+').ignorable(),
    partitions: array('0+', {
      partitionIndex: int32('0+'),
      leaderEpoch: int32('0+'),
      newIsr: array('0-2', int32()),
      newIsrWithEpochs: array('3+', { brokerId: int32('3+'), brokerEpoch: int64('3+').default(-1) }),
      leaderRecoveryState: int8('1+'),
      partitionEpoch: int32('0+'),
    }),
  }),
  controllerEpoch: int32('0+').default(-1).tag(10_000).ignorable(),
  attempt: int64('0+').default(-1).tag(10_001).ignorable(),
})
export type AlterPartitionRequest = Infer<typeof alterPartitionRequest>
export type AlterPartitionRequestTopicData = AlterPartitionRequest['topics'][number]
export type AlterPartitionRequestPartitionData = AlterPartitionRequestTopicData['partitions'][number]
export type BrokerState = AlterPartitionRequestPartitionData['newIsrWithEpochs'][number]

export const alterPartitionResponse = message('AlterPartitionResponse', 56, '0-3', '0+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
  topics: array('0+', {
    topicName: string('0-1').ignorable(),
    topicId: uuid('2+').ignorable(),
    partitions: array('0+', {
      partitionIndex: int32('0+'),
      errorCode: int16('0+'),
      leaderId: int32('0+'),
      leaderEpoch: int32('0+'),
      isr: array('0+', int32()),
      leaderRecoveryState: int8('1+').ignorable(),
      partitionEpoch: int32('0+'),
    }),
  }),
})
export type AlterPartitionResponse = Infer<typeof alterPartitionResponse>
export type AlterPartitionResponseTopicData = AlterPartitionResponse['topics'][number]
export type AlterPartitionResponsePartitionData = AlterPartitionResponseTopicData['partitions'][number]

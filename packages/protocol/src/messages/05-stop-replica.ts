// StopReplica, v0-4: the controller stops replicas, and deletes them if it says so.
// v1: broker epoch (KIP-380), grouped by topic. v2: flexible. v3: leader epoch and deletion per partition
// (KIP-570). v4: KRaft controllers (KIP-866).
import { array, bool, int16, int32, int64, message, string, type Infer } from '../schema.ts'

export const stopReplicaRequest = message('StopReplicaRequest', 5, '0-4', '2+', {
  controllerId: int32('0+'),
  isKRaftController: bool('4+'),
  controllerEpoch: int32('0+'),
  brokerEpoch: int64('1+').default(-1).ignorable(),
  deletePartitions: bool('0-2'),
  ungroupedPartitions: array('0', { topicName: string('0'), partitionIndex: int32('0') }),
  topics: array('1-2', { name: string('1-2'), partitionIndexes: array('1-2', int32()) }),
  topicStates: array('3+', {
    topicName: string('3+'),
    partitionStates: array('3+', {
      partitionIndex: int32('3+'),
      leaderEpoch: int32('3+').default(-1),
      deletePartition: bool('3+'),
    }),
  }),
})
export type StopReplicaRequest = Infer<typeof stopReplicaRequest>
export type StopReplicaPartitionV0 = StopReplicaRequest['ungroupedPartitions'][number]
export type StopReplicaTopicV1 = StopReplicaRequest['topics'][number]
export type StopReplicaTopicState = StopReplicaRequest['topicStates'][number]
export type StopReplicaPartitionState = StopReplicaTopicState['partitionStates'][number]

export const stopReplicaResponse = message('StopReplicaResponse', 5, '0-4', '2+', {
  errorCode: int16('0+'),
  partitionErrors: array('0+', {
    topicName: string('0+'),
    partitionIndex: int32('0+'),
    errorCode: int16('0+'),
  }),
})
export type StopReplicaResponse = Infer<typeof stopReplicaResponse>
export type StopReplicaPartitionError = StopReplicaResponse['partitionErrors'][number]

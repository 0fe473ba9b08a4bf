// LeaderAndIsr, v0-7: the controller tells replicas whom to lead and whom to follow.
// v1: isNew. v2: grouped by topic, broker epoch (KIP-380). v3: adding and removing replicas (KIP-455).
// v4: flexible. v5: topic ids, type 1 incremental, 2 full (KIP-516). v6: leader recovery state (KIP-704). v7: sent
// by a KRaft controller during migration (KIP-866).
import { array, bool, int16, int32, int64, int8, message, string, uuid, type Infer } from '../schema.ts'

const leaderAndIsrPartitionState = {
  topicName: string('0-1').ignorable(),
  partitionIndex: int32('0+'),
  controllerEpoch: int32('0+'),
  leader: int32('0+'),
  leaderEpoch: int32('0+'),
  isr: array('0+', int32()),
  partitionEpoch: int32('0+'),
  replicas: array('0+', int32()),
  addingReplicas: array('3+', int32()).ignorable(),
  removingReplicas: array('3+', int32()).ignorable(),
  isNew: bool('1+').ignorable(),
  leaderRecoveryState: int8('6+'),
}

export const leaderAndIsrRequest = message('LeaderAndIsrRequest', 4, '0-7', '4+', {
  controllerId: int32('0+'),
  isKRaftController: bool('7+'),
  controllerEpoch: int32('0+'),
  brokerEpoch: int64('2+').default(-1).ignorable(),
  type: int8('5+'),
  ungroupedPartitionStates: array('0-1', leaderAndIsrPartitionState),
  topicStates: array('2+', {
    topicName: string('2+'),
    topicId: uuid('5+').ignorable(),
    partitionStates: array('2+', leaderAndIsrPartitionState),
  }),
  liveLeaders: array('0+', { brokerId: int32('0+'), hostName: string('0+'), port: int32('0+') }),
})
export type LeaderAndIsrRequest = Infer<typeof leaderAndIsrRequest>
export type LeaderAndIsrPartitionState = LeaderAndIsrRequest['ungroupedPartitionStates'][number]
export type LeaderAndIsrTopicState = LeaderAndIsrRequest['topicStates'][number]
export type LeaderAndIsrLiveLeader = LeaderAndIsrRequest['liveLeaders'][number]

const leaderAndIsrPartitionError = {
  topicName: string('0-4').ignorable(),
  partitionIndex: int32('0+'),
  errorCode: int16('0+'),
}

export const leaderAndIsrResponse = message('LeaderAndIsrResponse', 4, '0-7', '4+', {
  errorCode: int16('0+'),
  partitionErrors: array('0-4', leaderAndIsrPartitionError),
  topics: array('5+', {
    topicId: uuid('5+'),
    partitionErrors: array('5+', leaderAndIsrPartitionError),
  }),
})
export type LeaderAndIsrResponse = Infer<typeof leaderAndIsrResponse>
export type LeaderAndIsrPartitionError = LeaderAndIsrResponse['partitionErrors'][number]
export type LeaderAndIsrTopicError = LeaderAndIsrResponse['topics'][number]

// DescribeQuorum, v0-2: KRaft: state of the quorum (KIP-595).
// v1: fetch timestamps (KIP-836). v2: directory ids, endpoints (KIP-853).
import { array, int16, int32, int64, message, string, uint16, uuid, type Infer } from '../schema.ts'

export const describeQuorumRequest = message('DescribeQuorumRequest', 55, '0-2', '0+', {
  topics: array('0+', {
    topicName: string('0+'),
    partitions: array('0+', { partitionIndex: int32('0+') }),
  }),
})
export type DescribeQuorumRequest = Infer<typeof describeQuorumRequest>
export type DescribeQuorumRequestTopicData = DescribeQuorumRequest['topics'][number]
export type DescribeQuorumRequestPartitionData = DescribeQuorumRequestTopicData['partitions'][number]

const replicaState = {
  replicaId: int32('0+'),
  replicaDirectoryId: uuid('2+'),
  logEndOffset: int64('0+'),
  lastFetchTimestamp: int64('1+').default(-1).ignorable(),
  lastCaughtUpTimestamp: int64('1+').default(-1).ignorable(),
}

export const describeQuorumResponse = message('DescribeQuorumResponse', 55, '0-2', '0+', {
  errorCode: int16('0+'),
  errorMessage: string('2+').nullable().ignorable(),
  topics: array('0+', {
    topicName: string('0+'),
    partitions: array('0+', {
      partitionIndex: int32('0+'),
      errorCode: int16('0+'),
      errorMessage: string('2+').nullable().ignorable(),
      leaderId: int32('0+'),
      leaderEpoch: int32('0+'),
      highWatermark: int64('0+'),
      currentVoters: array('0+', replicaState),
      observers: array('0+', replicaState),
    }),
  }),
  nodes: array('2+', {
    nodeId: int32('2+'),
    listeners: array('2+', { name: string('2+'), host: string('2+'), port: uint16('2+') }),
  }),
})
export type DescribeQuorumResponse = Infer<typeof describeQuorumResponse>
export type DescribeQuorumResponseTopicData = DescribeQuorumResponse['topics'][number]
export type DescribeQuorumResponsePartitionData = DescribeQuorumResponseTopicData['partitions'][number]
export type ReplicaState = DescribeQuorumResponsePartitionData['currentVoters'][number]
export type Node = DescribeQuorumResponse['nodes'][number]
export type Listener = Node['listeners'][number]

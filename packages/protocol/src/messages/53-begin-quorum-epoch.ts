// BeginQuorumEpoch, v0-1: KRaft: a new leader introduces itself (KIP-595).
// v1: flexible; directory ids (KIP-853).
import { array, int16, int32, message, string, uint16, uuid, type Infer } from '../schema.ts'

export const beginQuorumEpochRequest = message('BeginQuorumEpochRequest', 53, '0-1', '1+', {
  clusterId: string('0+').nullByDefault(),
  voterId: int32('1+').default(-1).ignorable(),
  topics: array('0+', {
    topicName: string('0+'),
    partitions: array('0+', {
      partitionIndex: int32('0+'),
      voterDirectoryId: uuid('1+').ignorable(),
      leaderId: int32('0+'),
      leaderEpoch: int32('0+'),
    }),
  }),
  leaderEndpoints: array('1+', {
    name: string('1+'),
    host: string('1+'),
    port: uint16('1+'),
  }).ignorable(),
})
export type BeginQuorumEpochRequest = Infer<typeof beginQuorumEpochRequest>
export type BeginQuorumEpochRequestTopicData = BeginQuorumEpochRequest['topics'][number]
export type BeginQuorumEpochRequestPartitionData = BeginQuorumEpochRequestTopicData['partitions'][number]
export type LeaderEndpoint = BeginQuorumEpochRequest['leaderEndpoints'][number]

export const beginQuorumEpochResponse = message('BeginQuorumEpochResponse', 53, '0-1', '1+', {
  errorCode: int16('0+'),
  topics: array('0+', {
    topicName: string('0+'),
    partitions: array('0+', {
      partitionIndex: int32('0+'),
      errorCode: int16('0+'),
      leaderId: int32('0+'),
      leaderEpoch: int32('0+'),
    }),
  }),
  nodeEndpoints: array('1+', {
    nodeId: int32('1+'),
    host: string('1+'),
    port: uint16('1+'),
  }).tag(0),
})
export type BeginQuorumEpochResponse = Infer<typeof beginQuorumEpochResponse>
export type BeginQuorumEpochResponseTopicData = BeginQuorumEpochResponse['topics'][number]
export type BeginQuorumEpochResponsePartitionData = BeginQuorumEpochResponseTopicData['partitions'][number]
export type NodeEndpoint = BeginQuorumEpochResponse['nodeEndpoints'][number]

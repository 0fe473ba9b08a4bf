// EndQuorumEpoch, v0-1: KRaft: a leader steps down (KIP-595).
// v1: flexible; directory ids (KIP-853).
import { array, int16, int32, message, string, uint16, uuid, type Infer } from '../schema.ts'

export const endQuorumEpochRequest = message('EndQuorumEpochRequest', 54, '0-1', '1+', {
  clusterId: string('0+').nullByDefault(),
  topics: array('0+', {
    topicName: string('0+'),
    partitions: array('0+', {
      partitionIndex: int32('0+'),
      leaderId: int32('0+'),
      leaderEpoch: int32('0+'),
      preferredSuccessors: array('0', int32()).ignorable(),
      preferredCandidates: array('1+', {
        candidateId: int32('1+'),
        candidateDirectoryId: uuid('1+'),
      }).ignorable(),
    }),
  }),
  leaderEndpoints: array('1+', {
    name: string('1+'),
    host: string('1+'),
    port: uint16('1+'),
  }).ignorable(),
})
export type EndQuorumEpochRequest = Infer<typeof endQuorumEpochRequest>
export type EndQuorumEpochRequestTopicData = EndQuorumEpochRequest['topics'][number]
export type EndQuorumEpochRequestPartitionData = EndQuorumEpochRequestTopicData['partitions'][number]
export type ReplicaInfo = EndQuorumEpochRequestPartitionData['preferredCandidates'][number]
export type LeaderEndpoint = EndQuorumEpochRequest['leaderEndpoints'][number]

export const endQuorumEpochResponse = message('EndQuorumEpochResponse', 54, '0-1', '1+', {
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
export type EndQuorumEpochResponse = Infer<typeof endQuorumEpochResponse>
export type EndQuorumEpochResponseTopicData = EndQuorumEpochResponse['topics'][number]
export type EndQuorumEpochResponsePartitionData = EndQuorumEpochResponseTopicData['partitions'][number]
export type NodeEndpoint = EndQuorumEpochResponse['nodeEndpoints'][number]

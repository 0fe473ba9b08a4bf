// Vote, v0-1: KRaft: a candidate asks for votes (KIP-595).
// v1: directory ids (KIP-853).
import { array, bool, int16, int32, int64, message, string, uint16, uuid, type Infer } from '../schema.ts'

export const voteRequest = message('VoteRequest', 52, '0-1', '0+', {
  clusterId: string('0+').nullByDefault(),
  voterId: int32('1+').default(-1).ignorable(),
  topics: array('0+', {
    topicName: string('0+'),
    partitions: array('0+', {
      partitionIndex: int32('0+'),
      candidateEpoch: int32('0+'),
      candidateId: int32('0+'),
      candidateDirectoryId: uuid('1+').ignorable(),
      voterDirectoryId: uuid('1+').ignorable(),
      lastOffsetEpoch: int32('0+'),
      lastOffset: int64('0+'),
    }),
  }),
})
export type VoteRequest = Infer<typeof voteRequest>
export type VoteRequestTopicData = VoteRequest['topics'][number]
export type VoteRequestPartitionData = VoteRequestTopicData['partitions'][number]

export const voteResponse = message('VoteResponse', 52, '0-1', '0+', {
  errorCode: int16('0+'),
  topics: array('0+', {
    topicName: string('0+'),
    partitions: array('0+', {
      partitionIndex: int32('0+'),
      errorCode: int16('0+'),
      leaderId: int32('0+'),
      leaderEpoch: int32('0+'),
      voteGranted: bool('0+'),
    }),
  }),
  nodeEndpoints: array('1+', {
    nodeId: int32('1+'),
    host: string('1+'),
    port: uint16('1+'),
  }).tag(0),
})
export type VoteResponse = Infer<typeof voteResponse>
export type VoteResponseTopicData = VoteResponse['topics'][number]
export type VoteResponsePartitionData = VoteResponseTopicData['partitions'][number]
export type NodeEndpoint = VoteResponse['nodeEndpoints'][number]

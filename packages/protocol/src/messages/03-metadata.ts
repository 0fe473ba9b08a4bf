// Metadata, v0-12: brokers, and topics with their partitions; may create topics that do not exist.
// v0: an empty list asks for all topics; from v1 null does. v1: racks, controller, internal topics. v2: cluster id.
// v4: automatic creation can be refused (KIP-204). v5: offline replicas (KIP-112). v7: leader epochs (KIP-320).
// v8: authorized operations (KIP-430); those of the cluster move to DescribeCluster in v11 (KIP-700). v9: flexible.
// v10: topic ids (KIP-516). v12: topics asked for by id alone.
import { array, bool, int16, int32, message, string, uuid, type Infer } from '../schema.ts'

export const metadataRequest = message('MetadataRequest', 3, '0-12', '9+', {
  topics: array('0+', {
    topicId: uuid('10+').ignorable(),
    name: string('0+').nullable('10+'),
  }).nullable('1+'),
  allowAutoTopicCreation: bool('4+').default(true),
  includeClusterAuthorizedOperations: bool('8-10'),
  includeTopicAuthorizedOperations: bool('8+'),
})
export type MetadataRequest = Infer<typeof metadataRequest>
export type MetadataRequestTopic = NonNullable<MetadataRequest['topics']>[number]

export const metadataResponse = message('MetadataResponse', 3, '0-12', '9+', {
  throttleTimeMs: int32('3+').ignorable(),
  brokers: array('0+', {
    nodeId: int32('0+'),
    host: string('0+'),
    port: int32('0+'),
    rack: string('1+').nullByDefault().ignorable(),
  }),
  clusterId: string('2+').nullByDefault().ignorable(),
  controllerId: int32('1+').default(-1).ignorable(),
  topics: array('0+', {
    errorCode: int16('0+'),
    name: string('0+').nullable('12+'),
    topicId: uuid('10+').ignorable(),
    isInternal: bool('1+').ignorable(),
    partitions: array('0+', {
      errorCode: int16('0+'),
      partitionIndex: int32('0+'),
      leaderId: int32('0+'),
      leaderEpoch: int32('7+').default(-1).ignorable(),
      replicaNodes: array('0+', int32()),
      isrNodes: array('0+', int32()),
      offlineReplicas: array('5+', int32()).ignorable(),
    }),
    topicAuthorizedOperations: int32('8+').default(-2147483648),
  }),
  clusterAuthorizedOperations: int32('8-10').default(-2147483648),
})
export type MetadataResponse = Infer<typeof metadataResponse>
export type MetadataResponseBroker = MetadataResponse['brokers'][number]
export type MetadataResponseTopic = MetadataResponse['topics'][number]
export type MetadataResponsePartition = MetadataResponseTopic['partitions'][number]

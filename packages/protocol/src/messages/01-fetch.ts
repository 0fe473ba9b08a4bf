// Fetch, v0-17: reads record batches; also how followers replicate.
// v1: throttle time. v2: magic 1. v3: maxBytes for the whole answer, first batch always whole (KIP-74).
// v4: isolation level, magic 2 (KIP-98). v5: log start offsets. v7: sessions, forgotten topics (KIP-227).
// v9: leader epoch fencing (KIP-320). v10: zstd (KIP-110). v11: rack, preferred read replica (KIP-392).
// v12: flexible; last fetched epoch, diverging epoch (KIP-595). v13: topic ids (KIP-516). v15: replica state moves
// into a tag (KIP-903). v16: endpoints of new leaders (KIP-951). v17: directory id (KIP-853).
import { array, bytes, int16, int32, int64, int8, message, string, struct, uuid, type Infer } from '../schema.ts'

export const fetchRequest = message('FetchRequest', 1, '0-17', '12+', {
  clusterId: string('12+').nullByDefault().tag(0).ignorable(),
  replicaId: int32('0-14').default(-1),
  replicaState: struct('15+', {
    replicaId: int32('15+').default(-1),
    replicaEpoch: int64('15+').default(-1),
  }).tag(1),
  maxWaitMs: int32('0+'),
  minBytes: int32('0+'),
  maxBytes: int32('3+').default(0x7fffffff).ignorable(),
  isolationLevel: int8('4+').ignorable(),
  sessionId: int32('7+').ignorable(),
  sessionEpoch: int32('7+').default(-1).ignorable(),
  topics: array('0+', {
    topic: string('0-12').ignorable(),
    topicId: uuid('13+').ignorable(),
    partitions: array('0+', {
      partition: int32('0+'),
      currentLeaderEpoch: int32('9+').default(-1).ignorable(),
      fetchOffset: int64('0+'),
      lastFetchedEpoch: int32('12+').default(-1),
      logStartOffset: int64('5+').default(-1).ignorable(),
      partitionMaxBytes: int32('0+'),
      replicaDirectoryId: uuid('17+').tag(0).ignorable(),
    }),
  }),
  forgottenTopicsData: array('7+', {
    topic: string('7-12').ignorable(),
    topicId: uuid('13+').ignorable(),
    partitions: array('7+', int32()),
  }),
  rackId: string('11+').ignorable(),
})
export type FetchRequest = Infer<typeof fetchRequest>
export type ReplicaState = FetchRequest['replicaState']
export type FetchTopic = FetchRequest['topics'][number]
export type FetchPartition = FetchTopic['partitions'][number]
export type ForgottenTopic = FetchRequest['forgottenTopicsData'][number]

export const fetchResponse = message('FetchResponse', 1, '0-17', '12+', {
  throttleTimeMs: int32('1+').ignorable(),
  errorCode: int16('7+').ignorable(),
  sessionId: int32('7+'),
  responses: array('0+', {
    topic: string('0-12').ignorable(),
    topicId: uuid('13+').ignorable(),
    partitions: array('0+', {
      partitionIndex: int32('0+'),
      errorCode: int16('0+'),
      highWatermark: int64('0+'),
      lastStableOffset: int64('4+').default(-1).ignorable(),
      logStartOffset: int64('5+').default(-1).ignorable(),
      divergingEpoch: struct('12+', {
        epoch: int32('12+').default(-1),
        endOffset: int64('12+').default(-1),
      }).tag(0),
      currentLeader: struct('12+', {
        leaderId: int32('12+').default(-1),
        leaderEpoch: int32('12+').default(-1),
      }).tag(1),
      snapshotId: struct('12+', {
        endOffset: int64('0+').default(-1),
        epoch: int32('0+').default(-1),
      }).tag(2),
      abortedTransactions: array('4+', {
        producerId: int64('4+'),
        firstOffset: int64('4+'),
      })
        .nullable()
        .ignorable(),
      preferredReadReplica: int32('11+').default(-1),
      records: bytes('0+').nullable(),
    }),
  }),
  nodeEndpoints: array('16+', {
    nodeId: int32('16+'),
    host: string('16+'),
    port: int32('16+'),
    rack: string('16+').nullByDefault(),
  }).tag(0),
})
export type FetchResponse = Infer<typeof fetchResponse>
export type FetchableTopicResponse = FetchResponse['responses'][number]
export type PartitionData = FetchableTopicResponse['partitions'][number]
export type EpochEndOffset = PartitionData['divergingEpoch']
export type LeaderIdAndEpoch = PartitionData['currentLeader']
export type SnapshotId = PartitionData['snapshotId']
export type AbortedTransaction = NonNullable<PartitionData['abortedTransactions']>[number]
export type NodeEndpoint = FetchResponse['nodeEndpoints'][number]

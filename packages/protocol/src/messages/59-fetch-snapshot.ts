// FetchSnapshot, v0-1: KRaft: a piece of a snapshot (KIP-630).
// v1: directory ids, endpoints (KIP-853).
import { array, bytes, int16, int32, int64, message, string, struct, uint16, uuid, type Infer } from '../schema.ts'

export const fetchSnapshotRequest = message('FetchSnapshotRequest', 59, '0-1', '0+', {
  clusterId: string('0+').nullByDefault().tag(0),
  replicaId: int32('0+').default(-1),
  maxBytes: int32('0+').default(0x7fffffff),
  topics: array('0+', {
    name: string('0+'),
    partitions: array('0+', {
      partition: int32('0+'),
      currentLeaderEpoch: int32('0+'),
      snapshotId: struct('0+', { endOffset: int64('0+'), epoch: int32('0+') }),
      position: int64('0+'),
      replicaDirectoryId: uuid('1+').tag(0).ignorable(),
    }),
  }),
})
export type FetchSnapshotRequest = Infer<typeof fetchSnapshotRequest>
export type FetchSnapshotRequestTopicSnapshot = FetchSnapshotRequest['topics'][number]
export type FetchSnapshotRequestPartitionSnapshot = FetchSnapshotRequestTopicSnapshot['partitions'][number]
export type FetchSnapshotRequestSnapshotId = FetchSnapshotRequestPartitionSnapshot['snapshotId']

export const fetchSnapshotResponse = message('FetchSnapshotResponse', 59, '0-1', '0+', {
  throttleTimeMs: int32('0+').ignorable(),
  errorCode: int16('0+'),
  topics: array('0+', {
    name: string('0+'),
    partitions: array('0+', {
      index: int32('0+'),
      errorCode: int16('0+'),
      snapshotId: struct('0+', { endOffset: int64('0+'), epoch: int32('0+') }),
      currentLeader: struct('0+', {
        leaderId: int32('0+'),
        leaderEpoch: int32('0+'),
      }).tag(0),
      size: int64('0+'),
      position: int64('0+'),
      unalignedRecords: bytes('0+'),
    }),
  }),
  nodeEndpoints: array('1+', {
    nodeId: int32('1+'),
    host: string('1+'),
    port: uint16('1+'),
  }).tag(0),
})
export type FetchSnapshotResponse = Infer<typeof fetchSnapshotResponse>
export type FetchSnapshotResponseTopicSnapshot = FetchSnapshotResponse['topics'][number]
export type FetchSnapshotResponsePartitionSnapshot = FetchSnapshotResponseTopicSnapshot['partitions'][number]
export type FetchSnapshotResponseSnapshotId = FetchSnapshotResponsePartitionSnapshot['snapshotId']
export type LeaderIdAndEpoch = FetchSnapshotResponsePartitionSnapshot['currentLeader']
export type NodeEndpoint = FetchSnapshotResponse['nodeEndpoints'][number]

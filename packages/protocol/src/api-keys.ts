import type { VersionRange } from './schema.ts'

/** Every API key that has a message. Those that `apiRows` lacks belong to clusters without ZooKeeper. */
export const ApiKey = {
  Produce: 0,
  Fetch: 1,
  ListOffsets: 2,
  Metadata: 3,
  LeaderAndIsr: 4,
  StopReplica: 5,
  UpdateMetadata: 6,
  ControlledShutdown: 7,
  OffsetCommit: 8,
  OffsetFetch: 9,
  FindCoordinator: 10,
  JoinGroup: 11,
  Heartbeat: 12,
  LeaveGroup: 13,
  SyncGroup: 14,
  DescribeGroups: 15,
  ListGroups: 16,
  SaslHandshake: 17,
  ApiVersions: 18,
  CreateTopics: 19,
  DeleteTopics: 20,
  DeleteRecords: 21,
  InitProducerId: 22,
  OffsetForLeaderEpoch: 23,
  AddPartitionsToTxn: 24,
  AddOffsetsToTxn: 25,
  EndTxn: 26,
  WriteTxnMarkers: 27,
  TxnOffsetCommit: 28,
  DescribeAcls: 29,
  CreateAcls: 30,
  DeleteAcls: 31,
  DescribeConfigs: 32,
  AlterConfigs: 33,
  AlterReplicaLogDirs: 34,
  DescribeLogDirs: 35,
  SaslAuthenticate: 36,
  CreatePartitions: 37,
  CreateDelegationToken: 38,
  RenewDelegationToken: 39,
  ExpireDelegationToken: 40,
  DescribeDelegationToken: 41,
  DeleteGroups: 42,
  ElectLeaders: 43,
  IncrementalAlterConfigs: 44,
  AlterPartitionReassignments: 45,
  ListPartitionReassignments: 46,
  OffsetDelete: 47,
  DescribeClientQuotas: 48,
  AlterClientQuotas: 49,
  DescribeUserScramCredentials: 50,
  AlterUserScramCredentials: 51,
  Vote: 52,
  BeginQuorumEpoch: 53,
  EndQuorumEpoch: 54,
  DescribeQuorum: 55,
  AlterPartition: 56,
  UpdateFeatures: 57,
  Envelope: 58,
  FetchSnapshot: 59,
  DescribeCluster: 60,
  DescribeProducers: 61,
  BrokerRegistration: 62,
  BrokerHeartbeat: 63,
  UnregisterBroker: 64,
  DescribeTransactions: 65,
  ListTransactions: 66,
  AllocateProducerIds: 67,
  ConsumerGroupHeartbeat: 68,
  ConsumerGroupDescribe: 69,
  ControllerRegistration: 70,
  GetTelemetrySubscriptions: 71,
  PushTelemetry: 72,
  AssignReplicasToDirs: 73,
  ListClientMetricsResources: 74,
  DescribeTopicPartitions: 75,
  ShareGroupHeartbeat: 76,
  ShareGroupDescribe: 77,
  ShareFetch: 78,
  ShareAcknowledge: 79,
  AddRaftVoter: 80,
  RemoveRaftVoter: 81,
  UpdateRaftVoter: 82,
  InitializeShareGroupState: 83,
  ReadShareGroupState: 84,
  WriteShareGroupState: 85,
  DeleteShareGroupState: 86,
  ReadShareGroupStateSummary: 87,
} as const
export type ApiKey = (typeof ApiKey)[keyof typeof ApiKey]

/** What a Kafka 3.9 broker with ZooKeeper speaks. */
export interface ApiRow {
  readonly key: ApiKey
  readonly name: string
  readonly versions: VersionRange
  /** First version with compact lengths and tagged fields, in the body and in the headers; Infinity: none. */
  readonly flexibleSince: number
  /** Versions that Kafka counts as deprecated, and serves. */
  readonly deprecated: VersionRange | null
  /** Only brokers may send it: CLUSTER_ACTION on the cluster. */
  readonly isClusterAction: boolean
  /** A broker that is not the controller may forward it in an Envelope (KIP-590). */
  readonly isForwardable: boolean
}

const clusterAction = { isClusterAction: true }
const forwardable = { isForwardable: true }

/** In order of their keys. */
export const apiRows: readonly ApiRow[] = [
  row('Produce', [0, 11], 9, { deprecated: [0, 6] }),
  row('Fetch', [0, 17], 12, { deprecated: [0, 3] }),
  row('ListOffsets', [0, 9], 6, { deprecated: [0, 0] }),
  row('Metadata', [0, 12], 9, { deprecated: [0, 3] }),
  row('LeaderAndIsr', [0, 7], 4, { ...clusterAction }),
  row('StopReplica', [0, 4], 2, { ...clusterAction }),
  row('UpdateMetadata', [0, 8], 6, { ...clusterAction }),
  row('ControlledShutdown', [0, 3], 3, { ...clusterAction }),
  row('OffsetCommit', [0, 9], 8, { deprecated: [0, 1] }),
  row('OffsetFetch', [0, 9], 6, { deprecated: [0, 0] }),
  row('FindCoordinator', [0, 6], 3, { deprecated: [0, 0] }),
  row('JoinGroup', [0, 9], 6, { deprecated: [0, 1] }),
  row('Heartbeat', [0, 4], 4),
  row('LeaveGroup', [0, 5], 4),
  row('SyncGroup', [0, 5], 4),
  row('DescribeGroups', [0, 5], 5),
  row('ListGroups', [0, 5], 3),
  row('SaslHandshake', [0, 1], Infinity, { deprecated: [0, 0] }),
  row('ApiVersions', [0, 4], 3),
  row('CreateTopics', [0, 7], 5, { ...forwardable, deprecated: [0, 1] }),
  row('DeleteTopics', [0, 6], 4, { ...forwardable, deprecated: [0, 0] }),
  row('DeleteRecords', [0, 2], 2),
  row('InitProducerId', [0, 5], 2),
  row('OffsetForLeaderEpoch', [0, 4], 4, { deprecated: [0, 1] }),
  row('AddPartitionsToTxn', [0, 5], 3),
  row('AddOffsetsToTxn', [0, 4], 3),
  row('EndTxn', [0, 4], 3),
  row('WriteTxnMarkers', [0, 1], 1, { ...clusterAction }),
  row('TxnOffsetCommit', [0, 4], 3),
  row('DescribeAcls', [0, 3], 2, { deprecated: [0, 0] }),
  row('CreateAcls', [0, 3], 2, { ...forwardable, deprecated: [0, 0] }),
  row('DeleteAcls', [0, 3], 2, { ...forwardable, deprecated: [0, 0] }),
  row('DescribeConfigs', [0, 4], 4, { deprecated: [0, 0] }),
  row('AlterConfigs', [0, 2], 2, { ...forwardable }),
  row('AlterReplicaLogDirs', [0, 2], 2, { deprecated: [0, 0] }),
  row('DescribeLogDirs', [0, 4], 2, { deprecated: [0, 0] }),
  row('SaslAuthenticate', [0, 2], 2),
  row('CreatePartitions', [0, 3], 2, { ...forwardable }),
  row('CreateDelegationToken', [0, 3], 2, { ...forwardable, deprecated: [0, 0] }),
  row('RenewDelegationToken', [0, 2], 2, { ...forwardable, deprecated: [0, 0] }),
  row('ExpireDelegationToken', [0, 2], 2, { ...forwardable, deprecated: [0, 0] }),
  row('DescribeDelegationToken', [0, 3], 2, { deprecated: [0, 0] }),
  row('DeleteGroups', [0, 2], 2, { deprecated: [0, 0] }),
  row('ElectLeaders', [0, 2], 2, { ...forwardable }),
  row('IncrementalAlterConfigs', [0, 1], 1, { ...forwardable }),
  row('AlterPartitionReassignments', [0, 0], 0, { ...forwardable }),
  row('ListPartitionReassignments', [0, 0], 0, { ...forwardable }),
  row('OffsetDelete', [0, 0], Infinity),
  row('DescribeClientQuotas', [0, 1], 1),
  row('AlterClientQuotas', [0, 1], 1, { ...forwardable }),
  row('DescribeUserScramCredentials', [0, 0], 0),
  row('AlterUserScramCredentials', [0, 0], 0, { ...forwardable }),
  row('AlterPartition', [0, 3], 0, { ...clusterAction }),
  row('UpdateFeatures', [0, 1], 0, { ...clusterAction, ...forwardable }),
  row('Envelope', [0, 0], 0, { ...clusterAction }),
  row('DescribeCluster', [0, 1], 0),
  row('DescribeProducers', [0, 0], 0),
  row('DescribeTransactions', [0, 0], 0),
  row('ListTransactions', [0, 1], 0),
  row('AllocateProducerIds', [0, 0], 0, { ...clusterAction, ...forwardable }),
  row('ConsumerGroupHeartbeat', [0, 0], 0),
  row('ConsumerGroupDescribe', [0, 0], 0),
]

function row(
  name: keyof typeof ApiKey,
  versions: VersionRange,
  flexibleSince: number,
  more: Partial<ApiRow> = {},
): ApiRow {
  const common = { key: ApiKey[name], name, versions, flexibleSince }
  return { ...common, deprecated: null, isClusterAction: false, isForwardable: false, ...more }
}

const byKey: readonly (ApiRow | undefined)[] = indexed()

function indexed(): (ApiRow | undefined)[] {
  const rows: (ApiRow | undefined)[] = []
  for (const each of apiRows) rows[each.key] = each
  return rows
}

/** The row of `key`; undefined for keys that a broker with ZooKeeper does not speak. */
export function apiByKey(key: number): ApiRow | undefined {
  return byKey[key]
}

/** For logs: `Metadata`, or `Api1234` for a key that a broker with ZooKeeper does not speak. */
export function apiName(key: number): string {
  return byKey[key]?.name ?? `Api${key}`
}

/** 2 if the body is flexible, else 1; 0, without a client id, for ControlledShutdown v0. Undefined for keys that are not in `apiRows`. */
export function requestHeaderVersion(key: number, version: number): number | undefined {
  const api = byKey[key]
  if (api === undefined) return undefined
  if (key === ApiKey.ControlledShutdown && version === 0) return 0
  return version >= api.flexibleSince ? 2 : 1
}

/** 1 if the body is flexible, else 0; always 0 for ApiVersions, whose reader may have guessed the version wrong (KIP-511). */
export function responseHeaderVersion(key: number, version: number): number | undefined {
  const api = byKey[key]
  if (api === undefined) return undefined
  return version >= api.flexibleSince && key !== ApiKey.ApiVersions ? 1 : 0
}

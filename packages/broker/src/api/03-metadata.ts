// Metadata: v0-12
//
// Behavior
// - Brokers, controller and topics as the controller last told this broker, with endpoints of the listener that was asked on.
// - Until the controller has spoken to a broker that just started, the question waits (three seconds at most). Of a topic that
//   ZooKeeper has and the controller has not told of by then it says LEADER_NOT_AVAILABLE, never that there is none.
// - Topics that do not exist are created if broker and client allow it; the answer to the request that did it says
//   LEADER_NOT_AVAILABLE, and the client asks again.
// Version notes
// - v0: an empty list means all topics; an unreachable replica is an error. v1: null means all, an empty list none.
// - v4: allowAutoTopicCreation. v6: LISTENER_NOT_FOUND. v8-10: authorized operations (KIP-430).
// - v10: topic ids in the answer. v12: topics may be asked for by id (KIP-516).
import { ErrorCode } from '@millrace/protocol/errors'
import {
  metadataRequest,
  metadataResponse,
  type MetadataRequest,
  type MetadataResponse,
  type MetadataResponsePartition,
  type MetadataResponseTopic,
} from '@millrace/protocol/messages/03-metadata'
import { ZERO_UUID } from '@millrace/protocol/schema'
import { isInternalTopic, topicNameProblem } from '../core/controller/topic-rules.ts'
import type { MetadataCache, PartitionMetadata } from '../metadata/metadata-cache.ts'
import { ALL_CLUSTER_OPERATIONS, ALL_TOPIC_OPERATIONS, OPERATIONS_NOT_REQUESTED } from './authorized-operations.ts'
import { defineHandler, type RequestContext } from './handler.ts'
import type { DataServices } from './services.ts'

type Services = Pick<DataServices, 'metadata' | 'firstWord' | 'clusterId' | 'settings' | 'topicAutoCreation'>

export default defineHandler(
  metadataRequest,
  metadataResponse,
  [0, 12],
  (request, context, services: Services) => {
    const waiting = services.firstWord.wait()
    return waiting === null
      ? metadataOf(request, context, services)
      : waiting.then(() => metadataOf(request, context, services))
  },
  { retainFrom: Infinity },
)

function metadataOf(
  request: MetadataRequest,
  context: RequestContext,
  services: Services,
): MetadataResponse | Promise<MetadataResponse> {
  const { metadata, clusterId, settings, topicAutoCreation } = services
  const { apiVersion } = context
  // Ids came to the request in v10 and to the broker's ears in v12.
  const asksByIdTooEarly = apiVersion < 12 && request.topics?.some(each => each.name === null || isId(each.topicId))
  if (asksByIdTooEarly === true) return invalidRequest(request)
  const asked = topicsAskedFor(request, apiVersion, metadata)
  const topicOperations = request.includeTopicAuthorizedOperations ? ALL_TOPIC_OPERATIONS : OPERATIONS_NOT_REQUESTED
  const failed = (errorCode: number, name: string | null, topicId: string): MetadataResponseTopic => ({
    errorCode,
    name,
    topicId,
    isInternal: name !== null && isInternalTopic(name),
    partitions: [],
    // Of a name that does not exist, too; an id that stands for nothing has none to speak of.
    topicAuthorizedOperations: name === null ? OPERATIONS_NOT_REQUESTED : topicOperations,
  })
  const answer = (absent: readonly MetadataResponseTopic[]): MetadataResponse => ({
    ...clusterPart(metadata, context, clusterId),
    topics: [
      ...asked.known.map(topic => describeTopic(topic, metadata, context, topicOperations)),
      ...asked.expected.map(name => failed(ErrorCode.LEADER_NOT_AVAILABLE, name, ZERO_UUID)),
      ...absent,
      ...asked.unknownIds.map(id => failed(ErrorCode.UNKNOWN_TOPIC_ID, null, id)),
    ],
    clusterAuthorizedOperations: request.includeClusterAuthorizedOperations
      ? ALL_CLUSTER_OPERATIONS
      : OPERATIONS_NOT_REQUESTED,
  })
  const { absent } = asked
  if (absent.length === 0) return answer([])
  if (request.allowAutoTopicCreation && settings.get('auto.create.topics.enable')) {
    return topicAutoCreation
      .createForMetadata(absent)
      .then(codes =>
        answer(absent.map(name => failed(codes.get(name) ?? ErrorCode.LEADER_NOT_AVAILABLE, name, ZERO_UUID))),
      )
  }
  return answer(
    absent.map(name => {
      const isValid = topicNameProblem(name) === null
      const errorCode = isValid ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION : ErrorCode.INVALID_TOPIC_EXCEPTION
      return failed(errorCode, name, ZERO_UUID)
    }),
  )
}

function isId(topicId: string): boolean {
  return topicId !== ZERO_UUID
}

interface AskedTopics {
  readonly known: readonly string[]
  /** They exist; the controller has not said more yet. */
  readonly expected: readonly string[]
  readonly absent: readonly string[]
  readonly unknownIds: readonly string[]
}

function topicsAskedFor(request: MetadataRequest, apiVersion: number, metadata: MetadataCache): AskedTopics {
  const { topics } = request
  if (topics === null || (apiVersion === 0 && topics.length === 0)) {
    return { known: [...metadata.topicNames()], expected: metadata.expectedTopics(), absent: [], unknownIds: [] }
  }
  const ids = new Set(topics.map(({ topicId }) => topicId).filter(isId))
  // One id makes it a request by id: names beside ids are not looked at, as in Kafka.
  const names =
    ids.size > 0 ? [...ids].flatMap(id => metadata.topicName(id) ?? []) : topics.map(({ name }) => name ?? '')
  const distinct = [...new Set(names)]
  return {
    known: distinct.filter(name => metadata.hasTopic(name)),
    expected: distinct.filter(name => metadata.isExpected(name)),
    absent: distinct.filter(name => !metadata.hasTopic(name) && !metadata.isExpected(name)),
    unknownIds: [...ids].filter(id => metadata.topicName(id) === undefined),
  }
}

type ClusterPart = Pick<MetadataResponse, 'throttleTimeMs' | 'brokers' | 'clusterId' | 'controllerId'>

function clusterPart(metadata: MetadataCache, { listener }: RequestContext, clusterId: string): ClusterPart {
  const brokers = metadata.brokersOn(listener).map(({ id, rack, endpoints }) => {
    const endpoint = endpoints.get(listener)
    return { nodeId: id, host: endpoint?.host ?? '', port: endpoint?.port ?? -1, rack }
  })
  return { throttleTimeMs: 0, brokers, clusterId, controllerId: metadata.controllerId }
}

function describeTopic(
  name: string,
  metadata: MetadataCache,
  context: RequestContext,
  topicAuthorizedOperations: number,
): MetadataResponseTopic {
  return {
    errorCode: ErrorCode.NONE,
    name,
    topicId: metadata.topicId(name),
    isInternal: isInternalTopic(name),
    partitions: metadata.partitions(name).map(partition => describePartition(partition, metadata, context)),
    topicAuthorizedOperations,
  }
}

function describePartition(
  partition: PartitionMetadata,
  metadata: MetadataCache,
  { apiVersion, listener }: RequestContext,
): MetadataResponsePartition {
  const { leader, leaderEpoch, replicas, inSyncReplicas, offlineReplicas } = partition
  // v0 had no other way to tell of an unreachable replica than to leave it out and to say so.
  const reachable = (ids: readonly number[]): number[] =>
    apiVersion > 0 ? [...ids] : ids.filter(id => metadata.endpoint(id, listener) !== undefined)
  const replicaNodes = reachable(replicas)
  const isrNodes = reachable(inSyncReplicas)
  const isLeaderReachable = metadata.endpoint(leader, listener) !== undefined
  const isComplete = replicaNodes.length === replicas.length && isrNodes.length === inSyncReplicas.length
  const lacksListener = metadata.isAlive(leader) && apiVersion >= 6
  const noLeaderCode = lacksListener ? ErrorCode.LISTENER_NOT_FOUND : ErrorCode.LEADER_NOT_AVAILABLE
  const withLeaderCode = isComplete ? ErrorCode.NONE : ErrorCode.REPLICA_NOT_AVAILABLE
  return {
    errorCode: isLeaderReachable ? withLeaderCode : noLeaderCode,
    partitionIndex: partition.partition,
    leaderId: isLeaderReachable ? leader : -1,
    leaderEpoch,
    replicaNodes,
    isrNodes,
    offlineReplicas: [...offlineReplicas],
  }
}

function invalidRequest(request: MetadataRequest): MetadataResponse {
  return {
    throttleTimeMs: 0,
    brokers: [],
    clusterId: null,
    controllerId: -1,
    topics: (request.topics ?? []).map(({ name, topicId }) => ({
      errorCode: ErrorCode.INVALID_REQUEST,
      name: name ?? '',
      topicId,
      isInternal: false,
      partitions: [],
      topicAuthorizedOperations: OPERATIONS_NOT_REQUESTED,
    })),
    clusterAuthorizedOperations: OPERATIONS_NOT_REQUESTED,
  }
}

// FindCoordinator: v0-6
//
// Behavior
// - The leader of the group's partition of __consumer_offsets coordinates it. The topic is created when it is first asked for;
//   until the partition has a leader: COORDINATOR_NOT_AVAILABLE, clients wait and ask again.
// Version notes
// - v1: keyType. v4: several keys (KIP-699). v6: share groups (KIP-932), which nobody coordinates here.
//
// Not done
// - Coordinators of transactions: UNSUPPORTED_VERSION, which ends initTransactions() of most clients at once; librdkafka asks on until its timeout. Where brokers
//   of Kafka keep transactions in the same cluster: COORDINATOR_NOT_AVAILABLE, and a client that asks another broker next finds them.
import { ErrorCode } from '@millrace/protocol/errors'
import {
  findCoordinatorRequest,
  findCoordinatorResponse,
  type Coordinator,
} from '@millrace/protocol/messages/10-find-coordinator'
import { consumerOffsetsTopic, transactionStateTopic } from '../core/controller/topic-rules.ts'
import type { GroupServices } from './group-services.ts'
import { defineHandler, type RequestContext } from './handler.ts'

type Services = Pick<GroupServices, 'groups' | 'metadata' | 'internalTopics'>

const KeyType = { group: 0, transaction: 1, share: 2 } as const
/** What Kafka says before v4 where nothing is wrong. */
const noError = 'NONE'

export default defineHandler(
  findCoordinatorRequest,
  findCoordinatorResponse,
  [0, 6],
  async (request, context, services: Services) => {
    const { apiVersion, listener } = context
    const isBatched = apiVersion >= 4
    const keys = isBatched ? request.coordinatorKeys : [request.key]
    const isGroup = request.keyType === KeyType.group
    if (isGroup && keys.length > 0 && !services.metadata.hasTopic(consumerOffsetsTopic)) {
      await services.internalTopics.autoCreate(consumerOffsetsTopic)
    }
    const coordinators = keys.map(key => find(key, request.keyType, { apiVersion, listener }, services))
    if (isBatched) {
      return { throttleTimeMs: 0, errorCode: 0, errorMessage: '', nodeId: 0, host: '', port: 0, coordinators }
    }
    const { key: _, ...found } = coordinators[0]!
    const errorMessage = found.errorCode === ErrorCode.NONE ? noError : found.errorMessage
    return { throttleTimeMs: 0, ...found, errorMessage, coordinators: [] }
  },
  { retainFrom: Infinity },
)

function find(
  key: string,
  keyType: number,
  { apiVersion, listener }: Pick<RequestContext, 'apiVersion' | 'listener'>,
  { groups, metadata }: Services,
): Coordinator {
  // Nobody coordinates share groups here; before v6 there were none.
  if (keyType === KeyType.share && apiVersion >= 6) return nowhere(key, ErrorCode.COORDINATOR_NOT_AVAILABLE, '')
  if (keyType !== KeyType.group && keyType !== KeyType.transaction) {
    return nowhere(key, ErrorCode.INVALID_REQUEST, `Key type ${keyType} is not known.`)
  }
  if (keyType === KeyType.transaction && !metadata.hasTopic(transactionStateTopic)) {
    return nowhere(key, ErrorCode.UNSUPPORTED_VERSION, 'Millrace does not support transactions yet.')
  }
  const unavailable = nowhere(key, ErrorCode.COORDINATOR_NOT_AVAILABLE, 'The coordinator is not available.')
  if (keyType !== KeyType.group) return unavailable
  const leader = metadata.partition(consumerOffsetsTopic, groups.partitionOf(key))?.leader ?? -1
  const endpoint = metadata.endpoint(leader, listener)
  if (endpoint === undefined) return unavailable
  const { host, port } = endpoint
  return { key, nodeId: leader, host, port, errorCode: ErrorCode.NONE, errorMessage: '' }
}

function nowhere(key: string, errorCode: ErrorCode, errorMessage: string): Coordinator {
  return { key, nodeId: -1, host: '', port: -1, errorCode, errorMessage }
}

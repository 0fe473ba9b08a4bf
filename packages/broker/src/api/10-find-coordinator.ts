// FindCoordinator: v0-6
//
// Behavior
// - COORDINATOR_NOT_AVAILABLE for every key: clients wait and ask again. It is advertised because librdkafka compresses only
//   for brokers that have it.
// Version notes
// - v1: keyType. v4: several keys (KIP-699). v6: share groups (KIP-932): INVALID_REQUEST.
// Not done: coordinators; the groups issue brings them.
import { ErrorCode } from '@millrace/protocol/errors'
import { findCoordinatorRequest, findCoordinatorResponse } from '@millrace/protocol/messages/10-find-coordinator'
import { defineHandler } from './handler.ts'

const KeyType = { group: 0, transaction: 1 } as const
const nowhere = { nodeId: -1, host: '', port: -1 }

export default defineHandler(
  findCoordinatorRequest,
  findCoordinatorResponse,
  [0, 6],
  (request, context) => {
    const isKnownType = request.keyType === KeyType.group || request.keyType === KeyType.transaction
    const errorCode = isKnownType ? ErrorCode.COORDINATOR_NOT_AVAILABLE : ErrorCode.INVALID_REQUEST
    const errorMessage = isKnownType ? 'The coordinator is not available.' : `Key type ${request.keyType} is not known.`
    const failure = { ...nowhere, errorCode, errorMessage }
    const isBatched = context.apiVersion >= 4
    return {
      throttleTimeMs: 0,
      ...(isBatched ? { nodeId: 0, host: '', port: 0, errorCode: ErrorCode.NONE, errorMessage: '' } : failure),
      coordinators: isBatched ? request.coordinatorKeys.map(key => ({ key, ...failure })) : [],
    }
  },
  { retainFrom: Infinity },
)

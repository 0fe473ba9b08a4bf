// FindCoordinator, v0-6: which broker coordinates a group (key type 0) or a transactional id (1).
// v1: transactional ids, throttle time (KIP-98). v3: flexible. v4: several keys (KIP-699).
// v5: TRANSACTION_ABORTABLE (KIP-890). v6: share groups (KIP-932).
import { array, int16, int32, int8, message, string, type Infer } from '../schema.ts'

export const findCoordinatorRequest = message('FindCoordinatorRequest', 10, '0-6', '3+', {
  key: string('0-3'),
  keyType: int8('1+'),
  coordinatorKeys: array('4+', string()),
})
export type FindCoordinatorRequest = Infer<typeof findCoordinatorRequest>

export const findCoordinatorResponse = message('FindCoordinatorResponse', 10, '0-6', '3+', {
  throttleTimeMs: int32('1+').ignorable(),
  errorCode: int16('0-3'),
  errorMessage: string('1-3').nullable().ignorable(),
  nodeId: int32('0-3'),
  host: string('0-3'),
  port: int32('0-3'),
  coordinators: array('4+', {
    key: string('4+'),
    nodeId: int32('4+'),
    host: string('4+'),
    port: int32('4+'),
    errorCode: int16('4+'),
    errorMessage: string('4+').nullable().ignorable(),
  }),
})
export type FindCoordinatorResponse = Infer<typeof findCoordinatorResponse>
export type Coordinator = FindCoordinatorResponse['coordinators'][number]

import { CoordinationError } from '../coordination.ts'
import type { CoordinationErrorCode } from '../coordination.ts'
import type { CallFailure } from './guarded-connection.ts'

/** The error that the caller of `path` sees. A read that was sent and not answered is as good as not sent. */
export function coordinationErrorOf(failure: CallFailure, path: string, isRead: boolean): CoordinationError {
  if ('code' in failure) return errorOfCode(failure.code, path)
  switch (failure.reason) {
    case 'not-sent':
      return new CoordinationError('NOT_CONNECTED', path)
    case 'connection-lost':
      return new CoordinationError(isRead ? 'NOT_CONNECTED' : 'UNKNOWN_OUTCOME', path)
    case 'session-ended':
      return new CoordinationError('SESSION_EXPIRED', path)
  }
}

export function errorOfCode(zookeeperCode: number, path: string, failedIndex?: number): CoordinationError {
  const code = codes[zookeeperCode]
  if (code !== undefined) return new CoordinationError(code, path, { failedIndex })
  return new CoordinationError('OTHER', path, { failedIndex, message: `ZooKeeper error ${zookeeperCode} ${path}` })
}

export function isNoNode(failure: CallFailure): boolean {
  return 'code' in failure && codes[failure.code] === 'NO_NODE'
}

export function isUnimplemented(failure: CallFailure): boolean {
  return 'code' in failure && failure.code === -6
}

export function isNodeExists(failure: CallFailure): boolean {
  return 'code' in failure && codes[failure.code] === 'NODE_EXISTS'
}

/** KeeperException.Code */
const codes: Readonly<Record<number, CoordinationErrorCode>> = {
  [-2]: 'RUNTIME_INCONSISTENCY',
  [-4]: 'UNKNOWN_OUTCOME',
  [-8]: 'BAD_ARGUMENTS',
  [-101]: 'NO_NODE',
  [-102]: 'NO_AUTH',
  [-103]: 'BAD_VERSION',
  [-108]: 'NO_CHILDREN_FOR_EPHEMERALS',
  [-110]: 'NODE_EXISTS',
  [-111]: 'NOT_EMPTY',
  [-112]: 'SESSION_EXPIRED',
  [-114]: 'INVALID_ACL',
  [-115]: 'AUTH_FAILED',
}

import { ErrorCode } from '@millrace/protocol/errors'

export interface LogDirectoryChange {
  /** Where the replica is to be. */
  readonly directory: string
  readonly target: 'online' | 'offline' | 'unknown'
  /** Some directory of this broker is offline. */
  readonly isAnyOffline: boolean
  /** The name of its future folder would be longer than a file system takes. */
  readonly isNameTooLong: boolean
  /** `absent`: no controller gave it to this broker, or has taken it away. */
  readonly replica: 'online' | 'offline' | 'absent'
  readonly isPartitionKnown: boolean
  /** Where its log is; null: it has none. */
  readonly currentDirectory: string | null
  /** Where its log is being moved to; null: nowhere. */
  readonly futureDirectory: string | null
}

export interface LogDirectoryVerdict {
  readonly errorCode: ErrorCode
  /** A log that is created later goes there. */
  readonly isRemembered: boolean
  /** The move that is under way ends, and its future log goes. */
  readonly isMoveCancelled: boolean
  /** A future log is made in the directory. */
  readonly begins: boolean
}

/**
 * What an AlterReplicaLogDirs request does to one replica (KIP-113), in the order in which Kafka looks: a wish is remembered
 * and another move cancelled even where the answer is an error.
 */
export function judgeLogDirectoryChange(change: LogDirectoryChange): LogDirectoryVerdict {
  const { directory, replica, currentDirectory, futureDirectory } = change
  const refused = (errorCode: ErrorCode): LogDirectoryVerdict => ({
    ...{ errorCode, isRemembered: false, isMoveCancelled: false, begins: false },
  })
  if (change.isNameTooLong) return refused(ErrorCode.INVALID_TOPIC_EXCEPTION)
  if (change.target === 'unknown') return refused(ErrorCode.LOG_DIR_NOT_FOUND)
  if (change.target === 'offline' || replica === 'offline') return refused(ErrorCode.KAFKA_STORAGE_ERROR)

  const isMoveCancelled = replica === 'online' && futureDirectory !== null && futureDirectory !== directory
  const isMoving = futureDirectory === directory
  const isThere = currentDirectory === directory
  const isRemembered = !isThere && !isMoving
  const answer = (errorCode: ErrorCode, begins = false): LogDirectoryVerdict => ({
    ...{ errorCode, isRemembered, isMoveCancelled, begins },
  })
  if (replica === 'absent') {
    return answer(change.isPartitionKnown ? ErrorCode.REPLICA_NOT_AVAILABLE : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
  }
  if (isThere || isMoving) return answer(ErrorCode.NONE)
  // As with any log that is not new: it may be in the directory that is offline.
  if (change.isAnyOffline) return answer(ErrorCode.KAFKA_STORAGE_ERROR)
  return answer(ErrorCode.NONE, true)
}

import { ErrorCode } from '@millrace/protocol/errors'

/** `leader_epoch` in a StopReplica for a topic that is being deleted: wins over every epoch. */
export const EPOCH_DURING_DELETE = -2
/** `leader_epoch` in a StopReplica of an old controller: no check is possible. */
export const NO_EPOCH = -1
/** The zero uuid: the sender knows no topic id. */
export const ZERO_TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAA'

/**
 * Is a LeaderAndIsr, UpdateMetadata or StopReplica request from a controller that may still speak, to this incarnation
 * of the broker? A broker that re-registered has a new epoch: what was sent to its former life must not touch it (KIP-380).
 */
export function checkControllerRequest(options: {
  readonly requestBrokerEpoch: number
  readonly brokerEpoch: number
  readonly requestControllerEpoch: number
  readonly highestControllerEpoch: number
}): ErrorCode {
  const { requestBrokerEpoch, brokerEpoch, requestControllerEpoch, highestControllerEpoch } = options
  if (requestBrokerEpoch !== NO_EPOCH && requestBrokerEpoch < brokerEpoch) return ErrorCode.STALE_BROKER_EPOCH
  if (requestControllerEpoch < highestControllerEpoch) return ErrorCode.STALE_CONTROLLER_EPOCH
  return ErrorCode.NONE
}

/**
 * May this name become a folder? A controller names legal topics only; but who says that it is one? No name may lead out
 * of the log directory.
 */
export function isHostable(topic: string, partition: number): boolean {
  return /^[a-zA-Z0-9._-]{1,249}$/.test(topic) && topic !== '.' && topic !== '..' && partition >= 0
}

/** What to do with one partition of a LeaderAndIsr request; a number is the error code to answer. */
export type LeaderStateVerdict = 'apply' | 'assign-topic-id' | ErrorCode

/**
 * Equal leader epochs are refused (STALE_CONTROLLER_EPOCH), because applying a state twice would restart fetchers and
 * forget follower progress; the one exception gives a log its topic id after an upgrade.
 */
export function judgeLeaderState(options: {
  readonly isOffline: boolean
  /** Null: no log, or a log without an id. */
  readonly localTopicId: string | null
  readonly hasLog: boolean
  readonly requestTopicId: string
  readonly currentLeaderEpoch: number
  readonly requestLeaderEpoch: number
  readonly isReplica: boolean
}): LeaderStateVerdict {
  const { localTopicId, requestTopicId, currentLeaderEpoch, requestLeaderEpoch } = options
  if (options.isOffline) return ErrorCode.KAFKA_STORAGE_ERROR
  const requestHasId = requestTopicId !== ZERO_TOPIC_ID
  if (localTopicId !== null && requestHasId && localTopicId !== requestTopicId) return ErrorCode.INCONSISTENT_TOPIC_ID
  if (requestLeaderEpoch > currentLeaderEpoch) {
    return options.isReplica ? 'apply' : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
  }
  if (requestLeaderEpoch < currentLeaderEpoch) return ErrorCode.STALE_CONTROLLER_EPOCH
  const canAssign = options.hasLog && localTopicId === null && requestHasId
  return canAssign ? 'assign-topic-id' : ErrorCode.STALE_CONTROLLER_EPOCH
}

/** NONE: stop the replica. Equal epochs pass here: neither a deletion nor a broker going offline has to raise the epoch. */
export function judgeStopReplica(options: {
  readonly isOffline: boolean
  readonly isHosted: boolean
  readonly currentLeaderEpoch: number
  readonly requestLeaderEpoch: number
}): ErrorCode {
  const { requestLeaderEpoch } = options
  if (options.isOffline) return ErrorCode.KAFKA_STORAGE_ERROR
  if (!options.isHosted) return ErrorCode.NONE
  if (requestLeaderEpoch === EPOCH_DURING_DELETE || requestLeaderEpoch === NO_EPOCH) return ErrorCode.NONE
  return requestLeaderEpoch < options.currentLeaderEpoch ? ErrorCode.FENCED_LEADER_EPOCH : ErrorCode.NONE
}

import { ErrorCode } from '@millrace/protocol/errors'

/** A request names the leader epoch that its sender believes in; -1 is no belief (KIP-320). */
export const NO_LEADER_EPOCH = -1

/**
 * May a request with `requestEpoch` be served by a replica at `localEpoch`? NONE or the code to answer.
 * An older belief is fenced: its sender must learn the new leader. A newer one means that we are behind the controller.
 */
export function checkLeaderEpoch(options: {
  readonly requestEpoch: number
  readonly localEpoch: number
  readonly isLeader: boolean
  readonly mustLead: boolean
}): ErrorCode {
  const { requestEpoch, localEpoch, isLeader, mustLead } = options
  if (requestEpoch !== NO_LEADER_EPOCH) {
    if (requestEpoch < localEpoch) return ErrorCode.FENCED_LEADER_EPOCH
    if (requestEpoch > localEpoch) return ErrorCode.UNKNOWN_LEADER_EPOCH
  }
  return mustLead && !isLeader ? ErrorCode.NOT_LEADER_OR_FOLLOWER : ErrorCode.NONE
}

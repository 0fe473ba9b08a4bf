/** What a broker knows of itself at the moment before an answer leaves. All times are of its monotonic clock, ms. */
export interface LeaderTestimony {
  readonly nowMs: number
  /** As negotiated with ZooKeeper: after so long a silence another leader may have been elected. */
  readonly sessionTimeoutMs: number
  /** Longest pause of its own event loop that no read of its registration has followed; see event-loop-gap.ts. */
  readonly unconfirmedGapMs: number
  /** Does ZooKeeper answer? False from the moment that the session is in doubt. */
  readonly isZooKeeperReachable: boolean
  readonly isOnlyReplica: boolean
  /** `PartitionLeader.lastInSyncFetchMs`; -Infinity: nobody. */
  readonly lastInSyncFetchMs: number
}

/**
 * - `answer`: as leader.
 * - `confirm`: hold the answer, read the own znode, and ask again.
 * - `refuse`: NOT_LEADER_OR_FOLLOWER; the client finds the new leader.
 */
export type LeaderRight = 'answer' | 'confirm' | 'refuse'

/** Pauses shorter than this share of the session timeout cannot hide an election: the client library pings every third. */
export const confirmAfterShare = 2 / 3

/**
 * A leader never answers from the past.
 *
 * A process that was stopped (SIGSTOP, a paused VM, a long collection) wakes up with requests in its sockets and the belief
 * that it leads, while the session ran out and another leader was elected: acks=1 would be given for records that are
 * truncated a moment later, and fetches answered with yesterday's end. So after a pause of two thirds of the session
 * timeout or more nothing leaves until a read of its own znode, begun after the pause, has found its registration.
 *
 * ZooKeeper that does not answer is no pause: the data path goes on while the ensemble is down. It may be down for this
 * broker alone, though. While another in-sync replica fetches in this leader epoch, no election has reached that one, and
 * acks=all needs all of them; a single replica has no rival. A leader that is cut off from both may have been replaced.
 */
export function leaderRight(testimony: LeaderTestimony): LeaderRight {
  const { nowMs, sessionTimeoutMs, unconfirmedGapMs, lastInSyncFetchMs } = testimony
  if (unconfirmedGapMs >= sessionTimeoutMs * confirmAfterShare) return 'confirm'
  if (testimony.isZooKeeperReachable || testimony.isOnlyReplica) return 'answer'
  return nowMs - lastInSyncFetchMs < sessionTimeoutMs ? 'answer' : 'refuse'
}

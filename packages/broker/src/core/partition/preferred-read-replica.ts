import type { ReadCandidate } from './partition-leader.ts'

/**
 * Which replica a consumer should read from, as RackAwareReplicaSelector chooses (KIP-392): the leader when it is in the
 * consumer's rack or nobody is, else the in-sync follower of that rack that has most; a tie goes to the one that was
 * caught up last. `candidates` are from `PartitionLeader.readCandidates`. Answers the leader's id for "stay".
 */
export function preferredReadReplica(options: {
  readonly leaderId: number
  /** `client.rack` of the consumer; empty: none. */
  readonly clientRack: string
  readonly candidates: readonly ReadCandidate[]
  /** Null: that broker is in no rack, or is not alive on the listener of this request. */
  readonly rackOf: (brokerId: number) => string | null
}): number {
  const { leaderId, clientRack, candidates, rackOf } = options
  if (clientRack === '' || rackOf(leaderId) === clientRack) return leaderId
  let best: ReadCandidate | null = null
  for (const candidate of candidates) {
    if (rackOf(candidate.brokerId) !== clientRack) continue
    if (best === null || isBetter(candidate, best)) best = candidate
  }
  return best?.brokerId ?? leaderId
}

function isBetter(candidate: ReadCandidate, best: ReadCandidate): boolean {
  if (candidate.logEndOffset !== best.logEndOffset) return candidate.logEndOffset > best.logEndOffset
  return candidate.caughtUpForMs < best.caughtUpForMs
}

import { assert } from '@millrace/runtime/invariant'
import type { FollowerProgress } from './follower-progress.ts'

/** What the shell must do next. The core itself touches no socket, file, timer or clock. */
export interface LeaderEffects {
  /** Complete acks=all produces, and fetches that wait for records below this offset. */
  highWatermarkAdvanced(highWatermark: number): void
}

export interface LeaderStart {
  readonly brokerId: number
  readonly leaderEpoch: number
  readonly partitionEpoch: number
  readonly inSyncReplicas: readonly number[]
  /** All assigned replicas; caps min.insync.replicas. */
  readonly replicaCount: number
  readonly highWatermark: number
  readonly logEndOffset: number
  /** `min.insync.replicas`, asked each time because it is dynamic. */
  readonly minInSyncReplicas: () => number
}

/**
 * Leader side of one partition for one leader epoch: decides highWatermark. Source: KIP-16, KIP-497.
 * Keeps `highWatermark ≤ logEndOffset`; the highWatermark never goes back.
 */
export class PartitionLeader {
  readonly leaderEpoch: number
  /** Offset of the first record of this epoch: a replica that ends below it may still hold records it has to truncate. */
  readonly epochStartOffset: number
  partitionEpoch: number
  inSyncReplicas: readonly number[]
  logEndOffset: number
  highWatermark: number
  private readonly start: LeaderStart
  private readonly followers: readonly FollowerProgress[]
  private readonly effects: LeaderEffects

  constructor(start: LeaderStart, followers: readonly FollowerProgress[], effects: LeaderEffects) {
    assert(start.highWatermark <= start.logEndOffset, 'nothing is committed that is not in the log')
    assert(start.inSyncReplicas.includes(start.brokerId), 'the leader is in sync with itself')
    assert(
      followers.every(follower => follower.brokerId !== start.brokerId),
      'a leader does not follow itself',
    )
    this.start = start
    this.leaderEpoch = start.leaderEpoch
    this.partitionEpoch = start.partitionEpoch
    this.inSyncReplicas = start.inSyncReplicas
    this.epochStartOffset = start.logEndOffset
    this.logEndOffset = start.logEndOffset
    this.highWatermark = start.highWatermark
    this.followers = followers
    this.effects = effects
  }

  /** Fewer in-sync replicas than this and acks=all is refused. At most the replication factor: one replica can be enough. */
  get effectiveMinInSyncReplicas(): number {
    return Math.min(this.start.minInSyncReplicas(), this.start.replicaCount)
  }

  get hasEnoughInSyncReplicas(): boolean {
    return this.inSyncReplicas.length >= this.effectiveMinInSyncReplicas
  }

  /** Call once after construction: a leader alone in its set commits what its log holds. */
  onElected(): void {
    this.advance()
  }

  /** The log now ends at `logEndOffset` and everything below it may be seen. */
  onAppended(logEndOffset: number): void {
    assert(logEndOffset >= this.logEndOffset, 'a leader never truncates')
    this.logEndOffset = logEndOffset
    this.advance()
  }

  onFollowerFetch(follower: FollowerProgress, fetchOffset: number, logStartOffset: number, nowMs: number): void {
    assert(fetchOffset <= this.logEndOffset, 'the shell answers OFFSET_OUT_OF_RANGE first')
    follower.onFetch(fetchOffset, logStartOffset, this.logEndOffset, nowMs)
    this.advance()
  }

  private advance(): void {
    // Since 3.9 nothing is committed by fewer replicas than acks=all asks for (KAFKA-15583).
    if (!this.hasEnoughInSyncReplicas) return
    let low = this.logEndOffset
    for (const follower of this.followers) {
      if (follower.logEndOffset < low && this.inSyncReplicas.includes(follower.brokerId)) low = follower.logEndOffset
    }
    if (low <= this.highWatermark) return
    this.highWatermark = low
    this.effects.highWatermarkAdvanced(low)
  }
}

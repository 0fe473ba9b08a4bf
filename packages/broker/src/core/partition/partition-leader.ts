import { ErrorCode } from '@millrace/protocol/errors'
import { assert } from '@millrace/runtime/invariant'
import { FollowerProgress, type FollowerFetch } from './follower-progress.ts'
import {
  InSyncSet,
  type CommittedIsr,
  type IsrAnswer,
  type IsrAttempt,
  type IsrProposal,
  type ProposalVerdict,
} from './in-sync-set.ts'

/** What the shell must do next. The core itself touches no socket, file, timer or clock. */
export interface LeaderEffects {
  /**
   * Note that `leaderEpoch` begins at `startOffset`, before any append of this epoch: followers find out where to truncate
   * by asking where epochs began, also when nothing was ever written in them (KIP-101, KAFKA-7415).
   */
  leaderEpochBegan(leaderEpoch: number, startOffset: number): void
  /** Complete acks=all produces, and fetches that wait for records below this offset. */
  highWatermarkAdvanced(highWatermark: number): void
  /** Send this to the controller (AlterPartition), then call `onIsrAnswer` with it and what came back. */
  inSyncReplicasProposed(proposal: IsrProposal): void
}

/** What changes while a leader leads: asked each time. */
export interface LeaderTerms {
  /** `min.insync.replicas` */
  minInSyncReplicas(): number
  /** `replica.lag.time.max.ms` */
  replicaLagTimeMaxMs(): number
  /** Registered, as far as this broker's metadata knows. */
  isBrokerAlive(brokerId: number): boolean
  /** Own broker epoch, for proposals. */
  brokerEpoch(): number
}

export interface LeaderStart {
  readonly brokerId: number
  readonly leaderEpoch: number
  readonly partitionEpoch: number
  readonly inSyncReplicas: readonly number[]
  /** All assigned replicas, this one too. Their count caps min.insync.replicas. */
  readonly replicas: readonly number[]
  readonly highWatermark: number
  readonly logEndOffset: number
  /** Where the first record of this epoch will go: above `logEndOffset` while appended bytes wait to be written. */
  readonly nextOffset: number
  readonly nowMs: number
  /**
   * Does every follower say which life of its broker fetches (inter-broker protocol 3.5 and up)? Then one that does not
   * say it is not let into the in-sync set (KIP-903).
   */
  readonly requiresBrokerEpoch: boolean
  /** After this an AlterPartition that got no answer is not written any more, ms: the ZooKeeper session timeout. */
  readonly attemptLifetimeMs: number
}

/** What a follower's fetch told the leader. `stale`: from an earlier life of that broker. */
export type FetchNote = 'noted' | 'stale' | 'not-a-replica'

/** Who may serve a consumer besides the leader (KIP-392). */
export interface ReadCandidate {
  readonly brokerId: number
  readonly logEndOffset: number
  readonly caughtUpForMs: number
}

/**
 * Leader side of one partition for one leader epoch: decides highWatermark and the in-sync replicas. Source: KIP-16, KIP-497.
 *
 * Keeps `highWatermark ≤ logEndOffset`, and `highWatermark` never goes back. Every fetch that reaches it was made in this
 * leader epoch (leader-epoch-check.ts): what a follower held in another epoch proves nothing here (KIP-320).
 */
export class PartitionLeader {
  readonly leaderEpoch: number
  /** Offset of the first record of this epoch: a replica that ends below it may still hold records it has to truncate. */
  readonly epochStartOffset: number
  logEndOffset: number
  highWatermark: number
  private readonly start: LeaderStart
  private readonly terms: LeaderTerms
  private readonly effects: LeaderEffects
  private readonly followers: readonly FollowerProgress[]
  private readonly isr: InSyncSet

  constructor(start: LeaderStart, terms: LeaderTerms, effects: LeaderEffects) {
    assert(start.highWatermark <= start.logEndOffset, 'nothing is committed that is not in the log')
    assert(start.logEndOffset <= start.nextOffset, 'what is written was appended')
    assert(start.inSyncReplicas.includes(start.brokerId), 'the leader is in sync with itself')
    this.start = start
    this.terms = terms
    this.effects = effects
    this.leaderEpoch = start.leaderEpoch
    this.epochStartOffset = start.nextOffset
    this.logEndOffset = start.logEndOffset
    this.highWatermark = start.highWatermark
    this.isr = new InSyncSet(start)
    // Nothing is taken over from an earlier epoch, not even from one in which this broker led: between the two, followers
    // may have truncated for a leader of whom this broker never heard.
    this.followers = start.replicas
      .filter(id => id !== start.brokerId)
      .map(id => new FollowerProgress(id, start.inSyncReplicas.includes(id) ? start.nowMs : -Infinity))
  }

  get partitionEpoch(): number {
    return this.isr.partitionEpoch
  }
  /** As the controller last confirmed them. */
  get inSyncReplicas(): readonly number[] {
    return this.isr.committed
  }
  /** Confirmed and proposed: what counts for the high watermark. */
  get maximalInSyncReplicas(): readonly number[] {
    return this.isr.maximal
  }
  get isrState(): 'committed' | 'pending-expand' | 'pending-shrink' {
    return this.isr.state
  }

  /** Fewer in-sync replicas than this and acks=all is refused. At most the replication factor: one replica can be enough. */
  get effectiveMinInSyncReplicas(): number {
    return Math.min(this.terms.minInSyncReplicas(), this.start.replicas.length)
  }
  get hasEnoughInSyncReplicas(): boolean {
    return this.isr.committed.length >= this.effectiveMinInSyncReplicas
  }

  /** May an acks=all produce be appended? NOT_ENOUGH_REPLICAS: nothing was written. */
  admission(): ErrorCode {
    return this.hasEnoughInSyncReplicas ? ErrorCode.NONE : ErrorCode.NOT_ENOUGH_REPLICAS
  }

  /** The answer to an acks=all produce whose records are committed now; the set may have shrunk since they were appended. */
  completion(): ErrorCode {
    return this.isr.maximal.length >= this.effectiveMinInSyncReplicas
      ? ErrorCode.NONE
      : ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND
  }

  /** May consumers trust the high watermark as the end? Not before it passed the start of this epoch (KIP-207). */
  get isHighWatermarkCurrent(): boolean {
    return this.highWatermark >= this.epochStartOffset
  }

  /** Newest fetch of another in-sync replica in this leader epoch, ms; -Infinity: none. See leader-right.ts. */
  get lastInSyncFetchMs(): number {
    let last = -Infinity
    for (const follower of this.followers) {
      if (this.isr.committed.includes(follower.brokerId)) last = Math.max(last, follower.lastFetchAtMs)
    }
    return last
  }

  /** Call once after construction and before anything else: a leader alone in its set commits what its log holds. */
  onElected(nowMs: number): void {
    this.effects.leaderEpochBegan(this.leaderEpoch, this.epochStartOffset)
    this.advance(nowMs)
  }

  /** The log now ends at `logEndOffset` and everything below it may be seen. */
  onAppended(logEndOffset: number, nowMs: number): void {
    assert(logEndOffset >= this.logEndOffset, 'a leader never truncates')
    this.logEndOffset = logEndOffset
    this.advance(nowMs)
  }

  /**
   * A follower asked for `fetchOffset`: so much it has. Call it after the first read and before the answer leaves; not for
   * a read that was refused, found out of range or diverging, and not again when a waiting fetch completes.
   * `leaderEnd` is where the log ended at that read.
   */
  onFollowerFetch(fetch: FollowerFetch, leaderEnd: number, nowMs: number): FetchNote {
    assert(fetch.fetchOffset <= leaderEnd, 'the shell answers OFFSET_OUT_OF_RANGE first')
    // A segment that rolls, or is flushed, is written before the turn ends, and so before `onAppended` says it.
    this.logEndOffset = Math.max(this.logEndOffset, leaderEnd)
    const follower = this.follower(fetch.brokerId)
    if (follower === null) return 'not-a-replica'
    if (!follower.onFetch(fetch, leaderEnd, nowMs)) return 'stale'
    this.maybeExpand(follower)
    this.advance(nowMs)
    return 'noted'
  }

  /** Every half `replica.lag.time.max.ms`: who has been behind for too long leaves the set. */
  onTick(nowMs: number): void {
    this.maybeShrink(nowMs)
    // A replica that was about to join and stopped fetching is not waited for any longer.
    this.advance(nowMs)
  }

  /** What came back for one sending of a proposal; the verdict says whether to send it again. */
  onIsrAnswer(proposal: IsrProposal, answer: IsrAnswer, nowMs: number, attempt: IsrAttempt): ProposalVerdict {
    const verdict = this.isr.onAnswer(proposal, answer, nowMs, attempt)
    this.assertLeads()
    this.advance(nowMs)
    return verdict
  }

  /** The partition's state was read back, after a proposal whose fate was unknown. */
  onTruth(truth: CommittedIsr, nowMs: number): ProposalVerdict {
    const verdict = this.isr.onTruth(truth)
    this.assertLeads()
    this.advance(nowMs)
    return verdict
  }

  /** Smallest log start of the replicas that are alive; a follower that never fetched in this epoch counts as -1. */
  lowWatermark(logStartOffset: number, isAlive: (brokerId: number) => boolean): number {
    let low = logStartOffset
    for (const follower of this.followers) {
      if (isAlive(follower.brokerId)) low = Math.min(low, follower.logStartOffset)
    }
    return low
  }

  /** In-sync followers that hold `fetchOffset`, for a consumer near them. */
  readCandidates(fetchOffset: number, nowMs: number): ReadCandidate[] {
    return this.followers
      .filter(({ brokerId }) => this.isr.committed.includes(brokerId))
      .filter(follower => follower.logStartOffset <= fetchOffset && fetchOffset <= follower.logEndOffset)
      .map(follower => ({
        brokerId: follower.brokerId,
        logEndOffset: follower.logEndOffset,
        caughtUpForMs: follower.caughtUpForMs(nowMs),
      }))
  }

  /** Is this replica one whose traffic is never throttled? */
  isInSync(brokerId: number): boolean {
    return this.isr.committed.includes(brokerId)
  }

  follower(brokerId: number): FollowerProgress | null {
    return this.followers.find(each => each.brokerId === brokerId) ?? null
  }

  private maybeExpand(follower: FollowerProgress): void {
    if (this.isr.state !== 'committed' || this.isr.committed.includes(follower.brokerId)) return
    if (follower.logEndOffset < this.highWatermark) return
    // At the old high watermark, but before the start of this epoch: it may lack what was committed before this leader
    // came, because this leader's own high watermark is behind (KAFKA-7128).
    if (follower.logEndOffset < this.epochStartOffset) return
    if (!this.terms.isBrokerAlive(follower.brokerId)) return
    if (this.start.requiresBrokerEpoch && follower.brokerEpoch < 0) return
    const members = [...this.isr.committed, follower.brokerId]
    this.effects.inSyncReplicasProposed(this.isr.expand(this.withEpochs(members)))
  }

  private maybeShrink(nowMs: number): void {
    if (this.isr.state !== 'committed') return
    const lagTimeMaxMs = this.terms.replicaLagTimeMaxMs()
    const lagging = this.followers.filter(
      each => this.isr.committed.includes(each.brokerId) && each.lags(this.logEndOffset, nowMs, lagTimeMaxMs),
    )
    if (lagging.length === 0) return
    const members = this.isr.committed.filter(id => !lagging.some(({ brokerId }) => brokerId === id))
    this.effects.inSyncReplicasProposed(this.isr.shrink(this.withEpochs(members)))
  }

  private advance(nowMs: number): void {
    // Since 3.9 nothing is committed by fewer replicas than acks=all asks for (KAFKA-15583).
    if (!this.hasEnoughInSyncReplicas) return
    const { maximal } = this.isr
    let low = this.logEndOffset
    for (const follower of this.followers) {
      if (follower.logEndOffset < low && (maximal.includes(follower.brokerId) || this.isJoining(follower, nowMs))) {
        low = follower.logEndOffset
      }
    }
    if (low <= this.highWatermark) return
    this.highWatermark = low
    this.effects.highWatermarkAdvanced(low)
  }

  /** Outside the set, but as good as in it: without waiting for it, it would chase the high watermark for ever (KIP-16). */
  private isJoining(follower: FollowerProgress, nowMs: number): boolean {
    return (
      !follower.lags(this.logEndOffset, nowMs, this.terms.replicaLagTimeMaxMs()) &&
      this.terms.isBrokerAlive(follower.brokerId)
    )
  }

  private withEpochs(ids: readonly number[]): { brokerId: number; brokerEpoch: number }[] {
    return ids.map(brokerId => ({
      brokerId,
      brokerEpoch: brokerId === this.start.brokerId ? this.terms.brokerEpoch() : this.follower(brokerId)!.brokerEpoch,
    }))
  }

  private assertLeads(): void {
    assert(this.isr.committed.includes(this.start.brokerId), 'the leader is in sync with itself')
  }
}

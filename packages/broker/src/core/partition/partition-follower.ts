import { ErrorCode } from '@millrace/protocol/errors'
import { assert } from '@millrace/runtime/invariant'
import type { EpochEndOffset, LeaderEpochCache } from '../log/leader-epoch-cache.ts'

/** The follower's own log, as far as decisions need it; PartitionLog fits. */
export interface FollowerLog {
  readonly logStartOffset: number
  readonly highWatermark: number
  /** Exclusive; bytes that were appended and are not written yet are not counted. */
  readonly logEndOffset: number
  /** Exclusive; they are. */
  readonly nextOffset: number
  readonly leaderEpochs: Pick<LeaderEpochCache, 'latest' | 'isEmpty' | 'endOffsetFor'>
}

export interface FollowerStart {
  /** Its own broker id, and whom it follows. */
  readonly brokerId: number
  readonly leaderId: number
  readonly leaderEpoch: number
  /**
   * Does the leader tell a diverging epoch in its fetch answers (inter-broker protocol 2.7 and up)? Otherwise the follower
   * asks OffsetForLeaderEpoch before its first fetch.
   */
  readonly truncatesOnFetch: boolean
  /** `replica.fetch.backoff.ms` */
  readonly backoffMs: number
}

/** What to do next for this partition. One step is under way at a time; its outcome is told before `next` is asked again. */
export type FollowerStep =
  /** Send a fetch, then `onFetchAnswer`. `leaderEpoch` goes with every question: a leader of another epoch must not answer. */
  | {
      readonly kind: 'fetch'
      readonly leaderEpoch: number
      readonly fetchOffset: number
      readonly lastFetchedEpoch: number
      readonly logStartOffset: number
    }
  /** Send OffsetForLeaderEpoch for `epoch`, then `onEpochEnd`. */
  | { readonly kind: 'ask-epoch-end'; readonly leaderEpoch: number; readonly epoch: number }
  /** Send ListOffsets for the latest offset, then `onLeaderEnd`. `fetchOffset`: what was out of range. */
  | { readonly kind: 'ask-leader-end'; readonly leaderEpoch: number; readonly fetchOffset: number }
  /** Send ListOffsets for the earliest offset, then `onLeaderStart`. */
  | { readonly kind: 'ask-leader-start'; readonly leaderEpoch: number; readonly fetchOffset: number }
  /** `log.truncateTo(endOffset)`, then `onTruncated`. Below the high watermark only after an unclean election: worth a warning. */
  | { readonly kind: 'truncate'; readonly endOffset: number; readonly isBelowHighWatermark: boolean }
  /** `log.truncateFullyAndStartAt(startOffset)`, then `onTruncated`. */
  | { readonly kind: 'restart'; readonly startOffset: number }
  | { readonly kind: 'wait'; readonly untilMs: number }
  /** Nothing until the next LeaderAndIsr makes a new follower. */
  | { readonly kind: 'failed'; readonly errorCode: ErrorCode }

export type FetchStep = Extract<FollowerStep, { kind: 'fetch' }>

/** One partition of a fetch answer. */
export interface FetchAnswer {
  readonly errorCode: ErrorCode
  readonly highWatermark: number
  readonly logStartOffset: number
  /** `endOffset` -1: our history is the leader's. */
  readonly divergingEpoch: EpochEndOffset
}

/** Of an `ask-leader-end` or `ask-leader-start` step. */
export interface OffsetQuestion {
  readonly leaderEpoch: number
  readonly fetchOffset: number
}

export interface OffsetAnswer {
  readonly errorCode: ErrorCode
  readonly offset: number
}

/** Where the log has to stand after an append: apply with `setHighWatermark` first, then raise the log start. */
export interface FollowedOffsets {
  readonly highWatermark: number
  readonly logStartOffset: number
}

type Phase =
  'fetching' | 'asking-epoch-end' | 'asking-leader-end' | 'asking-leader-start' | 'truncating' | 'restarting' | 'failed'

/**
 * Follower side of one partition for one leader and one leader epoch: a new LeaderAndIsr makes a new one, also when the
 * leader is the same (KAFKA-7164). Decides where to fetch and where to cut the log. Source: KIP-101, KIP-279, KIP-320, KIP-595.
 *
 *   fetching ──diverging epoch──► truncating ──► fetching
 *      │  └──OFFSET_OUT_OF_RANGE──► asking-leader-end ──shorter than ours──► truncating
 *      │                                  └──► asking-leader-start ──above our end──► restarting
 *      └──FENCED_LEADER_EPOCH──► failed          (every other refusal: wait, then the same again)
 *
 * A log that knows its epochs is never cut at the high watermark: that loses what was committed (KIP-101).
 */
export class PartitionFollower {
  readonly leaderId: number
  readonly leaderEpoch: number
  private readonly start: FollowerStart
  private readonly log: FollowerLog
  private phase: Phase
  /** Where the next record goes: the end of the log and of what was appended to it. */
  private fetchOffset: number
  /** The epoch that OffsetForLeaderEpoch asks about. */
  private askedEpoch = -1
  /** Where the log is to be cut, or to begin. */
  private cutOffset = -1
  /** After the cut: ask about the next older epoch, or fetch. */
  private isAligned = true
  private delayedUntilMs = -Infinity
  private failure: ErrorCode = ErrorCode.NONE

  constructor(start: FollowerStart, log: FollowerLog) {
    assert(start.leaderId !== start.brokerId, 'nobody follows himself')
    this.start = start
    this.log = log
    this.leaderId = start.leaderId
    this.leaderEpoch = start.leaderEpoch
    this.fetchOffset = log.nextOffset
    this.phase = 'fetching'
    if (log.leaderEpochs.isEmpty) {
      // Nothing says who wrote what: only what is committed can be trusted.
      this.cut(log.highWatermark, true)
    } else if (!start.truncatesOnFetch) {
      this.askEpochEnd(log.leaderEpochs.latest)
    }
  }

  next(nowMs: number): FollowerStep {
    const { leaderEpoch } = this
    switch (this.phase) {
      case 'failed':
        return { kind: 'failed', errorCode: this.failure }
      case 'truncating':
        return {
          kind: 'truncate',
          endOffset: this.cutOffset,
          isBelowHighWatermark: this.cutOffset < this.log.highWatermark,
        }
      case 'restarting':
        return { kind: 'restart', startOffset: this.cutOffset }
    }
    if (nowMs < this.delayedUntilMs) return { kind: 'wait', untilMs: this.delayedUntilMs }
    switch (this.phase) {
      case 'asking-epoch-end':
        return { kind: 'ask-epoch-end', leaderEpoch, epoch: this.askedEpoch }
      case 'asking-leader-end':
        return { kind: 'ask-leader-end', leaderEpoch, fetchOffset: this.fetchOffset }
      case 'asking-leader-start':
        return { kind: 'ask-leader-start', leaderEpoch, fetchOffset: this.fetchOffset }
      case 'fetching': {
        const { fetchOffset, lastFetchedEpoch } = this
        return { kind: 'fetch', leaderEpoch, fetchOffset, lastFetchedEpoch, logStartOffset: this.log.logStartOffset }
      }
    }
  }

  /**
   * `append`: append the records of this answer, then call `onAppended` (also when there are none). `skip`: use nothing of
   * it; `next` knows how to go on. `asked` is the step that was answered.
   */
  onFetchAnswer(asked: FetchStep, answer: FetchAnswer, nowMs: number): 'append' | 'skip' {
    // An answer to a question that is not asked any more says nothing about this log (KAFKA-13207). The offset alone does
    // not make the question: after a cut and an append the log may end where it did, with other records.
    const isAsked =
      asked.leaderEpoch === this.leaderEpoch &&
      asked.fetchOffset === this.fetchOffset &&
      asked.lastFetchedEpoch === this.lastFetchedEpoch
    if (this.phase !== 'fetching' || !isAsked) return 'skip'
    if (answer.errorCode !== ErrorCode.NONE) {
      this.onRefused(answer.errorCode, nowMs)
      return 'skip'
    }
    // Before anything of the answer is used: its high watermark speaks of the leader's records, not of ours (KAFKA-14704).
    if (answer.divergingEpoch.endOffset >= 0) {
      this.alignTo(answer.divergingEpoch)
      // The next fetch is judged again: divergence that goes deeper shows there.
      this.isAligned = true
      return 'skip'
    }
    return 'append'
  }

  /** The records of an answer are appended, up to `nextOffset`; `answer` tells what of them is committed and still kept. */
  onAppended(nextOffset: number, answer: Pick<FetchAnswer, 'highWatermark' | 'logStartOffset'>): FollowedOffsets {
    assert(this.phase === 'fetching', 'records are appended where they were fetched for')
    assert(nextOffset >= this.fetchOffset, 'an append does not shorten the log')
    this.fetchOffset = nextOffset
    const { log } = this
    // A leader that was just elected may be behind with its own: what was committed once stays committed.
    const highWatermark = Math.max(Math.min(answer.highWatermark, nextOffset), log.highWatermark)
    return {
      highWatermark,
      logStartOffset: Math.max(log.logStartOffset, Math.min(answer.logStartOffset, highWatermark)),
    }
  }

  /** The answer's first batch begins below our log start, and our log is empty: the log begins where the batch does. */
  onBatchBelowStart(baseOffset: number, lastOffset: number): void {
    const { logStartOffset, logEndOffset } = this.log
    assert(logStartOffset === logEndOffset, 'only an empty log may begin anew at a batch')
    assert(baseOffset < logStartOffset && logStartOffset <= lastOffset, 'the batch holds the offset that was asked for')
    this.restart(baseOffset)
  }

  /** OffsetForLeaderEpoch: where the leader's part of the asked epoch ends (KIP-279). */
  onEpochEnd(
    asked: { readonly leaderEpoch: number; readonly epoch: number },
    answer: EpochEndOffset & { readonly errorCode: ErrorCode },
    nowMs: number,
  ): void {
    if (this.phase !== 'asking-epoch-end' || asked.leaderEpoch !== this.leaderEpoch || asked.epoch !== this.askedEpoch)
      return
    if (answer.errorCode !== ErrorCode.NONE) return this.onRefused(answer.errorCode, nowMs)
    this.alignTo(answer)
  }

  /** Where the leader's log ends, after it said OFFSET_OUT_OF_RANGE. */
  onLeaderEnd(asked: OffsetQuestion, answer: OffsetAnswer, nowMs: number): void {
    if (this.phase !== 'asking-leader-end' || !this.isAsked(asked)) return
    if (answer.errorCode !== ErrorCode.NONE) return this.onRefused(answer.errorCode, nowMs)
    // Only an unclean election makes a leader that has less. Nothing blind: what it has and we have, we keep.
    if (answer.offset < this.fetchOffset) this.cut(answer.offset, true)
    else this.phase = 'asking-leader-start'
  }

  onLeaderStart(asked: OffsetQuestion, answer: OffsetAnswer, nowMs: number): void {
    if (this.phase !== 'asking-leader-start' || !this.isAsked(asked)) return
    if (answer.errorCode !== ErrorCode.NONE) return this.onRefused(answer.errorCode, nowMs)
    if (answer.offset > this.fetchOffset) this.restart(answer.offset)
    else this.phase = 'fetching'
  }

  /** The last `truncate` or `restart` step was carried out. */
  onTruncated(): void {
    assert(this.phase === 'truncating' || this.phase === 'restarting', 'only what was asked for is cut')
    assert(
      this.phase === 'truncating' ? this.log.logEndOffset <= this.cutOffset : this.log.logEndOffset === this.cutOffset,
      'the log was cut',
    )
    this.fetchOffset = this.log.logEndOffset
    this.phase = 'fetching'
    const { latest } = this.log.leaderEpochs
    if (!this.isAligned && latest >= 0) this.askEpochEnd(latest)
  }

  /** No answer came, or one that cannot be used. */
  delay(nowMs: number): void {
    this.delayedUntilMs = nowMs + this.start.backoffMs
  }

  /** Appending failed for good: the disk, or a bug. */
  fail(errorCode: ErrorCode): void {
    this.phase = 'failed'
    this.failure = errorCode
  }

  private get lastFetchedEpoch(): number {
    return this.start.truncatesOnFetch ? this.log.leaderEpochs.latest : -1
  }

  private isAsked(asked: OffsetQuestion): boolean {
    return asked.leaderEpoch === this.leaderEpoch && asked.fetchOffset === this.fetchOffset
  }

  private onRefused(errorCode: ErrorCode, nowMs: number): void {
    switch (errorCode) {
      case ErrorCode.FENCED_LEADER_EPOCH:
        // The leader is in a newer epoch: LeaderAndIsr will say which.
        return this.fail(errorCode)
      case ErrorCode.OFFSET_OUT_OF_RANGE:
        this.phase = 'asking-leader-end'
        return
      default:
        this.delay(nowMs)
    }
  }

  /** Cuts at the point where both histories can agree; `answer` is the leader's end of an epoch at or below one of ours. */
  private alignTo(answer: EpochEndOffset): void {
    const { log, fetchOffset } = this
    // The leader knows nothing of epochs.
    if (answer.endOffset < 0) return this.cut(Math.min(log.highWatermark, fetchOffset), true)
    // A leader of a time when the answer carried no epoch.
    if (answer.leaderEpoch < 0) return this.cut(Math.min(answer.endOffset, fetchOffset), true)
    const own = log.leaderEpochs.endOffsetFor(answer.leaderEpoch, fetchOffset)
    if (own.endOffset < 0) return this.cut(Math.min(answer.endOffset, fetchOffset), true)
    // We never had that epoch: what we have above the older one is not in the leader's history; how much of the older one
    // is, only the leader can say (KIP-279).
    if (own.leaderEpoch !== answer.leaderEpoch) return this.cut(Math.min(own.endOffset, fetchOffset), false)
    this.cut(Math.min(own.endOffset, answer.endOffset, fetchOffset), true)
  }

  private askEpochEnd(epoch: number): void {
    this.phase = 'asking-epoch-end'
    this.askedEpoch = epoch
  }

  private cut(endOffset: number, isAligned: boolean): void {
    assert(endOffset >= 0 && endOffset <= this.fetchOffset, 'a cut lies in the log')
    this.phase = 'truncating'
    this.cutOffset = endOffset
    this.isAligned = isAligned
  }

  private restart(startOffset: number): void {
    this.phase = 'restarting'
    this.cutOffset = startOffset
    this.isAligned = true
  }
}

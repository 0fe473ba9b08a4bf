import { ErrorCode } from '@millrace/protocol/errors'
import type { PartitionData } from '@millrace/protocol/messages/01-fetch'
import type { Logger } from '@millrace/runtime/logger'
import { assert } from '@millrace/runtime/invariant'
import { noPlace } from '../core/partition/bag.ts'
import { ZERO_TOPIC_ID } from '../core/partition/controller-request-acceptance.ts'
import {
  PartitionFollower,
  type FetchStep,
  type FollowerLog,
  type FollowerStart,
  type FollowerStep,
  type OffsetAnswer,
} from '../core/partition/partition-follower.ts'
import type { LeaderEpochCache } from '../core/log/leader-epoch-cache.ts'
import { UnexpectedAppendOffset } from '../log/log-errors.ts'
import type { FollowerFetch } from './follower-session.ts'
import type { Partition } from './partition.ts'

/**
 * What its fetcher does next: `fetch` what `fetchOffset` says, if that is news or not; `ask-end` or `ask-start`: ask the leader
 * where its log ends or begins; `wait` until `delayedUntilMs`; `failed`: nothing more until the next leader epoch.
 */
export type NextStep = 'fetch' | 'fetch-anew' | 'ask-end' | 'ask-start' | 'wait' | 'failed'

export interface FollowedPartitionOptions {
  readonly brokerId: number
  readonly logger: Logger
  /** For the log: segments roll by the age of their files. */
  readonly wallMs: () => number
  /** `replica.fetch.backoff.ms`: the longest pause after an error. */
  readonly backoffMs: number
}

/** The first pause after an error, doubled each time: an election is over in milliseconds, a dead disk is not. */
const firstBackoffMs = 10

/**
 * One partition in one leader epoch, as its follower carries it out: what core/partition/partition-follower.ts decides happens to
 * the log here. A new leader epoch is a new one of these, so that answers to an old one find nobody.
 */
export class FollowedPartition implements FollowerFetch {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  readonly leaderId: number
  readonly currentLeaderEpoch: number
  /** In what its session has to tell the leader. */
  place = noPlace
  fetchOffset = -1
  lastFetchedEpoch = -1
  logStartOffset = -1
  /** Monotonic. */
  delayedUntilMs = 0
  readonly replica: Partition
  private readonly options: FollowedPartitionOptions
  private readonly machine: PartitionFollower
  private readonly terms: FollowingTerms
  private step: FetchStep | null = null
  private question: Extract<FollowerStep, { kind: 'ask-leader-end' | 'ask-leader-start' }> | null = null
  /** As of the last answer. */
  private leaderHighWatermark = Infinity

  constructor(replica: Partition, options: FollowedPartitionOptions) {
    this.replica = replica
    this.options = options
    this.topic = replica.topic
    this.topicId = replica.topicId ?? ZERO_TOPIC_ID
    this.partition = replica.partition
    this.leaderId = replica.leaderId
    this.currentLeaderEpoch = replica.leaderEpoch
    this.terms = new FollowingTerms(replica, options)
    this.machine = new PartitionFollower(this.terms, new ReplicaLog(replica))
  }

  /** Has all that is committed: to hold it back would hold back producers. */
  get isCaughtUp(): boolean {
    return this.fetchOffset >= this.leaderHighWatermark
  }

  /** Some of what was fetched is not in the file yet. */
  get isWriting(): boolean {
    return this.replica.isWriting
  }

  /** Cuts the log where that is decided. Throws what the log throws. Everything that was fetched must be written. */
  proceed(nowMs: number): NextStep {
    for (;;) {
      const step = this.machine.next(nowMs)
      switch (step.kind) {
        case 'fetch':
          return this.setStep(step)
        case 'truncate':
          this.truncate(step.endOffset, step.isBelowHighWatermark)
          break
        case 'restart':
          this.options.logger.warn('log begins anew where that of the leader does', {
            ...this.names(),
            startOffset: step.startOffset,
          })
          this.replica.truncateFullyAndStartAt(step.startOffset)
          this.machine.onTruncated()
          break
        case 'wait':
          this.delayedUntilMs = step.untilMs
          return 'wait'
        case 'ask-leader-end':
          this.question = step
          return 'ask-end'
        case 'ask-leader-start':
          this.question = step
          return 'ask-start'
        case 'ask-epoch-end':
          throw new Error('leaders of this protocol tell a diverging epoch in their fetch answers')
        case 'failed':
          this.tellFailure(step.errorCode)
          return 'failed'
      }
    }
  }

  /** The answer to the fetch that was asked for last. Throws what the log throws; `proceed` follows when the log is written. */
  take(row: PartitionData, nowMs: number): void {
    const { machine, step } = this
    assert(step !== null, 'what was asked is known')
    const answer = {
      errorCode: row.errorCode as ErrorCode,
      highWatermark: row.highWatermark,
      logStartOffset: row.logStartOffset,
      divergingEpoch: { leaderEpoch: row.divergingEpoch.epoch, endOffset: row.divergingEpoch.endOffset },
    }
    if (machine.onFetchAnswer(step, answer, nowMs) === 'skip') return
    this.terms.onAnswered()
    this.leaderHighWatermark = row.highWatermark
    if (row.records !== null && row.records.length > 0 && !this.append(row.records, nowMs)) return
    this.replica.followOffsets(machine.onAppended(this.replica.log.nextOffset, answer))
  }

  /** What the leader said of the end of its log, or of its start: the answer to the last `ask-end` or `ask-start`. */
  onLeaderOffset(answer: OffsetAnswer, nowMs: number): void {
    const { machine, question } = this
    if (question?.kind === 'ask-leader-end') machine.onLeaderEnd(question, answer, nowMs)
    else if (question?.kind === 'ask-leader-start') machine.onLeaderStart(question, answer, nowMs)
  }

  /** The leader was not reached. */
  delay(nowMs: number): void {
    this.machine.delay(nowMs)
  }

  names(): { topic: string; partition: number; leader: number; leaderEpoch: number } {
    const { topic, partition, leaderId: leader, currentLeaderEpoch: leaderEpoch } = this
    return { topic, partition, leader, leaderEpoch }
  }

  /** A leader that is an epoch ahead is in order, of thousands of partitions at a time: the controller's word is on its way here too. */
  private tellFailure(errorCode: ErrorCode): void {
    const level = errorCode === ErrorCode.FENCED_LEADER_EPOCH ? 'debug' : 'warn'
    this.options.logger[level]('partition is not followed any more', { ...this.names(), errorCode })
  }

  private setStep(step: FetchStep): NextStep {
    const before = this.step
    this.step = step
    const { fetchOffset, lastFetchedEpoch, logStartOffset } = step
    this.fetchOffset = fetchOffset
    this.lastFetchedEpoch = lastFetchedEpoch
    this.logStartOffset = logStartOffset
    const isSame =
      before?.fetchOffset === fetchOffset &&
      before.lastFetchedEpoch === lastFetchedEpoch &&
      before.logStartOffset === logStartOffset
    return isSame ? 'fetch' : 'fetch-anew'
  }

  private truncate(endOffset: number, isBelowHighWatermark: boolean): void {
    const { logger } = this.options
    const { logEndOffset, highWatermark } = this.replica.log
    this.replica.truncateTo(endOffset)
    this.machine.onTruncated()
    if (endOffset >= logEndOffset) return
    const fields = { ...this.names(), from: logEndOffset, to: this.replica.log.logEndOffset, highWatermark }
    if (isBelowHighWatermark) logger.warn('truncated below the high watermark: committed records are lost', fields)
    else logger.info('truncated to the history of the leader', fields)
  }

  /** False: nothing was appended, and the machine knows how to go on. */
  private append(records: Buffer, nowMs: number): boolean {
    let errorCode: ErrorCode
    try {
      errorCode = this.replica.appendAsFollower(records, this.options.wallMs())
    } catch (error) {
      if (!(error instanceof UnexpectedAppendOffset)) throw error
      const { logStartOffset, logEndOffset } = this.replica.log
      const { baseOffset, lastOffset } = error
      // The leader's log begins inside its first batch, which comes as a whole.
      const isAroundStart = baseOffset < logStartOffset && logStartOffset <= lastOffset
      if (!isAroundStart || logStartOffset !== logEndOffset || this.replica.isWriting) throw error
      this.machine.onBatchBelowStart(baseOffset, lastOffset)
      return false
    }
    if (errorCode === ErrorCode.NONE) return true
    this.options.logger.error('leader sent what cannot be appended', {
      ...this.names(),
      fetchOffset: this.fetchOffset,
      errorCode,
    })
    if (errorCode === ErrorCode.KAFKA_STORAGE_ERROR) this.machine.fail(errorCode)
    else this.machine.delay(nowMs)
    return false
  }
}

// Classes, not objects with accessors: those would each have a shape of their own, thousands of them, and none would be read quickly.

class FollowingTerms implements FollowerStart {
  readonly brokerId: number
  readonly leaderId: number
  readonly leaderEpoch: number
  readonly truncatesOnFetch = true
  private readonly backoffMsMax: number
  private refusals = 0

  constructor({ leaderId, leaderEpoch }: Partition, { brokerId, backoffMs }: FollowedPartitionOptions) {
    this.brokerId = brokerId
    this.leaderId = leaderId
    this.leaderEpoch = leaderEpoch
    this.backoffMsMax = backoffMs
  }

  /** Asked once for each pause: it grows. */
  get backoffMs(): number {
    return Math.min(this.backoffMsMax, firstBackoffMs * 2 ** Math.min(this.refusals++, 20))
  }

  onAnswered(): void {
    this.refusals = 0
  }
}

/** Asked anew each time: the log may move to another directory meanwhile. */
class ReplicaLog implements FollowerLog {
  private readonly replica: Partition

  constructor(replica: Partition) {
    this.replica = replica
  }

  get logStartOffset(): number {
    return this.replica.log.logStartOffset
  }
  get highWatermark(): number {
    return this.replica.log.highWatermark
  }
  get nextOffset(): number {
    return this.replica.log.nextOffset
  }
  get logEndOffset(): number {
    return this.replica.log.logEndOffset
  }
  get leaderEpochs(): LeaderEpochCache {
    return this.replica.log.leaderEpochs
  }
}

import { ErrorCode } from '@millrace/protocol/errors'
import { assert } from '@millrace/runtime/invariant'
import type { AppendOutcome } from '../core/log/append-outcome.ts'
import type { EpochEndOffset } from '../core/log/leader-epoch-cache.ts'
import type { FollowerFetch } from '../core/partition/follower-progress.ts'
import type {
  CommittedIsr,
  IsrAnswer,
  IsrAttempt,
  IsrProposal,
  ProposalVerdict,
} from '../core/partition/in-sync-set.ts'
import { checkLeaderEpoch } from '../core/partition/leader-epoch-check.ts'
import { assertOrdered, type LogOffsets } from '../core/partition/log-offsets.ts'
import type { FollowedOffsets } from '../core/partition/partition-follower.ts'
import {
  PartitionLeader,
  type FetchNote,
  type LeaderEffects,
  type LeaderTerms,
  type ReadCandidate,
} from '../core/partition/partition-leader.ts'
import type { LogEffects } from '../log/log-effects.ts'
import type { FetchedBatches } from '../log/batch-reader.ts'
import type { PartitionLog } from '../log/partition-log.ts'
import { CommitWaiters, type CommitListener } from './commit-waiters.ts'
import { FetchWaiters } from './fetch-waiters.ts'

/** What a LeaderAndIsr request says of one partition. */
export interface PartitionState {
  readonly controllerEpoch: number
  readonly leader: number
  readonly leaderEpoch: number
  readonly partitionEpoch: number
  readonly inSyncReplicas: readonly number[]
  readonly replicas: readonly number[]
  /** To which life of this broker it was said; -1: not said. */
  readonly brokerEpoch: number
}

export interface PartitionOptions {
  readonly brokerId: number
  readonly topic: string
  readonly partition: number
  readonly monotonicMs: () => number
  readonly cluster?: PartitionCluster
}

/** What a leader knows of the brokers around it, and how it asks the controller for another in-sync set. */
export interface PartitionCluster {
  /** Up, and not about to leave as far as `partition` goes. */
  isBrokerAlive(brokerId: number, partition: Partition): boolean
  /** Own broker epoch; -1: not registered. */
  brokerEpoch(): number
  replicaLagTimeMaxMs(): number
  /** Do followers say which life of their broker fetches (inter-broker protocol 3.5 and up)? */
  readonly requiresBrokerEpoch: boolean
  /** An AlterPartition without an answer is not written any more after this: the ZooKeeper session timeout. */
  readonly attemptLifetimeMs: number
  inSyncReplicasProposed(partition: Partition, proposal: IsrProposal): void
  /** Its log can take nothing more. */
  logFailed(partition: Partition): void
}

export type Acks = -1 | 0 | 1

/** How far a reader may see: followers to the end, consumers to what is committed, or to what is stable. */
export const Isolation = { readUncommitted: 0, readCommitted: 1, replica: 2 } as const
export type Isolation = (typeof Isolation)[keyof typeof Isolation]

/**
 * One partition that this broker hosts, as leader or follower. Joins the log (bytes), the leader (decisions) and those who wait.
 *
 *   append ─► log ─(end of turn)─► endOffsetAdvanced ─► leader.onAppended ─► highWatermarkAdvanced ─► waiters
 */
export class Partition implements LogEffects, LeaderEffects, LeaderTerms {
  readonly topic: string
  readonly partition: number
  private readonly brokerId: number
  private readonly monotonicMs: () => number
  private readonly cluster: PartitionCluster
  private attachedLog: PartitionLog | null = null
  private leader: PartitionLeader | null = null
  private offline = false
  private state: PartitionState | null = null
  private hasStoodDown = false
  /** Wait for the write: acks 0 and 1. */
  private readonly writes = new CommitWaiters()
  /** Wait for the high watermark: acks -1. */
  private readonly commits = new CommitWaiters()
  readonly fetchWaiters = new FetchWaiters()
  /** Bytes written in this life of the partition: tells a fetch that waits for `minBytes` how much more there is. */
  writtenBytes = 0
  /** Inside `endOffsetAdvanced`, which tells waiting fetches once, after everything has moved. */
  private isAnnouncing = false
  /** Appended in this turn, not announced yet. */
  private unwrittenBytes = 0
  /** What the leader said of records that are not written yet. */
  private followed: FollowedOffsets | null = null
  /** DeleteRecords requests that wait for followers. */
  private lowWatermarkListeners: ReadonlySet<() => void> = nobodyListens

  constructor(options: PartitionOptions) {
    this.topic = options.topic
    this.partition = options.partition
    this.brokerId = options.brokerId
    this.monotonicMs = options.monotonicMs
    this.cluster = options.cluster ?? nobodyElse
  }

  get isLeader(): boolean {
    return this.leader !== null
  }
  get isOffline(): boolean {
    return this.offline
  }
  /** -1: no controller has spoken of it yet. */
  get leaderEpoch(): number {
    return this.state?.leaderEpoch ?? -1
  }
  /** Broker id of the leader; -1: none known. */
  get leaderId(): number {
    return this.state?.leader ?? -1
  }
  /** A LeaderAndIsr request has to be newer than this. Who stood down may be told the same again. */
  get appliedEpoch(): number {
    return this.hasStoodDown ? this.leaderEpoch - 1 : this.leaderEpoch
  }
  /** Epoch of the broker's life to which the controller said what it does; -1: not said. */
  get ordersBrokerEpoch(): number {
    return this.state?.brokerEpoch ?? -1
  }
  /** Is there nobody who could lead instead? */
  get isOnlyReplica(): boolean {
    return this.replicas.length === 1
  }
  /** Newest fetch of another in-sync replica in this leader epoch, monotonic ms. */
  get lastInSyncFetchMs(): number {
    return this.leader?.lastInSyncFetchMs ?? -Infinity
  }
  get partitionEpoch(): number {
    return this.state?.partitionEpoch ?? -1
  }
  get replicas(): readonly number[] {
    return this.state?.replicas ?? []
  }
  get inSyncReplicas(): readonly number[] {
    return this.leader?.inSyncReplicas ?? []
  }
  get topicId(): string | null {
    return this.attachedLog?.topicId ?? null
  }
  get hasLog(): boolean {
    return this.attachedLog !== null
  }
  get log(): PartitionLog {
    assert(this.attachedLog !== null, 'a partition that has a role has a log')
    return this.attachedLog
  }
  get highWatermark(): number {
    return this.log.highWatermark
  }
  /** Appended bytes wait for the end of the turn. */
  get isWriting(): boolean {
    return !this.offline && this.log.nextOffset > this.log.logEndOffset
  }

  /** Where the log stands. For a fetch before its read, so that an answer never claims more than it saw. */
  offsets(): LogOffsets {
    const { logStartOffset, highWatermark, lastStableOffset, logEndOffset } = this.log
    const offsets = { logStartOffset, highWatermark, lastStableOffset, logEndOffset }
    assertOrdered(offsets)
    return offsets
  }

  /** Exclusive end of what a reader of this kind may see. */
  endOffsetFor(isolation: Isolation): number {
    if (isolation === Isolation.replica) return this.log.logEndOffset
    return isolation === Isolation.readCommitted ? this.log.lastStableOffset : this.log.highWatermark
  }

  /** NONE, or why a request that believes in `requestEpoch` (-1: in none) cannot be served. */
  check(requestEpoch: number, mustLead: boolean): ErrorCode {
    if (this.offline || this.attachedLog === null) return ErrorCode.KAFKA_STORAGE_ERROR
    return checkLeaderEpoch({ requestEpoch, localEpoch: this.leaderEpoch, isLeader: this.isLeader, mustLead })
  }

  /**
   * Answers whether it was not leader before. A partition epoch older than ours is a late message: ignored.
   * A leader that stays leader in a new epoch keeps its log, so those who wait keep waiting.
   */
  becomeLeader(state: PartitionState, log: PartitionLog): boolean {
    if (state.partitionEpoch < this.partitionEpoch) return false
    const wasLeader = this.isLeader
    const isNewEpoch = state.leaderEpoch !== this.leaderEpoch
    assert(isNewEpoch || !wasLeader, 'the acceptance rules refuse an epoch that was applied')
    this.attach(log)
    this.state = state
    this.hasStoodDown = false
    const nowMs = this.monotonicMs()
    const { cluster } = this
    this.followed = null
    this.leader = new PartitionLeader(
      {
        brokerId: this.brokerId,
        leaderEpoch: state.leaderEpoch,
        partitionEpoch: state.partitionEpoch,
        inSyncReplicas: state.inSyncReplicas,
        replicas: state.replicas,
        highWatermark: log.highWatermark,
        logEndOffset: log.logEndOffset,
        nextOffset: log.nextOffset,
        nowMs,
        requiresBrokerEpoch: cluster.requiresBrokerEpoch,
        attemptLifetimeMs: cluster.attemptLifetimeMs,
      },
      this,
      this,
    )
    this.leader.onElected(nowMs)
    this.fetchWaiters.notify()
    return !wasLeader
  }

  /** Serves consumers at most. Answers whether the leader epoch is new: then its follower has to begin anew. */
  becomeFollower(state: PartitionState, log: PartitionLog): boolean {
    if (state.partitionEpoch < this.partitionEpoch) return false
    const isNewEpoch = state.leaderEpoch !== this.leaderEpoch
    // What we appended as leader in this turn is ours: its follower goes on, or cuts, behind it.
    if (this.attachedLog === log) log.commit()
    this.attach(log)
    this.leader = null
    this.followed = null
    this.state = state
    this.hasStoodDown = false
    this.failWaiters(ErrorCode.NOT_LEADER_OR_FOLLOWER)
    this.fetchWaiters.notify()
    return isNewEpoch
  }

  /**
   * To the controller the one that was made leader is dead, and another may lead by now. Serves nobody until the controller
   * speaks again.
   */
  standDown(): void {
    if (this.leader === null) return
    this.log.commit()
    this.leader = null
    this.hasStoodDown = true
    this.failWaiters(ErrorCode.NOT_LEADER_OR_FOLLOWER)
    this.fetchWaiters.notify()
  }

  /** Its records are in another directory now; they are the same, and nothing waits to be written. Nobody who waits notices. */
  replaceLog(log: PartitionLog): void {
    assert(!this.isWriting && log.nextOffset === this.log.nextOffset, 'all records moved')
    assert(log.highWatermark === this.log.highWatermark, 'what is committed stays committed')
    this.attach(log)
    if (log.isOffline) this.failed()
  }

  /** The replica is stopped for good, or its disk is: `errorCode` goes to everybody who waits. */
  close(errorCode: ErrorCode): void {
    this.leader = null
    this.followed = null
    if (errorCode === ErrorCode.KAFKA_STORAGE_ERROR) this.offline = true
    this.failWaiters(errorCode)
    this.fetchWaiters.notify()
  }

  /**
   * Appends what a client sent. `acks` only decides whether too few in-sync replicas refuse it; who waits for what is
   * said with `whenWritten` and `whenCommitted`. The bytes of `records` are changed in place (offsets, leader epoch).
   */
  append(records: Buffer, options: { acks: Acks; apiVersion: number; nowMs: number }): AppendOutcome {
    const { leader } = this
    if (this.offline) return refused(ErrorCode.KAFKA_STORAGE_ERROR, -1)
    if (leader === null) return refused(ErrorCode.NOT_LEADER_OR_FOLLOWER, -1)
    const admission = options.acks === -1 ? leader.admission() : ErrorCode.NONE
    if (admission !== ErrorCode.NONE) return refused(admission, this.log.logStartOffset)
    const outcome = this.log.appendAsLeader(records, {
      leaderEpoch: leader.leaderEpoch,
      origin: 'client',
      apiVersion: options.apiVersion,
      nowMs: options.nowMs,
    })
    if (outcome.ok && !outcome.isDuplicate) this.unwrittenBytes += records.length
    return outcome
  }

  /** Tells the listener when everything below `endOffset` is written: at the end of the turn, or now for a duplicate. */
  whenWritten(endOffset: number, listener: CommitListener, token: number): void {
    if (endOffset <= this.log.logEndOffset) listener.onCommitted(token, ErrorCode.NONE)
    else this.writes.until(endOffset, listener, token)
  }

  /** The same, when all in-sync replicas have it. */
  whenCommitted(endOffset: number, listener: CommitListener, token: number): void {
    if (endOffset <= this.log.highWatermark) listener.onCommitted(token, this.committedCode())
    else this.commits.until(endOffset, listener, token)
  }

  cancelWaits(listener: CommitListener): void {
    this.writes.cancel(listener)
    this.commits.cancel(listener)
  }

  /** Null when there is nothing to read below the end that this reader may see. Throws OffsetOutOfRange. */
  read(options: {
    fetchOffset: number
    maxBytes: number
    isolation: Isolation
    minOneBatch: boolean
  }): FetchedBatches | null {
    const { fetchOffset, maxBytes, minOneBatch } = options
    return this.log.read({ fetchOffset, maxBytes, minOneBatch, endOffset: this.endOffsetFor(options.isolation) })
  }

  /** Appends what the leader sent, offsets and epochs as they are. Throws UnexpectedAppendOffset. */
  appendAsFollower(records: Buffer, nowMs: number): ErrorCode {
    const { nextOffset } = this.log
    const outcome = this.log.appendAsFollower(records, nowMs)
    if (!outcome.ok) return outcome.errorCode as ErrorCode
    if (this.log.nextOffset > nextOffset) this.unwrittenBytes += records.length
    return ErrorCode.NONE
  }

  /** What the leader said is committed and kept, of what was appended so far: it holds once that is written. */
  followOffsets(offsets: FollowedOffsets): void {
    if (this.isWriting) this.followed = offsets
    else this.applyFollowed(offsets)
  }

  /** As the follower decided: its history left the leader's there. */
  truncateTo(endOffset: number): void {
    this.log.truncateTo(endOffset)
    this.afterTruncation()
  }

  truncateFullyAndStartAt(startOffset: number): void {
    this.log.truncateFullyAndStartAt(startOffset)
    this.afterTruncation()
  }

  /** A replica asked for `fetchOffset`: so much it has. `leaderEnd` is where the log ended when it was read for it. */
  onFollowerFetch(fetch: FollowerFetch, leaderEnd: number): FetchNote {
    const { leader } = this
    if (leader === null) return 'not-a-replica'
    const note = leader.onFollowerFetch(fetch, leaderEnd, this.monotonicMs())
    if (this.lowWatermarkListeners.size > 0) for (const check of this.lowWatermarkListeners) check()
    return note
  }

  /** The controller's answer to one sending of a proposal; what to do with it now. */
  onIsrAnswer(proposal: IsrProposal, answer: IsrAnswer, attempt: IsrAttempt): ProposalVerdict {
    return this.leader?.onIsrAnswer(proposal, answer, this.monotonicMs(), attempt) ?? 'ignored'
  }

  /** The controller told everybody: it may be the only answer to a proposal that ever comes. */
  onTruth(truth: CommittedIsr): void {
    const { leader } = this
    if (leader !== null && leader.isrState !== 'committed') leader.onTruth(truth, this.monotonicMs())
  }

  /** Every half `replica.lag.time.max.ms`: who has been behind for too long leaves the in-sync set. */
  checkInSyncReplicas(): void {
    this.leader?.onTick(this.monotonicMs())
  }

  /** In-sync followers that a consumer may be sent to (KIP-392). */
  readCandidates(fetchOffset: number): ReadCandidate[] {
    return this.leader?.readCandidates(fetchOffset, this.monotonicMs()) ?? []
  }

  isReplica(brokerId: number): boolean {
    return this.replicas.includes(brokerId)
  }

  /** Where the epoch ends in this log; -1 and -1 when it cannot say (KIP-101). */
  endOffsetOfEpoch(leaderEpoch: number): EpochEndOffset {
    return this.log.leaderEpochs.endOffsetFor(leaderEpoch, this.log.logEndOffset)
  }

  /** Raises the log start; OFFSET_OUT_OF_RANGE above the high watermark. */
  deleteRecordsBefore(offset: number): ErrorCode {
    if (offset < 0 || offset > this.log.highWatermark) return ErrorCode.OFFSET_OUT_OF_RANGE
    this.log.deleteRecordsBefore(offset)
    this.fetchWaiters.notify()
    return ErrorCode.NONE
  }

  /** Smallest log start of the replicas that are alive; a follower that never fetched in this epoch counts as -1. */
  lowWatermark(isAlive: (brokerId: number) => boolean): number {
    const { logStartOffset } = this.log
    return this.leader?.lowWatermark(logStartOffset, isAlive) ?? logStartOffset
  }

  /** Calls `check` whenever the low watermark may have moved. Answers a function that ends that. */
  onLowWatermark(check: () => void): () => void {
    this.lowWatermarkListeners = new Set([...this.lowWatermarkListeners, check])
    return () => {
      this.lowWatermarkListeners = new Set([...this.lowWatermarkListeners].filter(each => each !== check))
    }
  }

  /** May `latest` and lookups trust the high watermark? Not before it passed the start of this epoch (KIP-207). */
  get isHighWatermarkCurrent(): boolean {
    return this.leader === null || this.log.highWatermark >= this.leader.epochStartOffset
  }

  // LogEffects

  endOffsetAdvanced(logEndOffset: number): void {
    this.writtenBytes += this.unwrittenBytes
    this.unwrittenBytes = 0
    this.isAnnouncing = true
    if (this.leader !== null) this.leader.onAppended(logEndOffset, this.monotonicMs())
    else if (this.followed !== null) this.applyFollowed(this.followed)
    this.isAnnouncing = false
    this.writes.advance(logEndOffset, ErrorCode.NONE)
    // Followers may read what consumers may not yet.
    this.fetchWaiters.notify()
  }

  failed(): void {
    this.close(ErrorCode.KAFKA_STORAGE_ERROR)
    this.cluster.logFailed(this)
  }

  // LeaderTerms

  minInSyncReplicas(): number {
    return this.log.settings.minInSyncReplicas
  }

  replicaLagTimeMaxMs(): number {
    return this.cluster.replicaLagTimeMaxMs()
  }

  isBrokerAlive(brokerId: number): boolean {
    return this.cluster.isBrokerAlive(brokerId, this)
  }

  brokerEpoch(): number {
    return this.cluster.brokerEpoch()
  }

  // LeaderEffects

  highWatermarkAdvanced(highWatermark: number): void {
    this.log.setHighWatermark(highWatermark)
    this.commits.advance(highWatermark, this.committedCode())
    if (!this.isAnnouncing) this.fetchWaiters.notify()
  }

  leaderEpochBegan(leaderEpoch: number, startOffset: number): void {
    this.log.assignLeaderEpoch(leaderEpoch, startOffset)
  }

  inSyncReplicasProposed(proposal: IsrProposal): void {
    this.cluster.inSyncReplicasProposed(this, proposal)
  }

  private applyFollowed({ highWatermark, logStartOffset }: FollowedOffsets): void {
    this.followed = null
    const { log } = this
    // A new leader may be behind with its own: what was committed once stays committed.
    if (highWatermark > log.highWatermark) {
      log.setHighWatermark(highWatermark)
      if (!this.isAnnouncing) this.fetchWaiters.notify()
    }
    log.deleteRecordsBefore(logStartOffset)
  }

  /** Consumers that wait here may wait beyond the end now. */
  private afterTruncation(): void {
    this.followed = null
    this.fetchWaiters.notify()
  }

  /** Enough copies when it was written, fewer now: the producer must know. */
  private committedCode(): ErrorCode {
    return this.leader?.completion() ?? ErrorCode.NONE
  }

  private attach(log: PartitionLog): void {
    if (this.attachedLog === log) return
    this.attachedLog = log
    this.offline = log.isOffline
    log.attach(this)
  }

  private failWaiters(errorCode: ErrorCode): void {
    for (const check of this.lowWatermarkListeners) check()
    this.writes.failAll(errorCode)
    this.commits.failAll(errorCode)
  }
}

const nobodyListens: ReadonlySet<() => void> = new Set()

/** A broker that nobody told of others: no replica can join. */
const nobodyElse: PartitionCluster = {
  isBrokerAlive: () => false,
  brokerEpoch: () => -1,
  replicaLagTimeMaxMs: () => 30_000,
  requiresBrokerEpoch: true,
  attemptLifetimeMs: 18_000,
  inSyncReplicasProposed: () => {},
  logFailed: () => {},
}

function refused(errorCode: ErrorCode, logStartOffset: number): AppendOutcome {
  return { ok: false, errorCode, errorMessage: null, recordErrors: [], logStartOffset }
}

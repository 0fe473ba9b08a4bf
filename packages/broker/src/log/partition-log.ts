import { ErrorCode } from '@millrace/protocol/errors'
import {
  baseOffsetAt,
  batchSizeAt,
  isControlAt,
  producerIdAt,
  setBaseOffset,
  setPartitionLeaderEpoch,
} from '@millrace/protocol/records/record-batch'
import { encodePartitionMetadata } from '@millrace/protocol/storage/partition-metadata'
import { partitionMetadataName } from '@millrace/protocol/storage/file-names'
import { assert } from '@millrace/runtime/invariant'
import type { AppendOptions, AppendOutcome, AppendRefused } from '../core/log/append-outcome.ts'
import { checkReplicated, summaryOf } from '../core/log/appended-bytes.ts'
import type { AppendedBytes } from '../core/log/appended-bytes.ts'
import { refused, validateAppend } from '../core/log/append-validation.ts'
import { endMarkerOf } from '../core/log/end-marker.ts'
import type { ActiveProducer, EndMarker, ProducerState } from '../core/log/producer-state.ts'
import type { LeaderEpochCache } from '../core/log/leader-epoch-cache.ts'
import { segmentsToDelete } from '../core/log/segment-rules.ts'
import type { TopicSettings } from '../settings/topic-settings.ts'
import { abortedTransactions } from './aborted-transactions.ts'
import type { AbortedTransaction } from './aborted-transactions.ts'
import { BatchReader } from './batch-reader.ts'
import type { FetchedBatches, ReadOptions } from './batch-reader.ts'
import type { Committable } from './commit-queue.ts'
import { CompactableLog } from './compactable-log.ts'
import { legacyOffsets } from './legacy-offsets.ts'
import type { LoadedLog } from './loaded-log.ts'
import type { LogContext } from './log-context.ts'
import type { LogEffects } from './log-effects.ts'
import { DirectoryOffline, OffsetOutOfRange, TopicIdMismatch, UnexpectedAppendOffset } from './log-errors.ts'
import { isStorageFailure } from './storage-failure.ts'
import type { ProducerSnapshots } from './producer-snapshots.ts'
import { noteBatches, rebuildProducerState } from './producer-recovery.ts'
import { rememberEarlierBatches } from './producer-tail.ts'
import { replaceUnsynced } from './replace-file.ts'
import { LogTail } from './log-tail.ts'
import { SegmentWriter } from './segment-writer.ts'
import type { Segments } from './segments.ts'
import { offsetForTimestamp, offsetOfMaxTimestamp } from './timestamp-lookup.ts'
import type { TimestampOffset } from './timestamp-lookup.ts'

const noEffects: LogEffects = { endOffsetAdvanced: () => {}, failed: () => {} }

/**
 * One partition on disk. Appends are synchronous: they are checked, get their offsets and wait, gathered, for one write at the end of the turn;
 * only then `logEndOffset` moves and `endOffsetAdvanced` is called. A write that fails or is short takes the directory offline, and nothing
 * that waited is ever acknowledged. `logStartOffset ≤ lastStableOffset ≤ highWatermark ≤ logEndOffset`.
 */
export class PartitionLog implements Committable {
  readonly topic: string
  readonly partition: number
  /** The entry of log.dirs that holds it. */
  readonly directory: string
  readonly leaderEpochs: LeaderEpochCache
  readonly compaction: CompactableLog
  readonly #context: LogContext
  /** `topic-partition`, as Kafka's messages name it. */
  readonly #name: string
  readonly #folder: { path: string }
  readonly #segments: Segments
  readonly #producers: ProducerState
  readonly #snapshots: ProducerSnapshots
  readonly #reader: BatchReader
  readonly #writer: SegmentWriter
  #topicId: string | null
  #effects: LogEffects = noEffects
  #logStartOffset: number
  #highWatermark: number
  /** What `endOffsetAdvanced` said last. */
  #announcedOffset: number
  #isQueued = false
  #isClosed = false
  #failure: Error | null = null

  constructor(context: LogContext, loaded: LoadedLog) {
    this.#context = context
    this.topic = loaded.topic
    this.partition = loaded.partition
    this.directory = loaded.directory
    this.#name = `${loaded.topic}-${loaded.partition}`
    this.leaderEpochs = loaded.leaderEpochs
    this.#topicId = loaded.topicId
    this.#folder = loaded.folder
    this.#segments = loaded.segments
    this.#producers = loaded.producers
    this.#snapshots = loaded.snapshots
    this.#logStartOffset = loaded.logStartOffset
    this.#announcedOffset = loaded.logEndOffset
    this.#highWatermark = clamp(loaded.highWatermark, loaded.logStartOffset, loaded.logEndOffset)
    const tail = new LogTail(context.bufferPool, context.tailCache)
    this.#reader = new BatchReader(context.bufferPool, loaded.segments, tail)
    this.#writer = new SegmentWriter(context, loaded, tail, error => this.fail(error))
    this.#producers.transactions.onHighWatermark(this.#highWatermark)
    this.compaction = new CompactableLog(context, this, loaded, this.#reader.positions)
  }

  /** `<log.dir>/<topic>-<partition>`, and its other name once it is deleted. */
  get path(): string {
    return this.#folder.path
  }
  /** Null until a controller named it. */
  get topicId(): string | null {
    return this.#topicId
  }
  get settings(): TopicSettings {
    return this.#writer.settings
  }
  get logStartOffset(): number {
    return this.#logStartOffset
  }
  /** Exclusive; everything below it is written. */
  get logEndOffset(): number {
    return this.#writer.endOffset
  }
  /** Where the next record goes: above `logEndOffset` while appended bytes wait for the end of the turn. */
  get nextOffset(): number {
    return this.#writer.nextOffset
  }
  get highWatermark(): number {
    return this.#highWatermark
  }
  /** Everything below it survives a power cut. */
  get recoveryPoint(): number {
    return this.#writer.recoveryPoint
  }
  /** Bytes of all segments. */
  get size(): number {
    return this.#segments.size
  }
  get segmentCount(): number {
    return this.#segments.count
  }
  /** The oldest segment's first offset; at or below `logStartOffset`. */
  get firstSegmentOffset(): number {
    return this.#segments.first.baseOffset
  }
  /** Where the active segment begins. */
  get activeSegmentOffset(): number {
    return this.#segments.active.baseOffset
  }
  /** Start of the oldest transaction that is open or not known to be over on all replicas; null when there is none. */
  get firstUnstableOffset(): number | null {
    const offset = this.#producers.transactions.firstUnstableOffset
    return offset === null ? null : Math.max(offset, this.#logStartOffset)
  }
  /** Readers of committed data stop here (KIP-98). */
  get lastStableOffset(): number {
    return Math.min(this.#highWatermark, this.firstUnstableOffset ?? this.#highWatermark)
  }
  get isOffline(): boolean {
    return this.#failure !== null
  }
  /** How often records were cut off its end since it was loaded: who copies it has to look where. */
  get cutCount(): number {
    return this.compaction.truncationCount
  }
  get isOpen(): boolean {
    return this.#failure === null && !this.#isClosed
  }

  /** Who is told about written bytes and failures: the partition that owns the log. */
  attach(effects: LogEffects): void {
    this.#effects = effects
  }

  /** The topic's settings changed: from now on these hold. */
  reconfigure(settings: TopicSettings): void {
    this.#writer.settings = settings
  }

  /** Ties the log to a topic id, on disk too. Throws TopicIdMismatch when it has another: then this is the log of a deleted topic. */
  assignTopicId(topicId: string): void {
    if (this.#topicId === topicId) return
    if (this.#topicId !== null) throw new TopicIdMismatch(this.path, this.#topicId, topicId)
    const { files } = this.#context.world
    this.guarded(() =>
      replaceUnsynced(files, `${this.path}/${partitionMetadataName}`, encodePartitionMetadata(topicId)),
    )
    this.#writer.onReplaced(partitionMetadataName)
    this.#topicId = topicId
  }

  /** Notes that `leaderEpoch` begins at the end of the log: a new leader does so before its first append (KIP-101). */
  assignLeaderEpoch(leaderEpoch: number, startOffset: number = this.#writer.nextOffset): void {
    const isNewest = leaderEpoch > this.leaderEpochs.latest
    if (!this.leaderEpochs.assign(leaderEpoch, startOffset)) return
    if (!isNewest) this.saveLeaderEpochs()
    else if (this.#writer.epochsBegan()) this.#context.epochFiles.add(this)
  }

  /** For EpochFiles. */
  saveEpochs(): void {
    if (!this.isOpen) return
    try {
      this.#writer.saveEpochs()
    } catch (error) {
      this.noteQuietly(error)
    }
  }

  /** Everything below is committed. Kept within the log; may go back only by truncation. */
  setHighWatermark(highWatermark: number): void {
    this.#highWatermark = clamp(highWatermark, this.#logStartOffset, this.logEndOffset)
    this.#producers.transactions.onHighWatermark(this.#highWatermark)
  }

  /** Checks and appends one batch as the partition's leader; patches `records` in place. Readers see it when `logEndOffset` has passed it. */
  appendAsLeader(records: Buffer, options: AppendOptions): AppendOutcome {
    if (this.#failure !== null || this.#isClosed) return refused(ErrorCode.KAFKA_STORAGE_ERROR, -1)
    const logStartOffset = this.#logStartOffset
    const validated = validateAppend(records, {
      origin: options.origin,
      apiVersion: options.apiVersion,
      nowMs: options.nowMs,
      topicPartition: this.#name,
      logStartOffset,
      settings: this.settings,
    })
    if (!validated.ok) return validated
    const { batch } = validated
    const baseOffset = this.#writer.nextOffset
    const lastOffset = baseOffset + validated.lastOffsetDelta
    setBaseOffset(batch, 0, baseOffset)
    setPartitionLeaderEpoch(batch, 0, options.leaderEpoch)
    let marker: EndMarker | null = null
    if (producerIdAt(batch, 0) >= 0) {
      const isControl = isControlAt(batch, 0)
      if (isControl) marker = endMarkerOf(batch, 0)
      const verdict = marker === null ? this.#producers.check(batch, 0) : this.#producers.checkMarker(batch, 0, marker)
      if (verdict.errorCode !== ErrorCode.NONE) return refused(verdict.errorCode, logStartOffset)
      const { duplicate } = verdict
      if (duplicate !== null && !isControl) {
        const { lastOffset: end, offsetDelta, timestamp } = duplicate
        return {
          ok: true,
          baseOffset: end - offsetDelta,
          lastOffset: end,
          logAppendTimeMs: timestamp,
          logStartOffset,
          isDuplicate: true,
        }
      }
    }
    const { maxTimestamp, logAppendTimeMs } = validated
    const appended: AppendedBytes = { size: batch.length, lastOffset, maxTimestamp, offsetOfMaxTimestamp: lastOffset }
    const failure = this.append(batch, baseOffset, appended, options.nowMs)
    return failure ?? { ok: true, baseOffset, lastOffset, logAppendTimeMs, logStartOffset, isDuplicate: false }
  }

  /**
   * Appends whole batches as a leader sent them; offsets and leader epochs stay. An incomplete batch at the end is left out. Throws
   * UnexpectedAppendOffset when they begin below the end of the log; answers CORRUPT_MESSAGE when one of them is damaged.
   */
  appendAsFollower(records: Buffer, nowMs: number): AppendOutcome {
    if (this.#failure !== null || this.#isClosed) return refused(ErrorCode.KAFKA_STORAGE_ERROR, -1)
    const checked = checkReplicated(records, this.#writer.nextOffset)
    if (checked.kind === 'corrupt') return refused(ErrorCode.CORRUPT_MESSAGE, -1)
    if (checked.kind === 'unexpected') throw new UnexpectedAppendOffset(this.path, checked, this.#writer.nextOffset)
    const { length, baseOffset, lastOffset } = checked
    const whole = length === records.length ? records : records.subarray(0, length)
    const failure = length === 0 ? null : this.appendReplicated(whole, nowMs)
    const { logStartOffset } = this
    return failure ?? { ok: true, baseOffset, lastOffset, logAppendTimeMs: -1, logStartOffset, isDuplicate: false }
  }

  /** Whole batches from the one that holds `fetchOffset`; null when there is nothing below `endOffset`. Throws OffsetOutOfRange outside logStartOffset..logEndOffset. */
  read(options: ReadOptions): FetchedBatches | null {
    const { fetchOffset } = options
    if (this.#failure !== null || this.#isClosed) throw new DirectoryOffline(`${this.path} is closed`)
    if (fetchOffset < this.#logStartOffset || fetchOffset > this.logEndOffset) {
      throw new OffsetOutOfRange(fetchOffset, this.#logStartOffset, this.logEndOffset)
    }
    // No closure: each fetch comes by here.
    try {
      const { logEndOffset } = this
      return this.#reader.read(options.endOffset <= logEndOffset ? options : { ...options, endOffset: logEndOffset })
    } catch (error) {
      if (isStorageFailure(error)) this.fail(error)
      throw error
    }
  }

  /** Brings what a `read` would read into memory, so that the read does not hold up the loop while the disk works. */
  async prefetch(fetchOffset: number, maxBytes: number): Promise<void> {
    if (fetchOffset >= this.#logStartOffset) await this.guardedAsync(() => this.#reader.prefetch(fetchOffset, maxBytes))
  }

  /** The aborted transactions that touch `fetchOffset..endOffset`: those that began earlier too. */
  abortedTransactions(fetchOffset: number, endOffset: number): AbortedTransaction[] {
    return this.guarded(() => abortedTransactions(this.#segments, fetchOffset, endOffset))
  }

  /** The first record below `endOffset` that is at least as young as `timestamp`; null when there is none. */
  offsetForTimestamp(timestamp: number, endOffset: number): TimestampOffset | null {
    const query = { timestamp, startOffset: this.#logStartOffset, endOffset: Math.min(endOffset, this.logEndOffset) }
    return this.guarded(() => offsetForTimestamp(this.#context, this.#segments, query))
  }

  /** The first record that carries the largest timestamp (KIP-734); null when no record has one. */
  offsetOfMaxTimestamp(): TimestampOffset | null {
    return this.guarded(() => offsetOfMaxTimestamp(this.#context, this.#segments))
  }

  /** ListOffsets v0: where segments begin, newest first, that were last written at or before `timestamp` (-1: all and the end, -2: the first). */
  legacyOffsetsBefore(timestamp: number, maxCount: number): number[] {
    const { files, clock } = this.#context.world
    const { logStartOffset, logEndOffset } = this
    const query = { timestamp, maxCount, logStartOffset, logEndOffset, nowMs: clock.wallMs() }
    return this.guarded(() => legacyOffsets(files, this.#segments, query))
  }

  /** Raises the log start: what lies below is not served any more, and goes with its segments. Not above the high watermark. */
  deleteRecordsBefore(offset: number): void {
    const start = Math.min(offset, this.#highWatermark)
    if (start <= this.#logStartOffset) return
    this.#logStartOffset = start
    this.guarded(() => {
      if (this.leaderEpochs.truncateFromStart(start)) this.saveLeaderEpochs()
    })
  }

  /** Cuts the log so that it ends at `offset`, at a batch: a follower does so where its leader's history differs. */
  truncateTo(offset: number): void {
    this.settle()
    if (this.#failure !== null) return
    if (offset >= this.logEndOffset) {
      if (this.leaderEpochs.truncateFromEnd(this.logEndOffset)) this.saveLeaderEpochs()
      return
    }
    if (offset < this.firstSegmentOffset) {
      this.truncateFullyAndStartAt(offset)
      return
    }
    this.guarded(() => {
      const nowMs = this.nowMs()
      this.#writer.truncateTo(offset, nowMs)
      this.#logStartOffset = Math.min(this.#logStartOffset, offset)
      this.endAt(offset)
      if (this.leaderEpochs.truncateFromEnd(offset)) this.saveLeaderEpochs()
      const log = { segments: this.#segments, producers: this.#producers, snapshots: this.#snapshots }
      const at = { endOffset: offset, nowMs }
      rebuildProducerState(this.#context, { ...log, logStartOffset: this.#logStartOffset }, at)
      rememberEarlierBatches(this.#context, log)
      // Markers that were committed before the cut still are: without this the last stable offset would fall behind them.
      this.#producers.transactions.onHighWatermark(this.#highWatermark)
    })
  }

  /** Drops everything; the log is empty and begins at `offset`. */
  truncateFullyAndStartAt(offset: number): void {
    this.settle()
    if (this.#failure !== null) return
    this.guarded(() => {
      this.#writer.startAt(offset, this.nowMs())
      this.#logStartOffset = offset
      this.endAt(offset)
      if (this.leaderEpochs.clear()) this.saveLeaderEpochs()
      this.#snapshots.remove(() => true)
      this.#producers.clear(offset)
    })
  }

  /** As the log that this one is a copy of: no batch, but its end. */
  skipTo(offset: number): void {
    this.settle()
    if (this.#failure === null) this.guarded(() => this.#writer.skipTo(offset, this.nowMs()))
    this.#producers.endOffset = offset
    this.#announcedOffset = offset
  }

  /** Where this log holds the records of `other`: takes over what else `other` knows, and keeps no longer than the records. */
  takeOver(other: PartitionLog): void {
    assert(this.logEndOffset === other.logEndOffset, 'a copy ends where its original does')
    assert(this.nextOffset === this.logEndOffset && other.nextOffset === other.logEndOffset, 'nothing waits')
    this.setHighWatermark(other.highWatermark)
    this.deleteRecordsBefore(other.logStartOffset)
    this.#producers.replaceWith(other.#producers)
    if (this.leaderEpochs.replaceWith(other.leaderEpochs.entries)) this.saveLeaderEpochs()
    if (other.topicId !== null) this.assignTopicId(other.topicId)
    this.compaction.cleanedOffset = other.compaction.cleanedOffset
  }

  /** Producers with state, as DescribeProducers lists them (KIP-664). */
  activeProducers(): ActiveProducer[] {
    return this.#producers.active()
  }

  /** Forgets producers that wrote nothing for producer.id.expiration.ms. */
  expireProducers(nowMs: number): void {
    this.#producers.expire(nowMs, this.#context.producerIdExpirationMs())
  }

  /** Drops the oldest segments that retention no longer keeps; the number of segments that went. */
  applyRetention(nowMs: number): number {
    this.settle()
    if (this.#failure !== null || this.#isClosed) return 0
    let count = 0
    this.guarded(() => {
      for (let answer = this.askRetention(nowMs); answer !== null; answer = this.askRetention(nowMs)) {
        this.deleteOldest(answer.count, nowMs)
        this.#context.logger.info('segments deleted', {
          topic: this.topic,
          partition: this.partition,
          count: answer.count,
          reason: answer.reason,
        })
        count += answer.count
      }
    })
    return count
  }

  /** Starts a new segment now; does nothing when the active one is empty. */
  roll(nowMs: number = this.nowMs()): void {
    this.settle()
    if (this.#failure !== null || this.#segments.active.size === 0) return
    this.guarded(() => this.#writer.roll(this.#writer.nextOffset, nowMs))
  }

  /** For CommitQueue: writes what is pending, then announces it. Does not throw. */
  commit(): number {
    this.#isQueued = false
    this.settle()
    const { logEndOffset } = this
    if (this.#announcedOffset !== logEndOffset && this.#failure === null) {
      this.#announcedOffset = logEndOffset
      this.#effects.endOffsetAdvanced(logEndOffset)
    }
    return this.#writer.takeWritten()
  }

  /** Everything appended so far survives a power cut when it returns. */
  flush(): void {
    this.settle()
    if (this.#failure === null) this.guarded(() => this.#writer.flush())
  }

  /** True when flush.ms has passed since the last flush and something was written since. */
  isFlushDue(nowMs: number): boolean {
    return this.#writer.isFlushDue(nowMs)
  }

  /** As `flush`, without holding up the loop. */
  async flushAsync(): Promise<void> {
    this.settle()
    await this.guardedAsync(() => this.#writer.flushAsync())
  }

  /** Writes the producer state, final indexes and all data, so that a start after this needs no recovery. Closes the files. */
  closeCleanly(): void {
    if (this.#isClosed) return
    this.settle()
    if (this.#failure === null) this.guarded(() => this.#writer.finish())
    this.close()
  }

  /** Closes the files as they are; what waits for the end of the turn is dropped. */
  close(): void {
    this.#isClosed = true
    this.#writer.close()
  }

  /** The folder was renamed: it is on its way out. */
  renamed(path: string): void {
    this.#folder.path = path
  }

  /** For LogDirectories: the directory failed, here or in another of its logs. `failed` is called at the end of the turn. */
  goOffline(error: Error): void {
    if (this.#failure === null) this.#failure = error
    this.close()
    const effects = this.#effects
    this.#effects = noEffects
    this.#context.world.timers.soon(() => effects.failed(error))
  }

  /** Writes what is pending: then it may be seen. The announcement waits for the end of the turn. */
  private settle(): void {
    if (this.#failure !== null || this.#isClosed) return
    try {
      this.#writer.write()
    } catch (error) {
      this.noteQuietly(error)
    }
  }

  private append(bytes: Buffer, firstOffset: number, appended: AppendedBytes, nowMs: number): AppendRefused | null {
    try {
      this.#writer.makeRoom(firstOffset, appended, nowMs)
      this.#writer.append(bytes, appended, noteBatches(this, this.#producers, bytes))
    } catch (error) {
      this.noteQuietly(error)
      return refused(ErrorCode.KAFKA_STORAGE_ERROR, -1)
    }
    this.#producers.endOffset = this.#writer.nextOffset
    if (!this.#isQueued) {
      this.#isQueued = true
      this.#context.commits.add(this)
    }
    return null
  }

  /** At once, or each batch by itself where together they are larger than a segment may be. */
  private appendReplicated(batches: Buffer, nowMs: number): AppendRefused | null {
    if (batches.length <= this.settings.segmentBytes) {
      return this.append(batches, baseOffsetAt(batches, 0), summaryOf(batches), nowMs)
    }
    for (let position = 0; position < batches.length;) {
      const batch = batches.subarray(position, position + batchSizeAt(batches, position))
      const failure = this.append(batch, baseOffsetAt(batch, 0), summaryOf(batch), nowMs)
      if (failure !== null) return failure
      position += batch.length
    }
    return null
  }

  private askRetention(nowMs: number): ReturnType<typeof segmentsToDelete> {
    const { retentionMs, retentionBytes, cleanupPolicy } = this.settings
    return segmentsToDelete({
      segments: this.#segments.all,
      logStartOffset: this.#logStartOffset,
      logEndOffset: this.logEndOffset,
      highWatermark: this.#highWatermark,
      nowMs,
      settings: { retentionMs, retentionBytes, deletes: cleanupPolicy.delete },
    })
  }

  private deleteOldest(count: number, nowMs: number): void {
    this.#reader.positions.clear()
    const first = this.#writer.deleteOldest(count, nowMs)
    if (first <= this.#logStartOffset) return
    this.#logStartOffset = first
    if (this.leaderEpochs.truncateFromStart(first)) this.saveLeaderEpochs()
  }

  private endAt(offset: number): void {
    this.#reader.positions.clear()
    if (this.compaction.onTruncated(offset)) this.#context.onCleanedOffsetLowered(this.directory)
    this.#announcedOffset = offset
    this.#highWatermark = clamp(this.#highWatermark, this.#logStartOffset, offset)
  }

  private saveLeaderEpochs(): void {
    this.guarded(() => this.#writer.epochsChanged())
  }

  private nowMs(): number {
    return this.#context.world.clock.wallMs()
  }

  /** A file operation whose failure takes the directory offline; the error goes on to the caller. */
  private guarded<T>(operation: () => T): T {
    try {
      return operation()
    } catch (error) {
      if (isStorageFailure(error)) this.fail(error)
      throw error
    }
  }

  /** A failure of the storage, which `failed` tells; everything else goes on to the caller. */
  private noteQuietly(error: unknown): void {
    if (!isStorageFailure(error)) throw error
    this.fail(error)
  }

  /** Without holding up the loop; a failure of the storage is noted quietly, and nothing happens when the log is closed or offline. */
  private async guardedAsync(operation: () => Promise<void>): Promise<void> {
    if (this.#failure !== null || this.#isClosed) return
    try {
      await operation()
    } catch (error) {
      if (!isStorageFailure(error)) throw error
      if (!this.#isClosed) this.fail(error)
    }
  }

  /** Nothing that waits will be acknowledged; the good bytes end where the last full write did. */
  private fail(error: Error): void {
    if (this.#failure !== null) return
    this.#failure = error
    try {
      this.#writer.cutFailedWrite()
    } catch {
      // The disk is failing already; recovery cuts the tail at the next start.
    }
    this.#context.onFailure(this.directory, error)
  }
}

function clamp(value: number, low: number, high: number): number {
  assert(low <= high, 'a log does not end before it begins')
  return Math.max(low, Math.min(value, high))
}

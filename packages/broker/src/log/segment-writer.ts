import { leaderEpochCheckpointName } from '@millrace/protocol/storage/file-names'
import type { TransactionIndexEntry } from '@millrace/protocol/storage/transaction-index'
import type { AppendedBytes } from '../core/log/appended-bytes.ts'
import { mustRoll, segmentMsOf } from '../core/log/segment-rules.ts'
import type { TopicSettings } from '../settings/topic-settings.ts'
import { writeLeaderEpochs } from './leader-epoch-file.ts'
import type { LoadedLog } from './loaded-log.ts'
import type { LogContext } from './log-context.ts'
import type { LogTail } from './log-tail.ts'
import { Segment } from './segment.ts'
import type { Segments } from './segments.ts'
import { isStorageFailure } from './storage-failure.ts'

/** The parts of a log that its writing end changes. */
export type WrittenLog = Pick<
  LoadedLog,
  | 'directory'
  | 'folder'
  | 'settings'
  | 'segments'
  | 'producers'
  | 'snapshots'
  | 'leaderEpochs'
  | 'logEndOffset'
  | 'recoveryPoint'
>

/**
 * The writing end of a log: gathers appends, starts new segments, flushes, and knows how far the log is written (`endOffset`) and how far it
 * is on the disk (`recoveryPoint ≤ endOffset ≤ nextOffset`). Methods throw what the file system throws; the log decides what that means.
 */
export class SegmentWriter {
  settings: TopicSettings
  /** Where the next append goes. */
  nextOffset: number
  /** Exclusive; everything below is in the files. */
  endOffset: number
  /** Everything below survives a power cut. */
  recoveryPoint: number
  readonly #context: LogContext
  readonly #log: WrittenLog
  /** A flush behind the loop's back failed. */
  readonly #onFailure: (error: Error) => void
  readonly #segments: Segments
  readonly #tail: LogTail
  #lastFlushMs: number
  /** Counts files that came, or were replaced; and how many of these changes are on the disk. */
  #changes = 0
  #syncedChanges = 0
  /** Small files that were replaced and not synced: their names. */
  #unsynced: readonly string[] = []
  #areEpochsUnsaved = false
  #isClosed = false

  constructor(context: LogContext, log: WrittenLog, tail: LogTail, onFailure: (error: Error) => void) {
    this.#context = context
    this.#log = log
    this.#onFailure = onFailure
    this.#segments = log.segments
    this.settings = log.settings
    this.nextOffset = log.logEndOffset
    this.endOffset = log.logEndOffset
    this.recoveryPoint = log.recoveryPoint
    this.#tail = tail
    this.#lastFlushMs = this.nowMs()
  }

  /** Starts a new segment at `firstOffset` if what comes next must not go into the active one. */
  makeRoom(firstOffset: number, appended: AppendedBytes, nowMs: number): void {
    const segment = this.#segments.active
    const { size } = segment
    const isFull = mustRoll({
      size,
      baseOffset: segment.baseOffset,
      firstTimestamp: size === 0 ? -1 : segment.firstTimestamp(),
      createdMs: segment.createdMs,
      isIndexFull: segment.isIndexFull(this.settings.segmentIndexBytes),
      jitterMs: segment.jitterMs,
      appendSize: appended.size,
      appendLastOffset: appended.lastOffset,
      appendMaxTimestamp: appended.maxTimestamp,
      nowMs,
      segmentBytes: this.settings.segmentBytes,
      segmentMs: segmentMsOf(this.settings),
    })
    if (isFull) this.roll(firstOffset, nowMs)
  }

  /** Adds batches, and the aborted transactions that end in them. They are in the files after the next `write`. */
  append(bytes: Buffer, appended: AppendedBytes, aborted: readonly TransactionIndexEntry[]): void {
    const segment = this.#segments.active
    segment.onAppended(appended, this.settings.indexIntervalBytes)
    this.#tail.add(segment, bytes)
    for (const transaction of aborted) segment.transactions.append(transaction)
    this.nextOffset = appended.lastOffset + 1
  }

  /** Writes what is gathered, and flushes it where flush.messages asks for that. */
  write(): void {
    const { active } = this.#segments
    this.#tail.write(active)
    active.transactions.save()
    if (this.nextOffset - this.recoveryPoint >= this.settings.flushMessages) this.flush()
    this.endOffset = this.nextOffset
  }

  /** Bytes written since the last call. */
  takeWritten(): number {
    return this.#tail.takeWritten()
  }

  /** Closes the active segment and starts one at `baseOffset`; a snapshot keeps the producer state of that moment. */
  roll(baseOffset: number, nowMs: number): void {
    const { producers, snapshots } = this.#log
    const old = this.#segments.active
    this.saveEpochs()
    this.#tail.write(old)
    old.transactions.save()
    old.deactivate()
    if (this.settings.preallocate) old.trimLog()
    this.addSegment(baseOffset, nowMs)
    producers.endOffset = baseOffset
    const hasSnapshot = snapshots.write(baseOffset, producers.snapshot())
    void this.#context.flushes.run(() => this.flushRolled(old, hasSnapshot ? baseOffset : -1))
  }

  /** Takes out the oldest segments; when those are all, an empty one follows. The base offset of the first that stays. */
  deleteOldest(count: number, nowMs: number): number {
    if (count === this.#segments.count) this.roll(this.nextOffset, nowMs)
    const removed = this.#segments.removeFirst(count)
    for (const segment of removed) segment.discard(this.settings.fileDeleteDelayMs)
    const first = this.#segments.first.baseOffset
    this.#log.snapshots.remove(offset => offset < first && removed.some(({ baseOffset }) => baseOffset === offset))
    return first
  }

  /** Cuts the log to end at `offset`, at or above its first segment's base. Nothing may be gathered. */
  truncateTo(offset: number, nowMs: number): void {
    for (const segment of this.#segments.removeAbove(offset)) segment.discard(0)
    this.#tail.drop()
    this.#segments.active.truncateTo(offset, nowMs)
    this.endAt(offset)
  }

  /** Drops all segments; an empty one begins at `offset`. Nothing may be gathered. */
  startAt(offset: number, nowMs: number): void {
    this.#tail.drop()
    for (const segment of this.#segments.removeAll()) segment.discard(0)
    this.addSegment(offset, nowMs)
    this.endAt(offset)
  }

  /** A new segment begins at `offset`, and no batch before it: the log from which this one is copied has none there. Nothing may be gathered. */
  skipTo(offset: number, nowMs: number): void {
    this.roll(offset, nowMs)
    this.nextOffset = offset
    this.endOffset = offset
  }

  /** Everything written so far, and what this turn appended before it was written, survives a power cut when it returns. */
  flush(): void {
    this.syncNewFiles()
    for (const segment of this.#segments.all) {
      if (!segment.isDirty) continue
      segment.log.use().datasync()
      segment.isDirty = false
    }
    this.recoveryPoint = this.nextOffset
    this.#lastFlushMs = this.nowMs()
  }

  /**
   * An epoch newer than all before it began where the log ends. That may be written down later, before the next flush at the latest: after a kill
   * a start checks all segments from the recovery point on, and finds every epoch that has batches in those; one that has none is dropped at each
   * start. True for the first one since the last save.
   */
  epochsBegan(): boolean {
    const isFirst = !this.#areEpochsUnsaved
    this.#areEpochsUnsaved = true
    if (isFirst) this.onReplaced(leaderEpochCheckpointName)
    return isFirst
  }

  /** Epochs were dropped or changed: the batches do not tell that, so it is written now. */
  epochsChanged(): void {
    this.#areEpochsUnsaved = true
    this.saveEpochs()
  }

  /** Writes epochs that are not written yet. */
  saveEpochs(): void {
    if (!this.#areEpochsUnsaved || this.#isClosed) return
    const { folder, leaderEpochs } = this.#log
    writeLeaderEpochs(this.#context.world.files, folder.path, leaderEpochs)
    this.#areEpochsUnsaved = false
    this.onReplaced(leaderEpochCheckpointName)
  }

  /** A small file beside the segments was replaced: the next flush covers it. */
  onReplaced(name: string): void {
    if (!this.#unsynced.includes(name)) this.#unsynced = [...this.#unsynced, name]
    this.#changes++
  }

  /** True when flush.ms has passed since the last flush and something was written since. */
  isFlushDue(nowMs: number): boolean {
    return this.recoveryPoint < this.endOffset && nowMs - this.#lastFlushMs >= this.settings.flushMs
  }

  /** As `flush`, for what is written, without holding up the loop. */
  async flushAsync(): Promise<void> {
    const { endOffset } = this
    this.#lastFlushMs = this.nowMs()
    await this.syncNewFilesAsync()
    if (this.#isClosed) return
    const dirty = this.#segments.all.filter(segment => segment.isDirty)
    for (const segment of dirty) {
      // Retention or compaction took it while another was synced.
      if (segment.isGone) continue
      segment.isDirty = false
      try {
        await segment.log.pinned(file => file.datasyncAsync())
      } catch (error) {
        segment.isDirty = true
        throw error
      }
    }
    this.raiseRecoveryPoint(endOffset)
  }

  /** Index files become final and everything is flushed, as an orderly stop asks for. */
  finish(): void {
    const { producers, snapshots } = this.#log
    producers.endOffset = this.endOffset
    snapshots.write(this.endOffset, producers.snapshot())
    this.#segments.active.saveIndexes(true)
    if (this.settings.preallocate) this.#segments.active.trimLog()
    this.flush()
  }

  /** Forgets what is gathered and closes the files. */
  close(): void {
    this.#isClosed = true
    this.#tail.drop()
    for (const segment of this.#segments.all) segment.close()
  }

  /** After a failed write: the file ends where the last whole write did. */
  cutFailedWrite(): void {
    this.#tail.drop()
    this.#segments.active.trimLog()
  }

  private endAt(offset: number): void {
    this.nextOffset = offset
    this.endOffset = offset
    if (offset >= this.recoveryPoint) return
    this.recoveryPoint = offset
    this.#context.onRecoveryPointLowered(this.#log.directory)
  }

  private addSegment(baseOffset: number, nowMs: number): void {
    const { segmentBytes, segmentJitterMs, preallocate } = this.settings
    const jitterMs = segmentJitterMs === 0 ? 0 : this.#context.world.random.uint32() % (segmentJitterMs + 1)
    const preallocateBytes = preallocate ? segmentBytes : 0
    const { folder } = this.#log
    this.#segments.add(Segment.create(this.#context, { folder, baseOffset, nowMs, jitterMs, preallocateBytes }))
    this.#changes++
  }

  /** A closed segment goes to the disk behind the loop's back; then the recovery point may pass it. */
  private async flushRolled(segment: Segment, snapshotOffset: number): Promise<void> {
    // While it waited the log may have been closed, or the segment may have gone.
    if (this.#isClosed || !this.#segments.all.includes(segment)) return
    try {
      await this.syncNewFilesAsync()
      // It may have gone meanwhile.
      if (this.#isClosed || segment.isGone) return
      await segment.flushAll()
      if (snapshotOffset >= 0) await this.#log.snapshots.flush(snapshotOffset)
      this.raiseRecoveryPoint(this.endOffset)
    } catch (error) {
      if (!isStorageFailure(error)) throw error
      if (!this.#isClosed) this.#onFailure(error)
    }
  }

  private syncNewFiles(): void {
    this.saveEpochs()
    if (this.#syncedChanges === this.#changes) return
    const { files } = this.#context.world
    for (const name of this.#unsynced) {
      const file = files.open(`${this.#log.folder.path}/${name}`, 'read-write')
      try {
        file.datasync()
      } finally {
        file.close()
      }
    }
    files.syncDirectory(this.#log.folder.path)
    files.syncDirectory(this.#log.directory)
    this.onSynced(this.#changes)
  }

  /**
   * As `syncNewFiles`, without holding up the loop: next to a copy that fills the page cache the wait for the file system's journal took half a
   * second. Until it is done a `flush` does the same once more.
   */
  private async syncNewFilesAsync(): Promise<void> {
    this.saveEpochs()
    if (this.#syncedChanges === this.#changes) return
    const { files } = this.#context.world
    const changes = this.#changes
    for (const name of this.#unsynced) {
      const file = files.open(`${this.#log.folder.path}/${name}`, 'read-write')
      try {
        await file.datasyncAsync()
      } finally {
        file.close()
      }
      // The folder may be gone, or have another name.
      if (this.#isClosed) return
    }
    await files.syncDirectoryAsync(this.#log.folder.path)
    await files.syncDirectoryAsync(this.#log.directory)
    this.onSynced(changes)
  }

  private onSynced(changes: number): void {
    this.#syncedChanges = Math.max(this.#syncedChanges, changes)
    if (this.#syncedChanges === this.#changes) this.#unsynced = []
  }

  /** To `endOffset`, or to where the first segment with unsynced bytes begins. */
  private raiseRecoveryPoint(endOffset: number): void {
    const firstDirty = this.#segments.all.find(segment => segment.isDirty)
    const safe = Math.min(endOffset, firstDirty?.baseOffset ?? endOffset, this.endOffset)
    this.recoveryPoint = Math.max(this.recoveryPoint, safe)
  }

  private nowMs(): number {
    return this.#context.world.clock.wallMs()
  }
}

import { GzipPieces } from '@millrace/protocol/compression/gzip-pieces'
import { withCompressedPayload } from '@millrace/protocol/records/batch-builder'
import type { BatchCursor } from '@millrace/protocol/records/batch-cursor'
import { BATCH_HEADER_SIZE, recordCountAt } from '@millrace/protocol/records/record-batch'
import { assert } from '@millrace/runtime/invariant'
import { BatchCleaner } from '../core/log/batch-cleaning.ts'
import type { CleaningRange } from '../core/log/cleanable-range.ts'
import { CleanedTransactions } from '../core/log/cleaned-transactions.ts'
import { KeyCollection } from '../core/log/key-collection.ts'
import { OffsetMap } from '../core/log/offset-map.ts'
import { segmentGroups } from '../core/log/segment-groups.ts'
import { CleanedSegment } from './cleaned-segment.ts'
import type { CleanerPace } from './cleaner-pace.ts'
import type { CleanerThrottle } from './cleaner-throttle.ts'
import type { CompactableLog } from './compactable-log.ts'
import type { LogContext } from './log-context.ts'
import { CleaningAborted } from './log-errors.ts'
import { SegmentBatches } from './segment-batches.ts'
import type { Segment } from './segment.ts'

export interface LogCleaningOptions {
  readonly context: LogContext
  readonly target: CompactableLog
  readonly range: CleaningRange
  readonly pace: CleanerPace
  readonly throttle: CleanerThrottle
  /** This compaction's part of log.cleaner.dedupe.buffer.size. */
  readonly dedupeBytes: number
  /** log.cleaner.io.buffer.load.factor */
  readonly loadFactor: number
  /** This compaction's part of log.cleaner.io.buffer.size. */
  readonly ioBytes: number
  readonly isStopped: () => boolean
}

/** From so many bytes on, gzip is done in slices: it takes 35 ms per MiB. */
const gzipLaterBytes = 64 * 1024

/** What a step of a map that grows costs, in bytes of batches. */
const growthBytes = 64 * 1024

/** What a compaction did. */
export interface CleaningReport {
  /** Each key stands once below it. */
  readonly endOffset: number
  readonly keys: number
  readonly mapUtilization: number
  /** Looked at for keys. */
  readonly indexedBytes: number
  readonly readBytes: number
  readonly writtenBytes: number
  readonly segmentsBefore: number
  readonly segmentsAfter: number
}

/**
 * One compaction of one log (reference 4.6): collects the last offset of each key in the dirty part, then writes all segments up to there anew,
 * group by group, without what newer records replace. Works in slices of the loop; after each the log may be another, so it looks again and,
 * where the ground is gone, throws CleaningAborted. Until a group is replaced nothing has changed; every replaced group is an end in itself.
 */
export class LogCleaning {
  readonly #options: LogCleaningOptions
  readonly #target: CompactableLog
  readonly #nowMs: number
  readonly #truncationCount: number
  readonly #batches: SegmentBatches
  #indexedBytes = 0
  #readBytes = 0
  #writtenBytes = 0

  constructor(options: LogCleaningOptions) {
    this.#options = options
    this.#target = options.target
    this.#truncationCount = options.target.truncationCount
    this.#nowMs = options.context.world.clock.wallMs()
    this.#batches = new SegmentBatches(
      options.context.world.clock,
      options.context.bufferPool,
      options.ioBytes,
      () => options.pace.isBusy,
    )
  }

  async run(): Promise<CleaningReport> {
    const { context, range, dedupeBytes, loadFactor } = this.#options
    const { firstDirtyOffset, firstUncleanableOffset } = range
    const offsets = new OffsetMap({
      bytesMax: dedupeBytes,
      loadFactor,
      keysMax: firstUncleanableOffset - firstDirtyOffset,
      secret: context.world.random.bytes(16),
      firstOffset: firstDirtyOffset,
    })
    try {
      await this.collectKeys(offsets)
      const endOffset = offsets.latestOffset + 1
      const segments = this.#target.segmentsIn(0, endOffset)
      const segmentsAfter = await this.writeAnew(segments, offsets)
      return {
        endOffset,
        keys: offsets.size,
        mapUtilization: offsets.utilization,
        indexedBytes: this.#indexedBytes,
        readBytes: this.#readBytes,
        writtenBytes: this.#writtenBytes,
        segmentsBefore: segments.length,
        segmentsAfter,
      }
    } finally {
      offsets.release()
      this.#batches.close()
    }
  }

  /** Fills the map from the dirty part, as far as there is room. */
  private async collectKeys(offsets: OffsetMap): Promise<void> {
    const { range, pace, throttle } = this.#options
    const { firstDirtyOffset, firstUncleanableOffset } = range
    const transactions = new CleanedTransactions()
    transactions.announce(this.#target.abortedTransactions(firstDirtyOffset, firstUncleanableOffset))
    const keys = new KeyCollection(offsets, transactions, firstDirtyOffset)
    for (const segment of this.#target.segmentsIn(firstDirtyOffset, firstUncleanableOffset)) {
      const endOffset = this.#target.endOf(segment)
      let position = segment.scanStart(firstDirtyOffset)
      while (position < segment.writtenSize) {
        const cursor = await this.read(segment, position)
        await throttle.take(cursor.end)
        this.check(segment)
        while (cursor.next()) {
          const recordCount = cursor.magic === 2 ? recordCountAt(cursor.buffer, cursor.position) : 1
          while (offsets.grow(recordCount)) if (pace.spend(growthBytes)) await this.rest(segment)
          if (!keys.add(cursor.buffer, cursor.position, cursor.magic)) return
          if (pace.spend(cursor.size)) await this.rest(segment)
        }
        position += cursor.position
        this.#indexedBytes += cursor.position
      }
      // The last offsets of a segment may be of records that an earlier compaction dropped.
      offsets.raiseLatestOffset(endOffset - 1)
    }
  }

  /** The number of segments that it became. */
  private async writeAnew(segments: readonly Segment[], offsets: OffsetMap): Promise<number> {
    const { range } = this.#options
    const { segmentBytes, segmentIndexBytes, deleteRetentionMs } = this.#target.log.settings
    const transactions = new CleanedTransactions()
    const cleaner = new BatchCleaner({ offsets, transactions, nowMs: this.#nowMs, deleteRetentionMs, gzipLaterBytes })
    const lastClean = this.#target.segmentsIn(0, range.firstDirtyOffset).at(-1)
    const legacyHorizonMs = lastClean === undefined ? 0 : this.#target.modifiedMs(lastClean) - deleteRetentionMs
    const sized = segments.map(segment => ({
      segment,
      baseOffset: segment.baseOffset,
      size: segment.size,
      ...this.#target.indexSizes(segment),
    }))
    const limits = { segmentBytes, indexBytes: segmentIndexBytes, endOffset: range.firstUncleanableOffset }
    const groups = segmentGroups(sized, limits)
    for (const group of groups) {
      const origins = group.map(({ segment }) => segment)
      await this.writeGroup(origins, { cleaner, transactions, legacyHorizonMs })
    }
    return groups.length
  }

  private async writeGroup(
    group: readonly Segment[],
    state: { cleaner: BatchCleaner; transactions: CleanedTransactions; legacyHorizonMs: number },
  ): Promise<void> {
    const target = this.#target
    const { pace } = this.#options
    // What retention took meanwhile stood in front.
    const origins = group.filter(segment => target.has(segment))
    if (origins.length === 0) return
    const output = new CleanedSegment(this.#options.context, {
      folder: target.folder,
      baseOffset: origins[0]!.baseOffset,
      isBusy: () => pace.isBusy,
      indexIntervalBytes: target.log.settings.indexIntervalBytes,
    })
    try {
      const lastRecords = target.lastRecordsOfProducers()
      for (const segment of origins) {
        this.check(segment)
        state.transactions.announce(target.abortedTransactions(segment.baseOffset, target.endOf(segment)))
        const keepsLegacyTombstones = target.modifiedMs(segment) > state.legacyHorizonMs
        state.cleaner.beginSegment({ lastRecords, keepsLegacyTombstones })
        await this.writeSegment(segment, output, state)
      }
      const modifiedMs = target.modifiedMs(origins.at(-1)!)
      await this.writeKept(output)
      await output.finish(modifiedMs)
      for (const segment of origins) this.check(segment)
      target.replace(origins, output, modifiedMs)
    } catch (error) {
      if (this.#options.isStopped()) output.close()
      else output.abandon()
      throw error
    }
    // Not waited for by anybody else: a power cut before it finds the origins, or all of the output.
    await this.#options.context.world.files.syncDirectoryAsync(target.folder.path)
  }

  private async writeSegment(
    segment: Segment,
    output: CleanedSegment,
    { cleaner, transactions }: { cleaner: BatchCleaner; transactions: CleanedTransactions },
  ): Promise<void> {
    const { pace, throttle } = this.#options
    const batches = this.#batches
    for (let position = 0; position < segment.writtenSize;) {
      if (batches.isToBeWritten) await this.writeKept(output, segment)
      const cursor = await this.read(segment, position, output)
      const { buffer } = batches
      const start = cursor.position
      await throttle.take(cursor.end - start)
      this.check(segment)
      // The checksums of the dirty part were right when its keys were collected, and these are the same pages of memory.
      cleaner.soundFrom = batches.isFromCache ? this.#options.range.firstDirtyOffset : Infinity
      while (cursor.next()) {
        const kept = cleaner.clean(buffer, cursor.position, cursor.magic, batches.keptSize)
        output.noteTransactions(transactions.takeRetained())
        if (kept === 'all') output.add(buffer, batches.keep(cursor.position, cursor.size))
        else if (kept === 'part' && cleaner.isInPlace) {
          output.add(cleaner.output, 0)
          batches.keptSize += cleaner.output.length
        } else if (kept === 'part') await this.keepRebuilt(cleaner, cursor, { segment, output })
        if (pace.spend(cursor.size)) await this.rest(segment)
      }
      position += cursor.position - start
      this.#readBytes += cursor.position - start
    }
  }

  /** What the cleaner made of the cursor's batch, in memory of its own. */
  private async keepRebuilt(
    cleaner: BatchCleaner,
    cursor: BatchCursor,
    { segment, output }: { segment: Segment; output: CleanedSegment },
  ): Promise<void> {
    const batches = this.#batches
    const rebuilt = cleaner.isToBeGzipped ? await this.gzipped(cleaner.output, segment) : cleaner.output
    output.add(rebuilt, 0)
    const end = cursor.position + cursor.size
    if (batches.add(rebuilt, end)) return
    // Longer than what it was made of: there is room once what stands in front of it is written, or it is written by itself.
    await this.writeKept(output, segment)
    if (batches.add(rebuilt, end)) return
    await output.write(rebuilt, rebuilt.length)
    await this.wrote(rebuilt.length, segment)
  }

  /** Writes what is kept. */
  private async writeKept(output: CleanedSegment, segment?: Segment): Promise<void> {
    const batches = this.#batches
    const { keptSize } = batches
    await output.write(batches.buffer, keptSize)
    batches.keptSize = 0
    await this.wrote(keptSize, segment)
  }

  /** The batch with its records compressed. */
  private async gzipped(batch: Buffer, segment: Segment): Promise<Buffer> {
    const { pace } = this.#options
    const pieces = new GzipPieces(batch.subarray(BATCH_HEADER_SIZE))
    while (!pieces.isDone) {
      if (pace.spend(pieces.next())) await this.rest(segment)
    }
    return withCompressedPayload(batch, 0, pieces.result(), 'gzip')
  }

  /** The next batches; where there is no room for them, what is kept is written first. */
  private async read(segment: Segment, position: number, output?: CleanedSegment): Promise<BatchCursor> {
    this.check(segment)
    let cursor = await this.#batches.read(segment, position)
    this.check(segment)
    if (cursor !== null) return cursor
    assert(output !== undefined, 'nothing is kept while keys are collected')
    await this.writeKept(output, segment)
    cursor = await this.#batches.read(segment, position)
    this.check(segment)
    assert(cursor !== null, 'there is room in an empty buffer')
    return cursor
  }

  private async wrote(bytes: number, segment?: Segment): Promise<void> {
    this.#writtenBytes += bytes
    await this.#options.throttle.take(bytes)
    if (segment !== undefined) this.check(segment)
  }

  /** Until the next slice of the loop begins. */
  private async rest(segment: Segment): Promise<void> {
    await this.#options.pace.next()
    this.check(segment)
  }

  /** Throws CleaningAborted where going on would be wrong. */
  private check(segment: Segment): void {
    const target = this.#target
    const reason = this.#options.isStopped()
      ? 'the broker stops'
      : !target.isCompactable
        ? 'the log is closed, paused, or not to be compacted any more'
        : target.truncationCount !== this.#truncationCount
          ? 'the log was cut'
          : target.has(segment)
            ? null
            : 'a segment was deleted'
    if (reason !== null) throw new CleaningAborted(reason)
  }
}

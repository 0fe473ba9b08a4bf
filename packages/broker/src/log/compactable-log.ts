import { FileSuffix } from '@millrace/protocol/storage/file-names'
import type { TransactionIndexEntry } from '@millrace/protocol/storage/transaction-index'
import { cleaningRange } from '../core/log/cleanable-range.ts'
import type { CleaningRange } from '../core/log/cleanable-range.ts'
import type { LastRecord, ProducerState } from '../core/log/producer-state.ts'
import type { TopicSettings } from '../settings/topic-settings.ts'
import { abortedTransactions } from './aborted-transactions.ts'
import type { CleanedSegment } from './cleaned-segment.ts'
import type { LogContext } from './log-context.ts'
import type { ProducerSnapshots } from './producer-snapshots.ts'
import type { ReadPositions } from './read-positions.ts'
import { Segment } from './segment.ts'
import type { Segments } from './segments.ts'

/** What compaction asks of the log. */
export interface CompactableState {
  readonly topic: string
  readonly partition: number
  /** The entry of log.dirs. */
  readonly directory: string
  readonly settings: TopicSettings
  readonly logStartOffset: number
  readonly logEndOffset: number
  readonly lastStableOffset: number
  /** False once it is closed, deleted or offline. */
  readonly isOpen: boolean
}

/** The parts of the log that a compaction changes. */
export interface CompactableParts {
  readonly folder: { readonly path: string }
  readonly segments: Segments
  readonly producers: ProducerState
  readonly snapshots: ProducerSnapshots
  readonly cleanedOffset: number | null
}

/** A partition log as compaction sees it. Everything here is done at once: what takes time works on the answers and asks again afterwards. */
export class CompactableLog {
  readonly log: CompactableState
  /** How far the log is compacted, as `cleaner-offset-checkpoint` tells the next start; null: not at all. */
  cleanedOffset: number | null
  /** Somebody needs the segments to stay as they are. */
  isPaused = false
  /** Another number after a truncation: what was learnt of the log's content before does not hold any more. */
  truncationCount = 0
  readonly #context: LogContext
  readonly #parts: CompactableParts
  readonly #positions: ReadPositions

  constructor(context: LogContext, log: CompactableState, parts: CompactableParts, positions: ReadPositions) {
    this.log = log
    this.cleanedOffset = parts.cleanedOffset
    this.#context = context
    this.#parts = parts
    this.#positions = positions
  }

  get folder(): { readonly path: string } {
    return this.#parts.folder
  }

  get isCompactable(): boolean {
    return this.log.isOpen && this.log.settings.cleanupPolicy.compact && !this.isPaused
  }

  /** What a compaction would work on now; null when there is nothing: the question then costs next to nothing. */
  range(nowMs: number): CleaningRange | null {
    const { segments } = this.#parts
    const { logStartOffset, logEndOffset, lastStableOffset, settings } = this.log
    if (segments.count === 1) return null
    const { cleanedOffset } = this
    const isKnown = cleanedOffset !== null && cleanedOffset >= logStartOffset && cleanedOffset <= logEndOffset
    if (isKnown && cleanedOffset >= segments.active.baseOffset) return null
    return cleaningRange({
      segments: segments.all,
      logStartOffset,
      logEndOffset,
      lastStableOffset,
      cleanedOffset,
      nowMs,
      settings,
    })
  }

  /** The closed segments that hold offsets of `startOffset..endOffset`, or would. */
  segmentsIn(startOffset: number, endOffset: number): Segment[] {
    const { all } = this.#parts.segments
    return all.filter((segment, index) => {
      const next = all[index + 1]
      return next !== undefined && next.baseOffset > startOffset && segment.baseOffset < endOffset
    })
  }

  /** True while the segment is part of the log. */
  has(segment: Segment): boolean {
    return this.#parts.segments.has(segment)
  }

  /** Where the segment after this one begins. */
  endOf(segment: Segment): number {
    const { segments } = this.#parts
    return segments.at(segments.floorIndex(segment.baseOffset) + 1)!.baseOffset
  }

  /** When the segment was last written to, as its file says. */
  modifiedMs(segment: Segment): number {
    return this.#context.world.files.stat(segment.path(FileSuffix.log))?.modifiedMs ?? 0
  }

  indexSizes(segment: Segment): { offsetIndexSize: number; timeIndexSize: number } {
    const sizeOf = (suffix: string): number => this.#context.world.files.stat(segment.path(suffix))?.size ?? 0
    return { offsetIndexSize: sizeOf(FileSuffix.offsetIndex), timeIndexSize: sizeOf(FileSuffix.timeIndex) }
  }

  /** Aborted transactions that touch `startOffset..endOffset`. */
  abortedTransactions(startOffset: number, endOffset: number): TransactionIndexEntry[] {
    return abortedTransactions(this.#parts.segments, startOffset, endOffset)
  }

  lastRecordsOfProducers(): ReadonlyMap<number, LastRecord> {
    return this.#parts.producers.lastRecords()
  }

  /**
   * Puts finished output in the place of its origins: neighbours that are all still there. Whenever the process ends in between, the next
   * start finds either all origins or all of the output (reference 4.7). Readers find the new segment from the next read on; what they hold
   * of the old ones stays valid. Throws what the file system throws: then the directory must go offline.
   */
  replace(origins: readonly Segment[], output: CleanedSegment, modifiedMs: number): void {
    const { folder, segments, snapshots } = this.#parts
    const [first, ...others] = origins
    output.promise()
    for (const origin of origins) origin.discard(this.log.settings.fileDeleteDelayMs)
    output.settle()
    const { jitterMs } = first!
    const { baseOffset, size } = output
    segments.replace(origins, new Segment(this.#context, { folder, baseOffset, size, createdMs: modifiedMs, jitterMs }))
    this.#positions.clear()
    snapshots.remove(offset => others.some(origin => origin.baseOffset === offset))
  }

  /** The log ends at `offset` now. True when that is below what the checkpoint file says, so that it has to be written again. */
  onTruncated(offset: number): boolean {
    this.truncationCount++
    if (this.cleanedOffset === null || this.cleanedOffset <= offset) return false
    this.cleanedOffset = offset
    return true
  }
}

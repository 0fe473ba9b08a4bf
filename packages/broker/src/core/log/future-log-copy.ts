import { assert } from '@millrace/runtime/invariant'
import type { EpochEndOffset } from './leader-epoch-cache.ts'

/** A log as far as its copying goes; PartitionLog fits. */
export interface CopiedLog {
  readonly logStartOffset: number
  /** Everything below is written. */
  readonly logEndOffset: number
  readonly nextOffset: number
  /** How often it was cut. */
  readonly cutCount: number
  readonly leaderEpochs: {
    readonly latest: number
    readonly latestStartOffset: number
    readonly isEmpty: boolean
    endOffsetFor(leaderEpoch: number, logEndOffset: number): EpochEndOffset
  }
}

export type CopyStep =
  /** The future log becomes empty and begins there: `truncateFullyAndStartAt`. */
  | { readonly kind: 'restart'; readonly startOffset: number }
  /** It leaves the current log's history there: `truncateTo`. */
  | { readonly kind: 'truncate'; readonly endOffset: number }
  /** Batches of the current log from there on go to the end of the future one: then `onCopied`, or `onNothingLeft`. */
  | { readonly kind: 'copy'; readonly fetchOffset: number; readonly endOffset: number }
  /** No batch follows in the current log, but its end is there: `skipTo`. */
  | { readonly kind: 'skip'; readonly endOffset: number }
  /** The future log goes to the disk: then `onFlushed`. */
  | { readonly kind: 'flush' }
  /** Both are the same, and what was flushed is nearly all: the future log takes the current one's place, in this turn. */
  | { readonly kind: 'swap' }

/** Dirty bytes that the kernel may hold of a copy: more and a write may wait for the disk. */
const flushBytes = 32 * 1024 * 1024
/** Of a log that takes its place so much may be dirty: as much as any log has after a busy second. */
const dirtyAtSwapBytes = 4 * 1024 * 1024
/** A log that is appended to all the time is caught up with in larger steps, up to so many slices in one turn. */
const slicesMax = 16
/** The rest of a log that is copied in one turn. */
const slicesAtEnd = 4
/** Longer than a burst: who has fallen back over so many turns falls back for good. */
const turnsPerLook = 64

/**
 * How the log of a replica is copied to another directory (KIP-113). The future log follows the current one as a follower does its
 * leader, also through truncations: where the two part is found by leader epochs, of which each wrote one record per offset. Ask
 * `next` at the start of each turn: between turns the current log may have been cut, and written anew.
 */
export class FutureLogCopy {
  private readonly current: CopiedLog
  private readonly future: CopiedLog
  private dirtyBytes: number
  /** Of the current log, when it was looked at last. */
  private cutCount: number
  /** The future log holds copies of this machine only, and the current one was not cut since. */
  private isVerified: boolean
  /** A batch of the current log lies across the end of the future one. */
  private hasOverlap = false
  /** The current log had no batch from there on; -1: it was not asked. */
  private emptyFrom = -1
  private slices = 1
  private turns = 0
  /** Records that were to be copied at the last look. */
  private lagThen = Infinity

  /** `isNew`: the future log was just made. Otherwise it is what a former life of the broker left. */
  constructor(logs: { readonly current: CopiedLog; readonly future: CopiedLog; readonly isNew: boolean }) {
    this.current = logs.current
    this.future = logs.future
    this.cutCount = logs.current.cutCount
    this.isVerified = logs.isNew
    this.dirtyBytes = logs.isNew ? 0 : flushBytes
  }

  next(): CopyStep {
    const { current, future } = this
    assert(future.nextOffset === future.logEndOffset, 'what was copied is written')
    const cut = this.findCut()
    if (cut !== null) return cut
    const { logEndOffset } = current
    const fetchOffset = future.nextOffset
    assert(fetchOffset <= logEndOffset, 'the future log is not ahead')
    if (this.dirtyBytes >= flushBytes) return { kind: 'flush' }
    if (fetchOffset < logEndOffset) {
      if (this.emptyFrom === fetchOffset) return { kind: 'skip', endOffset: logEndOffset }
      return { kind: 'copy', fetchOffset, endOffset: logEndOffset }
    }
    return { kind: this.dirtyBytes > dirtyAtSwapBytes ? 'flush' : 'swap' }
  }

  /**
   * How many slices of a `copy` to do in this turn. One, so that others wait for that only; all of the rest when it is small, or the end
   * would run away for ever; and more and more while the current log grows faster than it is copied. Once per turn.
   */
  slicesInTurn(sizes: { readonly remainingBytes: number; readonly sliceBytes: number }): number {
    if (++this.turns % turnsPerLook === 0) {
      const lag = this.current.logEndOffset - this.future.nextOffset
      if (lag >= this.lagThen) this.slices = Math.min(slicesMax, this.slices * 2)
      this.lagThen = lag
    }
    return sizes.remainingBytes <= slicesAtEnd * sizes.sliceBytes ? slicesMax : this.slices
  }

  onCopied(bytes: number): void {
    this.dirtyBytes += bytes
    this.emptyFrom = -1
  }

  /** The last `copy` found no batch: compaction left none. */
  onNothingLeft(): void {
    this.emptyFrom = this.future.nextOffset
  }

  /** The first batch of the last `copy` begins below the end of what was copied before. */
  onOverlap(): void {
    this.hasOverlap = true
  }

  /** Everything copied so far is on the disk. */
  onFlushed(): void {
    this.dirtyBytes = 0
  }

  /** Where the future log has to be cut before anything else; null when it is a beginning of the current one. */
  private findCut(): CopyStep | null {
    const { current, future } = this
    if (current.cutCount !== this.cutCount) {
      this.cutCount = current.cutCount
      this.isVerified = false
      this.emptyFrom = -1
    }
    const covers =
      future.logStartOffset <= current.logStartOffset && current.logStartOffset <= future.nextOffset && !this.hasOverlap
    if (!covers) return this.restart()
    if (future.nextOffset === future.logStartOffset) return null
    const endOffset = future.leaderEpochs.isEmpty ? this.endWithoutEpochs() : this.commonEnd()
    if (endOffset >= future.nextOffset) return null
    return endOffset > current.logStartOffset ? { kind: 'truncate', endOffset } : this.restart()
  }

  private restart(): CopyStep {
    this.hasOverlap = false
    this.isVerified = true
    this.emptyFrom = -1
    return { kind: 'restart', startOffset: this.current.logStartOffset }
  }

  /** Logs of old brokers: nothing says where they part. */
  private endWithoutEpochs(): number {
    return this.isVerified ? this.future.nextOffset : -1
  }

  /** As a follower finds it (KIP-320), one epoch per step. */
  private commonEnd(): number {
    const { current, future } = this
    const { latest, latestStartOffset } = future.leaderEpochs
    const theirs = current.leaderEpochs.endOffsetFor(latest, current.logEndOffset)
    // The current log knows no such epoch any more.
    if (theirs.endOffset < 0) return current.leaderEpochs.isEmpty ? -1 : latestStartOffset
    if (theirs.leaderEpoch === latest) return Math.min(theirs.endOffset, future.nextOffset)
    const ours = future.leaderEpochs.endOffsetFor(theirs.leaderEpoch, future.nextOffset)
    return Math.min(theirs.endOffset, ours.endOffset)
  }
}

import { BatchCursor } from '@millrace/protocol/records/batch-cursor'
import { batchSizeAt, LOG_OVERHEAD } from '@millrace/protocol/records/record-batch'
import type { BufferPool } from '@millrace/runtime/buffer-pool'
import type { Clock } from '@millrace/runtime/ports'
import { CleaningAborted, CorruptSegment } from './log-errors.ts'
import type { Segment } from './segment.ts'

/** What is read of a segment. */
export type ReadableSegment = Pick<Segment, 'log' | 'writtenSize' | 'isGone'>

/** A read that is over sooner came from the page cache, or from a disk that is as good. */
const quickReadMs = 0.5
/** A buffer is so many pieces where others are at work. */
const busyPieces = 4
/** So many quick reads in turn, and the next ones are trusted to be; twice as many each time that one was not. */
const trustedAfter = 8
const trustedAfterMax = 1024

/**
 * Reads whole batches of closed segments, one piece after the other, without holding up the loop, into the one buffer that a compaction has. What is
 * to stay of a piece is moved to the front of the buffer, behind what stayed of those before, and the next piece is read behind that: each byte that
 * stays is copied once, within memory that the cache holds, and is written from there. A batch that is too large for the buffer gets a larger one.
 *
 * What is compacted was mostly written a short time ago, and all of it is read twice. To have the thread pool read what the page cache has costs as much
 * as the copy itself (two switches of threads, 30 µs, for 512 KiB that are copied in 60): after some reads that took no time the next ones are made on
 * the loop, until one of them takes its time.
 *
 *     | kept: 0..keptSize | worked through | cursor.position: the piece that was read .. cursor.end | not used |
 */
export class SegmentBatches {
  /** Bytes at the front that stay: `keep` and `add` put them there, whoever wrote them sets it to 0. */
  keptSize = 0
  readonly #clock: Clock
  readonly #pool: BufferPool
  readonly #bufferBytes: number
  #buffer: Buffer
  /** What was read last came out of the page cache, so far as time can tell: no disk had its hands on it since it was read before. */
  isFromCache = false
  readonly #isBusy: () => boolean
  #quickReads = 0
  #trustedAfter = trustedAfter
  /** What is used of the buffer: `bufferBytes`, or the size of the large batch that was read last. */
  #capacity: number

  /** `isBusy`: others want the event loop, so the pieces are smaller: reading, and what the thread pool does with the same core, takes from their time. */
  constructor(clock: Clock, pool: BufferPool, bufferBytes: number, isBusy: () => boolean = () => false) {
    this.#clock = clock
    this.#isBusy = isBusy
    this.#pool = pool
    this.#bufferBytes = bufferBytes
    this.#capacity = bufferBytes
    this.#buffer = pool.take(bufferBytes)
  }

  /** Changes with `read` only. */
  get buffer(): Buffer {
    return this.#buffer
  }

  /** So much is kept that the next piece would be a small one. */
  get isToBeWritten(): boolean {
    return this.keptSize * 2 >= this.#pieceBytes || (this.keptSize > 0 && this.#capacity > this.#bufferBytes)
  }

  /**
   * The batches at `position` and behind it: as many as fit the buffer, at least one unless the segment ends there. Valid until the next call.
   * Null: what is kept has to be written first. Throws CorruptSegment for bytes that are no batch. The file is opened before the first `await`.
   */
  async read(segment: ReadableSegment, position: number): Promise<BatchCursor | null> {
    const left = segment.writtenSize - position
    if (this.#capacity > this.#bufferBytes && this.keptSize === 0) this.#resize(this.#bufferBytes)
    const room = Math.min(left, this.#capacity - this.keptSize)
    const wanted = Math.min(room, this.#pieceBytes)
    let cursor = await this.#fill(segment, position, wanted)
    if (wanted < room && !isWhole(cursor)) {
      if (segment.isGone) throw new CleaningAborted(`${segment.log.path} is gone`)
      cursor = await this.#fill(segment, position, room)
    }
    if (left === 0 || isWhole(cursor)) return cursor
    if (this.keptSize > 0) return null
    const size = cursor.end < LOG_OVERHEAD ? 0 : batchSizeAt(cursor.buffer, 0)
    if (size <= cursor.end || size > left) throw new CorruptSegment(segment.log.path, position)
    if (segment.isGone) throw new CleaningAborted(`${segment.log.path} is gone`)
    this.#resize(size)
    const large = await this.#fill(segment, position, size)
    if (!isWhole(large)) throw new CorruptSegment(segment.log.path, position)
    return large
  }

  /** The batch at `position` stays as it is; where it is now. */
  keep(position: number, size: number): number {
    const at = this.keptSize
    if (at !== position) this.#buffer.copyWithin(at, position, position + size)
    this.keptSize += size
    return at
  }

  /** `bytes` stay, in place of what was read up to `end`; false when there is no room for them. */
  add(bytes: Buffer, end: number): boolean {
    if (bytes.length > end - this.keptSize) return false
    bytes.copy(this.#buffer, this.keptSize)
    this.keptSize += bytes.length
    return true
  }

  /** Gives the buffer back. */
  close(): void {
    this.#pool.give(this.#buffer)
  }

  get #pieceBytes(): number {
    return this.#isBusy() ? this.#bufferBytes / busyPieces : this.#bufferBytes
  }

  async #fill(segment: ReadableSegment, position: number, length: number): Promise<BatchCursor> {
    const start = this.keptSize
    const startedMs = this.#clock.monotonicMs()
    const isTrusted = this.#quickReads >= this.#trustedAfter
    const read = isTrusted
      ? segment.log.use().read(this.#buffer, start, length, position)
      : await segment.log.pinned(file => file.readAsync(this.#buffer, start, length, position))
    const isQuick = this.#clock.monotonicMs() - startedMs < quickReadMs
    this.isFromCache = isTrusted && isQuick
    if (isQuick) this.#quickReads++
    else {
      this.#quickReads = 0
      if (isTrusted) this.#trustedAfter = Math.min(trustedAfterMax, this.#trustedAfter * 2)
    }
    return new BatchCursor(this.#buffer, start, start + read)
  }

  #resize(size: number): void {
    this.#pool.give(this.#buffer)
    this.#buffer = this.#pool.take(size)
    this.#capacity = size
  }
}

/** There is a batch at the start of the bytes. */
function isWhole({ buffer, position, end }: BatchCursor): boolean {
  return new BatchCursor(buffer, position, end).next()
}

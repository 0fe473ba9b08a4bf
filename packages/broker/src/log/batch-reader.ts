import {
  LOG_OVERHEAD,
  MIN_BATCH_LENGTH,
  baseOffsetAt,
  batchSizeAt,
  lastOffsetAt,
  magicAt,
  HEADER_SIZE_UP_TO_MAGIC,
  BATCH_HEADER_SIZE,
} from '@millrace/protocol/records/record-batch'
import type { BufferPool } from '@millrace/runtime/buffer-pool'
import { assert } from '@millrace/runtime/invariant'
import type { LogTail } from './log-tail.ts'
import { ReadPositions } from './read-positions.ts'
import type { Segment } from './segment.ts'
import type { Segments } from './segments.ts'
import type { TailChunk } from './tail-chunk.ts'

export interface ReadOptions {
  readonly fetchOffset: number
  readonly maxBytes: number
  /** Exclusive limit: high watermark, last stable offset or log end offset. */
  readonly endOffset: number
  /** Answer the first batch even when it is larger than `maxBytes` (KIP-74). */
  readonly minOneBatch: boolean
}

/** Larger answers are cut: a read is one call, and 1 MiB is where pooled reads are as fast as they get (performance.md, section 2). */
const readBytesMax = 1024 * 1024
const leastBatchSize = LOG_OVERHEAD + MIN_BATCH_LENGTH

/** Who has the memory that the bytes lie in. */
interface Holder {
  release(): void
}

/** Whole batches. `release` exactly once, when the bytes are sent: their memory may be used again. */
export class FetchedBatches {
  readonly bytes: Buffer
  /** Base offset of the first batch: may lie before the fetch offset; clients skip. */
  readonly firstOffset: number
  /** Where the next fetch would begin. */
  readonly nextOffset: number
  /** Of the segment that was read: a fetch below another segment than the end's is answered at once. */
  readonly segmentBaseOffset: number
  #holder: Holder | null

  constructor(
    fields: { bytes: Buffer; firstOffset: number; nextOffset: number; segmentBaseOffset: number },
    holder: Holder,
  ) {
    this.bytes = fields.bytes
    this.firstOffset = fields.firstOffset
    this.nextOffset = fields.nextOffset
    this.segmentBaseOffset = fields.segmentBaseOffset
    this.#holder = holder
  }

  release(): void {
    assert(this.#holder !== null, 'fetched batches are released once')
    this.#holder.release()
    this.#holder = null
  }
}

/** Reads batches of one log: slices of its tail, or one file read per answer where possible; nothing is decoded. */
export class BatchReader {
  readonly positions = new ReadPositions()
  readonly #pool: BufferPool
  readonly #segments: Segments
  readonly #tail: LogTail

  constructor(pool: BufferPool, segments: Segments, tail: LogTail) {
    this.#pool = pool
    this.#segments = segments
    this.#tail = tail
  }

  /**
   * Whole batches from the one that holds `fetchOffset` (or, where compaction left a gap, the next), up to `endOffset`. Null when there is
   * none, or when the first is larger than `maxBytes` and need not be answered. Does not cross segments.
   */
  read(options: ReadOptions): FetchedBatches | null {
    const { fetchOffset, endOffset } = options
    if (fetchOffset >= endOffset) return null
    let index = Math.max(0, this.#segments.floorIndex(fetchOffset))
    for (let segment = this.#segments.at(index); segment !== undefined; segment = this.#segments.at(++index)) {
      if (segment.baseOffset >= endOffset) return null
      const known = this.positions.find(fetchOffset, segment)
      const position = known >= 0 ? known : segment.positionOf(fetchOffset)
      if (position !== null && position < segment.writtenSize) {
        const chunk = this.#tail.find(segment, position)
        if (chunk !== null) return this.slice(chunk, position, options)
        return this.readAt(segment, position, options)
      }
    }
    return null
  }

  /** Reads once what `read` will, where the file's pages may not be in memory. Throws what the file system throws. */
  async prefetch(fetchOffset: number, maxBytes: number): Promise<void> {
    const segment = this.#segments.at(Math.max(0, this.#segments.floorIndex(fetchOffset)))
    if (segment === undefined) return
    const known = this.positions.find(fetchOffset, segment)
    const position = known >= 0 ? known : segment.positionOf(fetchOffset)
    if (position === null || this.#tail.find(segment, position) !== null) return
    const wanted = Math.min(segment.writtenSize - position, maxBytes, readBytesMax)
    if (wanted <= 0) return
    const buffer = this.#pool.take(wanted)
    try {
      await segment.log.pinned(file => file.readAsync(buffer, 0, wanted, position))
    } finally {
      this.#pool.give(buffer)
    }
  }

  /** No batch crosses the end of a chunk; an answer does, where it would be short without (see `gather`). */
  private slice(chunk: TailChunk<Segment>, position: number, options: ReadOptions): FetchedBatches | null {
    const { buffer, segment } = chunk
    const start = chunk.start + position - chunk.position
    const firstSize = batchSizeAt(buffer, start)
    if (firstSize > options.maxBytes && !options.minOneBatch) return null
    const available = chunk.position + chunk.writtenSize - position
    const length = Math.max(firstSize, Math.min(available, options.maxBytes))
    const end = wholeBatches(buffer, start, length, options.endOffset)
    if (end.length === 0) return null
    if (end.length === available && this.isShort(segment, position, end.length, options)) {
      return this.gather(chunk, position, options)
    }
    this.positions.remember(end.nextOffset, segment, position + end.length)
    chunk.hold()
    return new FetchedBatches(
      {
        bytes: buffer.subarray(start, start + end.length),
        firstOffset: baseOffsetAt(buffer, start),
        nextOffset: end.nextOffset,
        segmentBaseOffset: segment.baseOffset,
      },
      chunk,
    )
  }

  /**
   * Could the answer be at least twice as large? Then a copy is worth it: the chunks of a log that is written to little are small, and who asks for
   * what there is expects all of it, as from Kafka. Else the end of the chunk is as good a place to stop as any, and the next answer begins where a chunk does.
   */
  private isShort(segment: Segment, position: number, size: number, options: ReadOptions): boolean {
    // Who keeps up has read all there is: nothing to look for.
    if (position + size === segment.writtenSize) return false
    const limit = Math.min(options.maxBytes, readBytesMax)
    if (size > limit / 2) return false
    const next = this.#tail.find(segment, position + size)
    if (next === null) return false
    const nextSize = batchSizeAt(next.buffer, next.start)
    return (
      nextSize <= limit - size && wholeBatches(next.buffer, next.start, nextSize, options.endOffset).length === nextSize
    )
  }

  /** A copy of what this chunk and those behind it hold. */
  private gather(chunk: TailChunk<Segment>, position: number, options: ReadOptions): FetchedBatches {
    const { segment } = chunk
    const limit = Math.min(segment.writtenSize - position, options.maxBytes, readBytesMax)
    const pooled = this.#pool.take(limit)
    let length = 0
    for (let next: TailChunk<Segment> | null = chunk; next !== null && length < limit;) {
      const from = next.start + position + length - next.position
      const to = next.start + next.writtenSize
      length += next.buffer.copy(pooled, length, from, Math.min(to, from + limit - length))
      next = this.#tail.find(segment, position + length)
    }
    return this.pooledBatches(pooled, length, segment, position, options.endOffset)!
  }

  private readAt(segment: Segment, position: number, options: ReadOptions): FetchedBatches | null {
    const available = segment.writtenSize - position
    const wanted = Math.min(available, Math.max(options.maxBytes, BATCH_HEADER_SIZE), readBytesMax)
    let pooled = this.#pool.take(wanted)
    let length = segment.log.use().read(pooled, 0, wanted, position)
    const firstSize = length < HEADER_SIZE_UP_TO_MAGIC ? 0 : batchSizeAt(pooled, 0)
    if (firstSize > length || firstSize > options.maxBytes) {
      const isWanted = firstSize <= available && (options.minOneBatch || firstSize <= options.maxBytes)
      if (!isWanted) {
        this.#pool.give(pooled)
        return null
      }
      if (firstSize > length) {
        this.#pool.give(pooled)
        pooled = this.#pool.take(firstSize)
        length = segment.log.use().read(pooled, 0, firstSize, position)
      } else {
        length = firstSize
      }
    }
    return this.pooledBatches(pooled, length, segment, position, options.endOffset)
  }

  private pooledBatches(
    pooled: Buffer,
    length: number,
    segment: Segment,
    position: number,
    endOffset: number,
  ): FetchedBatches | null {
    const end = wholeBatches(pooled, 0, length, endOffset)
    if (end.length === 0) {
      this.#pool.give(pooled)
      return null
    }
    this.positions.remember(end.nextOffset, segment, position + end.length)
    return new FetchedBatches(
      {
        bytes: pooled.subarray(0, end.length),
        firstOffset: baseOffsetAt(pooled, 0),
        nextOffset: end.nextOffset,
        segmentBaseOffset: segment.baseOffset,
      },
      { release: () => this.#pool.give(pooled) },
    )
  }
}

/** How many of the `length` bytes from `start` are whole batches that end below `endOffset`. */
function wholeBatches(
  bytes: Buffer,
  start: number,
  length: number,
  endOffset: number,
): { length: number; nextOffset: number } {
  const end = start + length
  let position = start
  let nextOffset = 0
  while (end - position >= leastBatchSize) {
    const size = batchSizeAt(bytes, position)
    if (size < leastBatchSize || position + size > end) break
    const lastOffset = magicAt(bytes, position) === 2 ? lastOffsetAt(bytes, position) : baseOffsetAt(bytes, position)
    if (lastOffset >= endOffset) break
    nextOffset = lastOffset + 1
    position += size
  }
  return { length: position - start, nextOffset }
}

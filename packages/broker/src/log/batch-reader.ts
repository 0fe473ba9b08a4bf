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
import { ReadPositions } from './read-positions.ts'
import type { Segment } from './segment.ts'
import type { Segments } from './segments.ts'

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

/** Whole batches. `release` exactly once, when the bytes are sent: they go back to the pool. */
export class FetchedBatches {
  readonly bytes: Buffer
  /** Base offset of the first batch: may lie before the fetch offset; clients skip. */
  readonly firstOffset: number
  /** Where the next fetch would begin. */
  readonly nextOffset: number
  /** Of the segment that was read: a fetch below another segment than the end's is answered at once. */
  readonly segmentBaseOffset: number
  readonly #pool: BufferPool
  #pooled: Buffer | null

  constructor(
    fields: { bytes: Buffer; firstOffset: number; nextOffset: number; segmentBaseOffset: number },
    pool: BufferPool,
    pooled: Buffer,
  ) {
    this.bytes = fields.bytes
    this.firstOffset = fields.firstOffset
    this.nextOffset = fields.nextOffset
    this.segmentBaseOffset = fields.segmentBaseOffset
    this.#pool = pool
    this.#pooled = pooled
  }

  release(): void {
    assert(this.#pooled !== null, 'fetched batches are released once')
    this.#pool.give(this.#pooled)
    this.#pooled = null
  }
}

/** Reads batches from the segments of one log: one file read per answer where possible, nothing is decoded. */
export class BatchReader {
  readonly positions = new ReadPositions()
  readonly #pool: BufferPool
  readonly #segments: Segments

  constructor(pool: BufferPool, segments: Segments) {
    this.#pool = pool
    this.#segments = segments
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
      if (position !== null && position < segment.writtenSize) return this.readAt(segment, position, options)
    }
    return null
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
    const end = wholeBatches(pooled, length, options.endOffset)
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
      this.#pool,
      pooled,
    )
  }
}

/** How many bytes at the front are whole batches that end below `endOffset`. */
function wholeBatches(bytes: Buffer, length: number, endOffset: number): { length: number; nextOffset: number } {
  let position = 0
  let nextOffset = 0
  while (length - position >= leastBatchSize) {
    const size = batchSizeAt(bytes, position)
    if (size < leastBatchSize || position + size > length) break
    const lastOffset = magicAt(bytes, position) === 2 ? lastOffsetAt(bytes, position) : baseOffsetAt(bytes, position)
    if (lastOffset >= endOffset) break
    nextOffset = lastOffset + 1
    position += size
  }
  return { length: position, nextOffset }
}

import { BatchCursor } from '@millrace/protocol/records/batch-cursor'
import { batchSizeAt, LOG_OVERHEAD } from '@millrace/protocol/records/record-batch'
import type { BufferPool } from '@millrace/runtime/buffer-pool'
import { CleaningAborted, CorruptSegment } from './log-errors.ts'
import type { Segment } from './segment.ts'

/**
 * Reads whole batches of closed segments, one buffer after the other, without holding up the loop. A batch that is larger than the buffer gets
 * one of its own size.
 */
export class SegmentBatches {
  readonly #pool: BufferPool
  readonly #bufferBytes: number
  #buffer: Buffer

  constructor(pool: BufferPool, bufferBytes: number) {
    this.#pool = pool
    this.#bufferBytes = bufferBytes
    this.#buffer = pool.take(bufferBytes)
  }

  /**
   * The batches at `position` and behind it: as many as fit the buffer, at least one unless the segment ends there. Valid until the next call.
   * Throws CorruptSegment for bytes that are no batch. The file is opened before the first `await`.
   */
  async read(segment: Segment, position: number): Promise<BatchCursor> {
    const left = segment.writtenSize - position
    if (this.#buffer.length > this.#bufferBytes) this.#resize(this.#bufferBytes)
    let cursor = await this.#fill(segment, position, Math.min(left, this.#bufferBytes))
    if (left === 0 || isWhole(cursor)) return cursor
    const size = cursor.end < LOG_OVERHEAD ? 0 : batchSizeAt(cursor.buffer, 0)
    if (size <= cursor.end || size > left) throw new CorruptSegment(segment.log.path, position)
    if (segment.isGone) throw new CleaningAborted(`${segment.log.path} is gone`)
    this.#resize(size)
    cursor = await this.#fill(segment, position, size)
    if (!isWhole(cursor)) throw new CorruptSegment(segment.log.path, position)
    return cursor
  }

  /** Gives the buffer back. */
  close(): void {
    this.#pool.give(this.#buffer)
  }

  async #fill(segment: Segment, position: number, length: number): Promise<BatchCursor> {
    const read = await segment.log.pinned(file => file.readAsync(this.#buffer, 0, length, position))
    return new BatchCursor(this.#buffer, 0, read)
  }

  #resize(size: number): void {
    this.#pool.give(this.#buffer)
    this.#buffer = this.#pool.take(size)
  }
}

/** There is a batch at the start of the bytes. */
function isWhole({ buffer, end }: BatchCursor): boolean {
  return new BatchCursor(buffer, 0, end).next()
}

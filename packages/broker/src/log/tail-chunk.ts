import { assert } from '@millrace/runtime/invariant'
import type { BufferPool } from '@millrace/runtime/buffer-pool'

const nothing = Buffer.alloc(0)

/**
 * A run of whole batches at the end of a segment, in memory:
 *
 * ```
 *  file     …┃ position ──────────────── written ──── size
 *  buffer  start ▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒┃░░░░░░░░░░░░░┃ room
 *                may be read              end of turn
 * ```
 *
 * Bytes before `size` never change. The buffer goes back to its pool when the cache and every reader let go of it.
 */
export class TailChunk<S extends object = object> {
  /** Which segment the bytes belong to: compared, never used, so that a segment may know of its tail and not the other way round. */
  readonly segment: S
  /** In the file, of the first byte. */
  readonly position: number
  buffer: Buffer
  /** In the buffer, of the first byte. */
  readonly start: number
  size: number
  writtenSize: number
  readonly #pool: BufferPool
  /** The cache, until it forgets the chunk, and readers. */
  #holders = 1
  #isForgotten = false

  constructor(
    pool: BufferPool,
    fields: { segment: S; position: number; buffer: Buffer; start: number; writtenSize: number },
  ) {
    this.#pool = pool
    this.segment = fields.segment
    this.position = fields.position
    this.buffer = fields.buffer
    this.start = fields.start
    this.size = fields.writtenSize
    this.writtenSize = fields.writtenSize
  }

  get isForgotten(): boolean {
    return this.#isForgotten
  }

  get unwrittenSize(): number {
    return this.size - this.writtenSize
  }

  /** Bytes that still fit behind the others. */
  get room(): number {
    return this.buffer.length - this.start - this.size
  }

  append(bytes: Uint8Array): void {
    this.buffer.set(bytes, this.start + this.size)
    this.size += bytes.length
  }

  /** Is the byte at this position of the file here, and written? */
  holds(segment: object, position: number): boolean {
    const offset = position - this.position
    return this.segment === segment && offset >= 0 && offset < this.writtenSize && !this.#isForgotten
  }

  /** For a reader: the bytes stay until `release`. */
  hold(): void {
    assert(!this.#isForgotten, 'what the cache forgot may be in other hands')
    this.#holders++
  }

  release(): void {
    assert(this.#holders > 0, 'a chunk is released as often as it was held')
    this.#holders--
    if (this.#holders > 0) return
    const { buffer } = this
    // A log remembers its last chunk, and may be written to never again: not with the memory, of which the pool keeps some only.
    this.buffer = nothing
    this.#pool.give(buffer)
  }

  /** For the cache: nobody finds it any more. */
  forget(): void {
    assert(!this.#isForgotten, 'a chunk is forgotten once')
    this.#isForgotten = true
    this.release()
  }
}

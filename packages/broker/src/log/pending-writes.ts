import type { BufferPool } from '@millrace/runtime/buffer-pool'
import type { Segment } from './segment.ts'
import { writeFully } from './write-fully.ts'

/** From here on a copy costs more than a write of its own (performance.md, rule 10). */
const directBytes = 256 * 1024
/** What is gathered is written when it grows beyond this, also in the middle of a turn. */
const gatheredBytesMax = 512 * 1024
const firstBufferBytes = 16 * 1024

/** The bytes that a turn adds to the active segment: small batches are gathered and leave in one write, large ones go straight from the request's buffer. */
export class PendingWrites {
  readonly #pool: BufferPool
  #buffer: Buffer | null = null
  #length = 0
  #writtenInTurn = 0

  constructor(pool: BufferPool) {
    this.#pool = pool
  }

  /** Adds bytes behind all that was added before. May write; throws when that fails. */
  add(segment: Segment, bytes: Buffer): void {
    if (bytes.length >= directBytes) {
      this.write(segment)
      this.writeNow(segment, bytes, bytes.length)
      return
    }
    if (this.#length + bytes.length > gatheredBytesMax) this.write(segment)
    const buffer = this.room(bytes.length)
    buffer.set(bytes, this.#length)
    this.#length += bytes.length
  }

  /** Writes what is gathered. Throws when not all of it was taken. */
  write(segment: Segment): void {
    if (this.#buffer === null) return
    const buffer = this.#buffer
    const length = this.#length
    this.#buffer = null
    this.#length = 0
    try {
      this.writeNow(segment, buffer, length)
    } finally {
      this.#pool.give(buffer)
    }
  }

  /** Bytes written since the last call. */
  takeWritten(): number {
    const written = this.#writtenInTurn
    this.#writtenInTurn = 0
    return written
  }

  /** Forgets what is gathered: it will never be acknowledged. */
  drop(): void {
    if (this.#buffer !== null) this.#pool.give(this.#buffer)
    this.#buffer = null
    this.#length = 0
  }

  private writeNow(segment: Segment, buffer: Buffer, length: number): void {
    if (length === 0) return
    writeFully(segment.log.use(), buffer, 0, length, segment.writtenSize)
    segment.writtenSize += length
    segment.isDirty = true
    this.#writtenInTurn += length
  }

  private room(more: number): Buffer {
    const needed = this.#length + more
    if (this.#buffer !== null && needed <= this.#buffer.length) return this.#buffer
    const larger = this.#pool.take(Math.max(firstBufferBytes, needed))
    if (this.#buffer !== null) {
      larger.set(this.#buffer.subarray(0, this.#length))
      this.#pool.give(this.#buffer)
    }
    this.#buffer = larger
    return larger
  }
}

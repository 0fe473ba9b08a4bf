import type { BufferPool } from '@millrace/runtime/buffer-pool'
import type { Segment } from './segment.ts'
import type { TailCache } from './tail-cache.ts'
import { TailChunk } from './tail-chunk.ts'
import { writeFully } from './write-fully.ts'

/** From here on a copy costs more than a write of its own (performance.md, rule 10). */
const directBytes = 256 * 1024
/**
 * A log that is written to little should hold little: its first chunk has room for some batches, and each that fills up is followed by a larger one.
 * With a page each ten thousand logs that were written to once held 40 MB.
 */
const firstChunkBytes = 1024
const firstChunkBytesMax = 16 * 1024
const firstChunkBatches = 8
const chunkGrowth = 4
const chunkBytesMax = 1024 * 1024

/**
 * The end of a log in memory. Small batches of a turn are gathered and leave in one write; large ones go straight from the
 * request's buffer. Both stay for readers, until the cache of the broker needs the room.
 */
export class LogTail {
  readonly #pool: BufferPool
  readonly #cache: TailCache
  /** In the order of their positions; some may be forgotten. */
  #chunks: TailChunk<Segment>[] = []
  /** The one that takes more: the last, or none. */
  #open: TailChunk<Segment> | null = null
  #nextChunkBytes = firstChunkBytes
  #writtenInTurn = 0

  constructor(pool: BufferPool, cache: TailCache) {
    this.#pool = pool
    this.#cache = cache
  }

  /** Adds bytes behind all that was added before. May write; throws when that fails. */
  add(segment: Segment, bytes: Buffer): void {
    if (bytes.length >= directBytes) {
      this.write(segment)
      this.#open = null
      const position = segment.writtenSize
      this.#writeNow(segment, bytes, 0, bytes.length)
      this.#keep(segment, bytes, position)
      return
    }
    const open = this.#open
    if (open !== null && !open.isForgotten && open.segment === segment && open.room >= bytes.length) open.append(bytes)
    else this.#begin(segment, bytes)
  }

  /** Writes what is gathered. Throws when not all of it was taken. */
  write(segment: Segment): void {
    const open = this.#open
    if (open === null || open.unwrittenSize === 0) return
    const { buffer, start, writtenSize, unwrittenSize } = open
    this.#writeNow(segment, buffer, start + writtenSize, unwrittenSize)
    open.writtenSize += unwrittenSize
    this.#cache.trim()
  }

  /** The chunk that holds the written byte at this position. */
  find(segment: Segment, position: number): TailChunk<Segment> | null {
    const chunks = this.#chunks
    for (let i = chunks.length - 1; i >= 0; i--) {
      const chunk = chunks[i]!
      if (chunk.holds(segment, position)) return chunk
    }
    return null
  }

  /** Bytes written since the last call. */
  takeWritten(): number {
    const written = this.#writtenInTurn
    this.#writtenInTurn = 0
    return written
  }

  /** Forgets everything; what was gathered will never be acknowledged. */
  drop(): void {
    for (const chunk of this.#chunks) this.#cache.forget(chunk)
    this.#chunks = []
    this.#open = null
    this.#nextChunkBytes = firstChunkBytes
  }

  #begin(segment: Segment, bytes: Buffer): void {
    this.write(segment)
    const former = this.#open
    if (former !== null) {
      // Forgotten before it was full: there are many logs, and each may hold but little.
      this.#nextChunkBytes = former.isForgotten
        ? firstChunkBytes
        : Math.min(chunkBytesMax, former.buffer.length * chunkGrowth)
    }
    const forSeveral = Math.min(firstChunkBytesMax, bytes.length * firstChunkBatches)
    const buffer = this.#pool.take(Math.max(this.#nextChunkBytes, forSeveral, bytes.length))
    const position = segment.writtenSize
    const chunk = new TailChunk(this.#pool, { segment, position, buffer, start: 0, writtenSize: 0 })
    chunk.append(bytes)
    this.#open = chunk
    this.#add(chunk)
  }

  /** `bytes` are written already. Kept without a copy, where their buffer may be shared. */
  #keep(segment: Segment, bytes: Buffer, position: number): void {
    const buffer = this.#pool.share(bytes)
    if (buffer === null) return
    const start = bytes.byteOffset - buffer.byteOffset
    this.#add(new TailChunk(this.#pool, { segment, position, buffer, start, writtenSize: bytes.length }))
  }

  #add(chunk: TailChunk<Segment>): void {
    if (this.#chunks[0]?.isForgotten === true) this.#chunks = this.#chunks.filter(each => !each.isForgotten)
    // An array that grows keeps room for 16 more, in each of thousands of logs.
    if (this.#chunks.length === 0) this.#chunks = [chunk]
    else this.#chunks.push(chunk)
    this.#cache.add(chunk)
  }

  #writeNow(segment: Segment, buffer: Buffer, start: number, size: number): void {
    writeFully(segment.log.use(), buffer, start, size, segment.writtenSize)
    segment.writtenSize += size
    segment.isDirty = true
    this.#writtenInTurn += size
  }
}

import { assert } from './invariant.ts'

const smallestClassBytes = 4 * 1024

/**
 * Buffers that are used again: a fresh 1 MiB ArrayBuffer costs about 230 page faults, so pooled receiving is 3 to 6 times
 * cheaper (reference/performance.md, 1a). Sizes are powers of two from 4 KiB; buffers above `largestClassBytes` are made
 * exactly as large as asked and never kept. What lies idle here is bounded by `idleBytesMax`; what is in use is bounded
 * by whoever takes it.
 */
export class BufferPool {
  readonly idleBytesMax: number
  readonly largestClassBytes: number
  #idleBytes = 0
  /** Idle buffers by exponent of their size. */
  readonly #idle: Buffer[][] = []

  constructor(options: { idleBytesMax?: number; largestClassBytes?: number } = {}) {
    this.idleBytesMax = options.idleBytesMax ?? 32 * 1024 * 1024
    this.largestClassBytes = options.largestClassBytes ?? 16 * 1024 * 1024
    for (let exponent = 0; exponent < 32; exponent++) this.#idle.push([])
  }

  /** Bytes lying idle, ready for `take`. */
  get idleBytes(): number {
    return this.#idleBytes
  }

  /** A buffer of at least `size` bytes with arbitrary content. Whoever never gives it back leaves it to the collector. */
  take(size: number): Buffer {
    if (size > this.largestClassBytes) return Buffer.allocUnsafeSlow(size)
    const exponent = classExponent(size)
    const buffer = this.#idle[exponent]!.pop()
    if (buffer === undefined) return Buffer.allocUnsafeSlow(2 ** exponent)
    this.#idleBytes -= buffer.length
    return buffer
  }

  /** Takes back a buffer from `take`, whole. The caller must not touch it, or any view of it, afterwards. */
  give(buffer: Buffer): void {
    const size = buffer.length
    if (size > this.largestClassBytes || this.#idleBytes + size > this.idleBytesMax) return
    const exponent = classExponent(size)
    assert(2 ** exponent === size, 'a buffer given back has the size it was taken with')
    this.#idle[exponent]!.push(buffer)
    this.#idleBytes += size
  }
}

function classExponent(size: number): number {
  return size <= smallestClassBytes ? 12 : 32 - Math.clz32(size - 1)
}

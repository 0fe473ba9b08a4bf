import { assert } from './invariant.ts'

const smallestClassBytes = 1024
/** Smaller buffers are not worth a second holder: whoever wants their bytes for longer copies them. */
const sharedBytesMin = 256 * 1024

/**
 * Buffers that are used again: a fresh 1 MiB ArrayBuffer costs about 230 page faults, so pooled receiving is 3 to 6 times
 * cheaper (reference/performance.md, 1a). Sizes are powers of two from 1 KiB; buffers above `largestClassBytes` are made
 * exactly as large as asked and never kept. What lies idle here is bounded by `idleBytesMax`; what is in use is bounded
 * by whoever takes it.
 */
export class BufferPool {
  readonly idleBytesMax: number
  readonly largestClassBytes: number
  #idleBytes = 0
  /** Idle buffers by exponent of their size. */
  readonly #idle: Buffer[][] = []
  /** Of the large buffers that are in use; weak, because those that never come back are left to the collector. */
  readonly #inUse = new WeakMap<ArrayBufferLike, { readonly buffer: Buffer; holders: number }>()

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
    const idle = this.#idle[exponent]!.pop()
    if (idle !== undefined) this.#idleBytes -= idle.length
    const buffer = idle ?? Buffer.allocUnsafeSlow(2 ** exponent)
    if (buffer.length >= sharedBytesMin) this.#inUse.set(buffer.buffer, { buffer, holders: 1 })
    return buffer
  }

  /**
   * The buffer in use that `bytes` lie in, for one more holder: each gives it back once, in any order, and from now on none
   * may change the bytes. Null when `bytes` are not of this pool, or fill less than half of their buffer: then keeping them
   * would keep more than is wanted.
   */
  share(bytes: Buffer): Buffer | null {
    const found = this.#inUse.get(bytes.buffer)
    if (found === undefined || bytes.length * 2 < found.buffer.length) return null
    found.holders++
    return found.buffer
  }

  /** Takes back a buffer from `take` or `share`, whole. The caller must not touch it, or any view of it, afterwards. */
  give(buffer: Buffer): void {
    const size = buffer.length
    if (size >= sharedBytesMin && !this.#isLastHolder(buffer)) return
    if (size > this.largestClassBytes || this.#idleBytes + size > this.idleBytesMax) return
    const exponent = classExponent(size)
    assert(2 ** exponent === size, 'a buffer given back has the size it was taken with')
    this.#idle[exponent]!.push(buffer)
    this.#idleBytes += size
  }

  #isLastHolder(buffer: Buffer): boolean {
    const found = this.#inUse.get(buffer.buffer)
    if (found === undefined) return true
    found.holders--
    if (found.holders === 0) this.#inUse.delete(buffer.buffer)
    return found.holders === 0
  }
}

function classExponent(size: number): number {
  return size <= smallestClassBytes ? 10 : 32 - Math.clz32(size - 1)
}

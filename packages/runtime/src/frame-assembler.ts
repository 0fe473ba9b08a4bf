import type { BufferPool } from './buffer-pool.ts'
import type { Frame, RetainedFrame } from './ports.ts'
import { assert } from './invariant.ts'
import { TransportError } from './transport-error.ts'

/**
 * Cuts a byte stream into length-prefixed frames (int32 size, then payload).
 *
 * Two ways of getting bytes in, which may alternate:
 * - `consume(bytes)`: bytes lie somewhere else. Frames complete in there are delivered in place, without a copy; a frame
 *   that is not complete is begun in a buffer of the pool.
 * - `target()` and `filled(count)`: while a frame is being assembled, the next read may go straight to where its bytes
 *   belong. `target()` is null when no frame is open.
 *
 * Pure: no socket, no clock.
 */
export class FrameAssembler {
  readonly #pool: BufferPool
  readonly #frameBytesMax: number
  readonly #onFrame: (frame: Frame) => void
  readonly #frame: AssembledFrame
  /** The frame being assembled, or null between frames. */
  #open: Buffer | null = null
  #openSize = 0
  #openFilled = 0
  /** Bytes of a length prefix that a read cut in two. */
  #prefix = 0
  #prefixCount = 0
  #isStopped = false

  /** `onFrame` is called synchronously from `consume` and `filled`. The frame is gone when it returns, unless retained. */
  constructor(options: { pool: BufferPool; frameBytesMax: number; onFrame: (frame: Frame) => void }) {
    this.#pool = options.pool
    this.#frameBytesMax = options.frameBytesMax
    this.#onFrame = options.onFrame
    this.#frame = new AssembledFrame(options.pool)
  }

  /** True between the first byte of a frame and its last. */
  get isInsideFrame(): boolean {
    return this.#open !== null || this.#prefixCount > 0
  }

  /** Where the next bytes of the stream belong, if a frame is open. */
  target(): Buffer | null {
    return this.#open === null ? null : this.#open.subarray(this.#openFilled, this.#openSize)
  }

  /** `count` bytes were read to the start of `target()`. */
  filled(count: number): void {
    const buffer = this.#open
    if (buffer === null) return // stopped meanwhile
    this.#openFilled += count
    assert(this.#openFilled <= this.#openSize, 'a read stays inside its target')
    if (this.#openFilled === this.#openSize) this.#complete(buffer)
  }

  /**
   * The next `end - start` bytes of the stream. Throws TransportError FRAME_SIZE before anything is allocated for a frame
   * whose size is negative or above the limit.
   */
  consume(bytes: Buffer, start: number, end: number): void {
    let position = start
    if (this.#open !== null) {
      const count = Math.min(end - position, this.#openSize - this.#openFilled)
      bytes.copy(this.#open, this.#openFilled, position, position + count)
      position += count
      this.filled(count)
    }
    while (position < end && !this.#isStopped) {
      let size: number
      if (this.#prefixCount === 0 && end - position >= 4) {
        size = bytes.readInt32BE(position)
        position += 4
      } else {
        while (this.#prefixCount < 4 && position < end) {
          this.#prefix = (this.#prefix << 8) | bytes[position++]!
          this.#prefixCount++
        }
        if (this.#prefixCount < 4) return
        size = this.#prefix
        this.#prefix = 0
        this.#prefixCount = 0
      }
      this.#checkSize(size)
      if (end - position >= size) {
        this.#deliver(bytes, position, position + size, null)
        position += size
      } else {
        this.#open = this.#pool.take(size)
        this.#openSize = size
        this.#openFilled = end - position
        bytes.copy(this.#open, 0, position, end)
        return
      }
    }
  }

  /** Delivers no more and gives back what is held. Idempotent; allowed inside `onFrame`. */
  stop(): void {
    this.#isStopped = true
    if (this.#open !== null) this.#pool.give(this.#open)
    this.#open = null
    this.#prefixCount = 0
  }

  #checkSize(size: number): void {
    if (size >= 0 && size <= this.#frameBytesMax) return
    throw new TransportError(
      'FRAME_SIZE',
      `A frame of ${size} bytes is announced, allowed are 0 to ${this.#frameBytesMax}`,
    )
  }

  #complete(buffer: Buffer): void {
    this.#open = null
    this.#deliver(buffer, 0, this.#openSize, buffer)
  }

  #deliver(buffer: Buffer, start: number, end: number, owned: Buffer | null): void {
    const frame = this.#frame
    frame.begin(buffer, start, end, owned)
    try {
      this.#onFrame(frame)
    } finally {
      frame.finish()
    }
  }
}

/** The one frame object of a connection, filled anew for each frame. */
class AssembledFrame implements Frame {
  buffer: Buffer = Buffer.alloc(0)
  start = 0
  end = 0
  readonly #pool: BufferPool
  /** The pooled buffer that holds just this frame, or null when the bytes lie in somebody's scratch. */
  #owned: Buffer | null = null
  #isCurrent = false

  constructor(pool: BufferPool) {
    this.#pool = pool
  }

  begin(buffer: Buffer, start: number, end: number, owned: Buffer | null): void {
    assert(!this.#isCurrent, 'frames of one connection are delivered one at a time')
    this.buffer = buffer
    this.start = start
    this.end = end
    this.#owned = owned
    this.#isCurrent = true
  }

  finish(): void {
    this.#isCurrent = false
    if (this.#owned !== null) this.#pool.give(this.#owned)
    this.#owned = null
  }

  retain(): RetainedFrame {
    assert(this.#isCurrent, 'a frame is retained inside onFrame, before it is gone')
    const size = this.end - this.start
    if (this.#owned !== null) {
      const retained = new PooledFrame(this.#pool, this.#owned, size)
      this.#owned = null
      return retained
    }
    const copy = this.#pool.take(size)
    this.buffer.copy(copy, 0, this.start, this.end)
    return new PooledFrame(this.#pool, copy, size)
  }
}

class PooledFrame implements RetainedFrame {
  readonly start = 0
  readonly end: number
  readonly #pool: BufferPool
  #buffer: Buffer | null

  constructor(pool: BufferPool, buffer: Buffer, size: number) {
    this.#pool = pool
    this.#buffer = buffer
    this.end = size
  }

  get buffer(): Buffer {
    assert(this.#buffer !== null, 'a released frame is not read any more')
    return this.#buffer
  }

  release(): void {
    assert(this.#buffer !== null, 'a retained frame is released once')
    this.#pool.give(this.#buffer)
    this.#buffer = null
  }
}

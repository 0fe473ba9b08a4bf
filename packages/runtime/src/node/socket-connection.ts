import type net from 'node:net'
import type { BufferPool } from '../buffer-pool.ts'
import { FrameAssembler } from '../frame-assembler.ts'
import { assert } from '../invariant.ts'
import type { FrameConnection, FrameReceiver } from '../ports.ts'
import { TransportError } from '../transport-error.ts'
import type { SharedBuffers } from './shared-buffers.ts'
import type { Turn, TurnFlush } from './turn.ts'

/** Parts from this size on are handed to the system as they are; smaller ones are copied together. */
const sliceBytesMin = 16 * 1024

/** What a connection shares with all others of its transport. */
export interface ConnectionHome {
  readonly turn: Turn
  readonly pool: BufferPool
  readonly shared: SharedBuffers
  /** How long a connection that `close` ended may take to send what is queued and to see the other side end as well. */
  readonly closeTimeoutMs: number
}

/** Who wants to know when a write is complete: nobody, one, or several. */
type Written = (() => void) | (() => void)[] | null

/** What left in one write: completed by the socket in order. */
interface Batch {
  readonly bytes: number
  readonly written: Written
}

/** A frame connection on a socket. Reading is done by whoever made the socket: see receive.ts. */
export class SocketConnection implements FrameConnection, TurnFlush {
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localPort: number
  /** Cuts what arrives into frames and delivers them. */
  readonly assembler: FrameAssembler
  /** @internal looked into by tests only */
  readonly socket: net.Socket
  readonly #home: ConnectionHome
  #receiver: FrameReceiver | null = null

  /** Sent in this turn, not yet written. */
  #part: Uint8Array | null = null
  /** After the first one: most turns have but one. */
  #moreParts: Uint8Array[] | null = null
  #partsBytes = 0
  #partsWritten: Written = null
  #isFlushScheduled = false
  /** Written to the socket, not yet taken by the system. */
  readonly #batches: Batch[] = []
  #batchesBytes = 0
  /** Set while `_write` is on the stack: has the system taken it all? */
  #direct: 'begun' | 'taken' | null = null

  #isPaused = false
  #isClosing = false
  #isClosed = false
  #isOver = false
  #error: Error | null = null
  #closeTimer: NodeJS.Timeout | null = null

  constructor(socket: net.Socket, home: ConnectionHome, options: { maxFrameBytes: number }) {
    this.socket = socket
    this.#home = home
    this.remoteAddress = withoutMappedPrefix(socket.remoteAddress ?? '')
    this.remotePort = socket.remotePort ?? 0
    this.localPort = socket.localPort ?? 0
    this.assembler = new FrameAssembler({
      pool: home.pool,
      frameBytesMax: options.maxFrameBytes,
      onFrame: frame => {
        if (!this.#isClosing) this.#receiver!.onFrame(frame)
      },
    })
    socket.on('error', error => {
      this.#error ??= transportError(error)
    })
    // The peer is done: what was answered in this turn still goes out, what would be answered later has no reader.
    socket.on('end', () => this.close())
    socket.on('close', () => this.#onSocketClosed())
  }

  /** Must be called before any byte is read. */
  deliverTo(receiver: FrameReceiver): void {
    assert(this.#receiver === null, 'a connection has one receiver')
    this.#receiver = receiver
  }

  get queuedBytes(): number {
    return this.#partsBytes + this.#batchesBytes
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  send(parts: readonly Uint8Array[], onWritten?: () => void): void {
    if (this.#isClosing || this.#isClosed) {
      // Promised once, and never inside send: the caller may still be building what the callback tears down.
      if (onWritten !== undefined) this.#home.turn.soon(onWritten)
      return
    }
    for (const part of parts) {
      if (this.#part === null) this.#part = part
      else (this.#moreParts ??= []).push(part)
      this.#partsBytes += part.length
    }
    if (onWritten !== undefined) this.#partsWritten = together(this.#partsWritten, onWritten)
    this.#scheduleFlush()
  }

  flushTurn(): void {
    this.#isFlushScheduled = false
    if (this.#part !== null && !this.#isClosed) this.#write(this.#part)
    if (this.#isClosing && !this.#isClosed) this.socket.end()
  }

  pause(): void {
    this.#isPaused = true
    this.socket.pause()
  }

  resume(): void {
    this.#isPaused = false
    if (!this.#isClosed) this.socket.resume()
  }

  /** Paused before reading began: whoever begins it leaves it to `resume`. */
  get isPaused(): boolean {
    return this.#isPaused
  }

  close(): void {
    if (this.#isClosing || this.#isClosed) return
    this.#isClosing = true
    this.socket.resume() // Reads on to the other side's end; what comes is dropped.
    const { closeTimeoutMs } = this.#home
    const late = `${this.remoteAddress} did not let the connection end within ${closeTimeoutMs} ms`
    this.#closeTimer = setTimeout(() => this.destroy(new TransportError('TIMEOUT', late)), closeTimeoutMs)
    this.#closeTimer.unref()
    this.#scheduleFlush()
  }

  destroy(error?: Error): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#isClosing = true
    this.#error ??= error ?? null
    this.assembler.stop()
    this.socket.destroy()
  }

  /** Feeding the assembler threw: a bad frame size, or the receiver failed. It ends this connection, and the owner hears why. */
  fail(error: unknown): void {
    this.destroy(error instanceof Error ? error : new Error(String(error)))
  }

  #scheduleFlush(): void {
    if (this.#isFlushScheduled) return
    this.#isFlushScheduled = true
    this.#home.turn.flushAtEnd(this)
  }

  /** Everything of this turn in one write: small parts copied together, large ones as they are, in one writev. */
  #write(first: Uint8Array): void {
    const others = this.#moreParts
    const bytes = this.#partsBytes
    const written = this.#partsWritten
    this.#part = null
    this.#moreParts = null
    this.#partsBytes = 0
    this.#partsWritten = null

    if (others === null) {
      this.#writeOne(first, bytes, written)
      return
    }
    const parts = [first, ...others]
    if (bytes <= this.#home.shared.output.length && parts.every(isSmall)) {
      this.#writeSmall(parts, bytes, written)
      return
    }
    this.#queue(bytes, written)
    const pieces = joinSmall(parts)
    const last = pieces.pop()!
    const socket = this.socket
    socket.cork()
    for (const piece of pieces) socket.write(piece)
    socket.write(last, this.#onBatchWritten)
    socket.uncork()
  }

  /** The system takes small writes at once, so the buffer that joined them is free again. */
  #writeSmall(parts: readonly Uint8Array[], bytes: number, written: Written): void {
    const shared = this.#home.shared
    const output = shared.output
    copyTogether(parts, output)
    if (!this.#writeOne(output.subarray(0, bytes), bytes, written)) shared.replaceOutput()
  }

  /**
   * True when the system took all of it at once. Goes by `_write`, what a stream calls to have a chunk written: the bookkeeping of `write` (state,
   * an object and a tick for each callback) costs 1 µs, a tenth of a small request. In order with what `write` writes, because while the
   * stream keeps anything back it gets this too.
   */
  #writeOne(part: Uint8Array, bytes: number, written: Written): boolean {
    const { socket } = this
    if (socket.writableLength > 0) {
      this.#queue(bytes, written)
      socket.write(part, this.#onBatchWritten)
      return false
    }
    this.#direct = 'begun'
    socket._write(part, 'buffer' as BufferEncoding, this.#onDirectlyWritten)
    const isTaken = this.#isTaken()
    this.#direct = null
    if (isTaken) this.#finish(written)
    else this.#queue(bytes, written)
    return isTaken
  }

  #isTaken(): boolean {
    return this.#direct === 'taken'
  }

  #queue(bytes: number, written: Written): void {
    this.#batches.push({ bytes, written })
    this.#batchesBytes += bytes
  }

  #finish(written: Written): void {
    tell(written)
    if (this.queuedBytes === 0 && !this.#isClosing) this.#receiver?.onDrained?.()
  }

  readonly #onDirectlyWritten = (error?: Error | null): void => {
    const isFailed = error !== undefined && error !== null
    // As a stream does; what was not written is told so when the socket is closed.
    if (isFailed) this.socket.destroy(error)
    else if (this.#direct === null) this.#onBatchWritten()
    else this.#direct = 'taken'
  }

  readonly #onBatchWritten = (): void => {
    if (this.#isOver) return
    const batch = this.#batches.shift()
    assert(batch !== undefined, 'each batch is written once')
    this.#batchesBytes -= batch.bytes
    this.#finish(batch.written)
  }

  #onSocketClosed(): void {
    this.#isClosed = true
    this.#isClosing = true
    this.#isOver = true
    this.assembler.stop()
    if (this.#closeTimer !== null) clearTimeout(this.#closeTimer)
    const unwritten = this.#batches.splice(0)
    const written = this.#partsWritten
    this.#part = null
    this.#moreParts = null
    this.#partsBytes = 0
    this.#partsWritten = null
    this.#batchesBytes = 0
    for (const batch of unwritten) tell(batch.written)
    tell(written)
    this.#receiver?.onClosed(this.#error)
  }
}

function together(written: Written, another: () => void): Written {
  if (written === null) return another
  if (typeof written === 'function') return [written, another]
  written.push(another)
  return written
}

function tell(written: Written): void {
  if (written === null) return
  if (typeof written === 'function') written()
  else for (const each of written) each()
}

function isSmall(part: Uint8Array): boolean {
  return part.length < sliceBytesMin
}

/** The same bytes in fewer pieces: neighbours below `sliceBytesMin` become one. */
function joinSmall(parts: readonly Uint8Array[]): Uint8Array[] {
  const pieces: Uint8Array[] = []
  let run: Uint8Array[] = []
  const endRun = (): void => {
    if (run.length === 1) pieces.push(run[0]!)
    if (run.length > 1) pieces.push(Buffer.concat(run))
    run = []
  }
  for (const part of parts) {
    if (isSmall(part)) {
      run.push(part)
    } else {
      endRun()
      pieces.push(part)
    }
  }
  endRun()
  return pieces
}

function copyTogether(parts: readonly Uint8Array[], into: Uint8Array): void {
  let position = 0
  for (const part of parts) {
    into.set(part, position)
    position += part.length
  }
}

/** A listener on `::` sees IPv4 clients as `::ffff:1.2.3.4`; limits and logs are per client, however it came. */
function withoutMappedPrefix(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}

export function transportError(cause: Error): TransportError {
  if (cause instanceof TransportError) return cause
  const { code, errors } = cause as { code?: string; errors?: readonly { code?: string }[] }
  return new TransportError(code ?? errors?.[0]?.code ?? 'UNKNOWN', cause.message, { cause })
}

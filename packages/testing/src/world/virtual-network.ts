import { BufferPool } from '@millrace/runtime/buffer-pool'
import { FrameAssembler } from '@millrace/runtime/frame-assembler'
import type {
  ConnectOptions,
  FrameConnection,
  FrameReceiver,
  Listener,
  ListenOptions,
  Transport,
} from '@millrace/runtime/ports'
import { TransportError } from '@millrace/runtime/transport-error'
import type { VirtualTime } from './virtual-time.ts'

/**
 * A network inside the process, in virtual time: connections deliver in order after `latencyMs`. Everybody who takes part
 * shares one; hosts are only names. Addresses may be made `silent`: nothing answers there, not even with a refusal.
 */
export class VirtualNetwork implements Transport {
  readonly silent = new Set<string>()
  /** Host names and their address, for `resolve`; other names are their own. */
  readonly addresses = new Map<string, string>()
  latencyMs: number
  readonly #time: VirtualTime
  readonly #pool = new BufferPool()
  readonly #listeners = new Map<string, ListenOptions>()
  #nextPort = 20_000

  constructor(time: VirtualTime, options: { latencyMs?: number } = {}) {
    this.#time = time
    this.latencyMs = options.latencyMs ?? 1
  }

  listen(options: ListenOptions): Promise<Listener> {
    const port = options.port === 0 ? this.#nextPort++ : options.port
    const address = `${options.host}:${port}`
    if (this.#listeners.has(address))
      return Promise.reject(new TransportError('EADDRINUSE', `Cannot listen on ${address}: EADDRINUSE`))
    this.#listeners.set(address, options)
    const close = (): Promise<void> => {
      this.#listeners.delete(address)
      return Promise.resolve()
    }
    return Promise.resolve({ host: options.host, port, close })
  }

  resolve(host: string): Promise<readonly string[]> {
    return Promise.resolve([this.addresses.get(host) ?? host])
  }

  connect(options: ConnectOptions): Promise<FrameConnection> {
    const { host, port, timeoutMs, maxFrameBytes, receiver, signal } = options
    const address = `${host}:${port}`
    return new Promise((resolve, reject) => {
      const fail = (code: string): void => {
        timer.cancel()
        reject(new TransportError(code, `Cannot connect to ${address}: ${code}`))
      }
      signal?.addEventListener('abort', () => fail('ABORTED'), { once: true })
      const isSilent = this.silent.has(address)
      const timer = this.#time.after(isSilent ? timeoutMs : Math.min(timeoutMs, 2 * this.latencyMs), () => {
        const listener = this.#listeners.get(address)
        if (signal?.aborted === true) return
        if (isSilent || timeoutMs < 2 * this.latencyMs) return fail('TIMEOUT')
        if (listener === undefined) return fail('ECONNREFUSED')
        const ports = { localPort: this.#nextPort++, remotePort: port }
        const ours = new VirtualConnection(this.#time, this, this.#pool, { ...ports, maxFrameBytes })
        const theirs = new VirtualConnection(this.#time, this, this.#pool, {
          localPort: port,
          remotePort: ports.localPort,
          maxFrameBytes: listener.maxFrameBytes,
        })
        ours.peer = theirs
        theirs.peer = ours
        ours.receiver = receiver
        theirs.receiver = listener.accept(theirs)
        if (theirs.receiver === null) theirs.destroy()
        resolve(ours)
      })
    })
  }
}

/** What travels: bytes, or the end of the connection. */
type Parcel = { readonly bytes: Buffer } | { readonly end: true }

class VirtualConnection implements FrameConnection {
  readonly remoteAddress = '127.0.0.1'
  readonly remotePort: number
  readonly localPort: number
  peer: VirtualConnection | null = null
  receiver: FrameReceiver | null = null
  queuedBytes = 0
  isClosed = false
  #isClosing = false
  #isPaused = false
  #arrived: Parcel[] = []
  readonly #assembler: FrameAssembler
  readonly #time: VirtualTime
  readonly #network: VirtualNetwork

  constructor(
    time: VirtualTime,
    network: VirtualNetwork,
    pool: BufferPool,
    options: { localPort: number; remotePort: number; maxFrameBytes: number },
  ) {
    this.#time = time
    this.#network = network
    this.localPort = options.localPort
    this.remotePort = options.remotePort
    this.#assembler = new FrameAssembler({
      pool,
      frameBytesMax: options.maxFrameBytes,
      onFrame: frame => this.receiver?.onFrame(frame),
    })
  }

  send(parts: readonly Uint8Array[], onWritten?: () => void): void {
    const bytes = Buffer.concat(parts)
    if (this.isClosed || this.#isClosing) {
      if (onWritten !== undefined) this.#time.soon(onWritten)
      return
    }
    this.queuedBytes += bytes.length
    this.#time.soon(() => {
      this.queuedBytes -= bytes.length
      if (!this.isClosed) this.#post({ bytes })
      onWritten?.()
      if (this.queuedBytes === 0 && !this.isClosed) this.receiver?.onDrained?.()
    })
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    this.#time.soon(() => this.#take())
  }

  close(): void {
    if (this.#isClosing || this.isClosed) return
    this.#isClosing = true
    this.#time.soon(() => {
      if (this.isClosed) return
      this.#post({ end: true })
      this.#finish(null)
    })
  }

  destroy(error?: Error): void {
    if (this.isClosed) return
    this.isClosed = true
    this.#assembler.stop()
    this.#post({ end: true })
    this.#time.soon(() => this.receiver?.onClosed(error ?? null))
  }

  #post(parcel: Parcel): void {
    const peer = this.peer!
    this.#time.after(this.#network.latencyMs, () => {
      peer.#arrived.push(parcel)
      peer.#take()
    })
  }

  #take(): void {
    while (!this.isClosed && !this.#isPaused && this.#arrived.length > 0) {
      const parcel = this.#arrived.shift()!
      if ('end' in parcel) return this.#finish(null)
      if (this.#isClosing) continue
      try {
        this.#assembler.consume(parcel.bytes, 0, parcel.bytes.length)
      } catch (error) {
        this.destroy(error as Error)
      }
    }
  }

  #finish(error: Error | null): void {
    this.isClosed = true
    this.#assembler.stop()
    this.receiver?.onClosed(error)
  }
}

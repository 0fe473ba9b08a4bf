import type {
  ConnectOptions,
  FrameConnection,
  FrameReceiver,
  Listener,
  ListenOptions,
  Timers,
  Transport,
} from '@millrace/runtime/ports'
import { TransportError } from '@millrace/runtime/transport-error'
import type { NetworkCuts } from './network-cuts.ts'

export interface CutTransportOptions {
  readonly brokerId: number
  readonly cuts: NetworkCuts
  /** What really carries the frames. */
  readonly transport: Transport
  readonly timers: Timers
}

/**
 * One broker's transport in a network that can be cut: frames of a direction that is cut are held back, the end of a connection is not
 * seen on the other side, and nobody can connect. Both directions are handled where the connection was opened; whoever accepted it
 * uses it as it is. Clients, whose ports nobody knows, are never cut off.
 */
export class CutTransport implements Transport {
  private readonly options: CutTransportOptions

  constructor(options: CutTransportOptions) {
    this.options = options
  }

  listen(options: ListenOptions): Promise<Listener> {
    return this.options.transport.listen(options)
  }

  resolve(host: string): Promise<readonly string[]> {
    return this.options.transport.resolve(host)
  }

  async connect(options: ConnectOptions): Promise<FrameConnection> {
    const { brokerId, cuts, transport, timers } = this.options
    const peerId = cuts.brokerAt.get(options.port)
    if (peerId === undefined) return transport.connect(options)
    const path = { cuts, from: brokerId, to: peerId }
    await untilOpen(path, options, timers)
    const connection = new CutConnection(path, options.receiver)
    connection.begin(await transport.connect({ ...options, receiver: connection.receiver }))
    return connection
  }
}

interface Path {
  readonly cuts: NetworkCuts
  readonly from: number
  readonly to: number
}

/** A handshake needs both directions. Rejects like a network that swallows everything. */
function untilOpen(path: Path, { host, port, timeoutMs, signal }: ConnectOptions, timers: Timers): Promise<void> {
  const isOpen = (): boolean => !path.cuts.isCut(path.from, path.to) && !path.cuts.isCut(path.to, path.from)
  if (isOpen()) return Promise.resolve()
  return new Promise((resolve, reject) => {
    const settle = (code: 'TIMEOUT' | 'ABORTED' | null): void => {
      timer.cancel()
      forget()
      signal?.removeEventListener('abort', onAbort)
      if (code === null) resolve()
      else reject(new TransportError(code, `Cannot connect to ${host}:${port}: ${code}`))
    }
    const onAbort = (): void => settle('ABORTED')
    const timer = timers.after(timeoutMs, () => settle('TIMEOUT'))
    const forget = path.cuts.onChange(() => {
      if (isOpen()) settle(null)
    })
    signal?.addEventListener('abort', onAbort, { once: true })
    if (signal?.aborted === true) onAbort()
  })
}

class CutConnection implements FrameConnection {
  /** Of the connection that really carries the frames. */
  readonly receiver: FrameReceiver
  private readonly path: Path
  private readonly owner: FrameReceiver
  private readonly forget: () => void
  private real: FrameConnection | null = null
  private held: { readonly parts: readonly Uint8Array[]; readonly onWritten: (() => void) | undefined }[] = []
  private heldBytes = 0
  private isPausedByOwner = false
  private ending: 'close' | 'destroy' | null = null
  private hasEnded = false

  constructor(path: Path, owner: FrameReceiver) {
    this.path = path
    this.owner = owner
    this.receiver = {
      onFrame: frame => {
        if (!this.hasEnded) this.owner.onFrame(frame)
      },
      onClosed: error => this.end(error),
      onDrained: () => this.owner.onDrained?.(),
    }
    this.forget = path.cuts.onChange(() => this.onChange())
  }

  begin(real: FrameConnection): void {
    this.real = real
    this.onChange()
  }

  get remoteAddress(): string {
    return this.real!.remoteAddress
  }
  get remotePort(): number {
    return this.real!.remotePort
  }
  get localPort(): number {
    return this.real!.localPort
  }
  get queuedBytes(): number {
    return this.real!.queuedBytes + this.heldBytes
  }
  get isClosed(): boolean {
    return this.hasEnded || this.real!.isClosed
  }

  send(parts: readonly Uint8Array[], onWritten?: () => void): void {
    if (!this.isOutCut && this.held.length === 0) return this.real!.send(parts, onWritten)
    this.held.push({ parts, onWritten })
    this.heldBytes += parts.reduce((sum, part) => sum + part.length, 0)
  }

  pause(): void {
    this.isPausedByOwner = true
    this.real!.pause()
  }
  resume(): void {
    this.isPausedByOwner = false
    if (!this.isInCut) this.real!.resume()
  }

  close(): void {
    if (this.isOutCut) this.endHere('close', null)
    else this.real!.close()
  }
  destroy(error?: Error): void {
    if (this.isOutCut) this.endHere('destroy', error ?? null)
    else this.real!.destroy(error)
  }

  private get isOutCut(): boolean {
    return this.path.cuts.isCut(this.path.from, this.path.to)
  }
  private get isInCut(): boolean {
    return this.path.cuts.isCut(this.path.to, this.path.from)
  }

  private onChange(): void {
    const { real } = this
    if (real === null) return
    if (this.isInCut) real.pause()
    else if (!this.isPausedByOwner && !real.isClosed) real.resume()
    if (this.isOutCut) return
    const held = this.held.splice(0)
    this.heldBytes = 0
    for (const { parts, onWritten } of held) real.send(parts, onWritten)
    if (this.ending === 'close') real.close()
    if (this.ending === 'destroy') real.destroy()
  }

  /** It is over for this side; the other one hears of it when the cut is healed. */
  private endHere(how: 'close' | 'destroy', error: Error | null): void {
    if (this.hasEnded) return
    this.ending = how
    this.tellOwner(error)
  }

  private end(error: Error | null): void {
    this.forget()
    for (const { onWritten } of this.held.splice(0)) onWritten?.()
    this.heldBytes = 0
    this.tellOwner(error)
  }

  private tellOwner(error: Error | null): void {
    if (this.hasEnded) return
    this.hasEnded = true
    this.owner.onClosed(error)
  }
}

import type { Logger } from '@millrace/runtime/logger'
import type { Clock, FrameConnection, Timer, Timers, Transport } from '@millrace/runtime/ports'
import { TransportError } from '@millrace/runtime/transport-error'
import { PeerEvidence, refusalsNeeded, refusalsSpanMs } from '../core/controller/loss-hints.ts'

export interface PeerProbesOptions {
  readonly transport: Transport
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: Logger
}

export interface PeerAddress {
  readonly host: string
  readonly port: number
}

export interface PeerWatch {
  /** False: connects that fail from the beginning on count, without a connection before them. */
  readonly needsConnection: boolean
  /** The loss of the peer is hinted. Once, and again only after a connection in between. */
  readonly onLossHinted: () => void
}

/** So that three connects span the time that a hint needs. */
const retryMs = refusalsSpanMs / (refusalsNeeded - 1)
/** Between connects to a peer that is known to be away. */
const slowRetryMs = 1_000
const quickRetries = 2 * refusalsNeeded
/** Connections in a row that ended as soon as they were made: there is somebody, who takes no more of them. */
const shortLivedMax = 3
/** A connect that takes longer has told enough: nothing. */
const connectTimeoutMs = 5_000
/** How long a probe outlives its last watch: what a broker saw of the old controller helps it when it becomes the new one. */
const lingerMs = 5_000

/**
 * An open connection to each peer whose loss matters: to the controller, and from the controller to every broker. Nothing is
 * sent on it. It only tells at once when the other process ends, which its system says with a FIN or an RST.
 */
export class PeerProbes {
  readonly #options: PeerProbesOptions
  readonly #probes = new Map<string, PeerProbe>()
  #isClosed = false

  constructor(options: PeerProbesOptions) {
    this.#options = options
  }

  /** Answers a function that ends the watch. */
  watch(address: PeerAddress, watch: PeerWatch): () => void {
    if (this.#isClosed) return () => {}
    const name = `${address.host}:${address.port}`
    let probe = this.#probes.get(name)
    if (probe === undefined) {
      probe = new PeerProbe(address, this.#options, () => this.#probes.delete(name))
      this.#probes.set(name, probe)
    }
    return probe.add(watch)
  }

  /** Idempotent. */
  close(): void {
    this.#isClosed = true
    for (const probe of [...this.#probes.values()]) probe.close()
  }
}

interface Watching {
  readonly watch: PeerWatch
  readonly sinceMs: number
  needsConnection: boolean
  isReported: boolean
}

class PeerProbe {
  readonly #address: PeerAddress
  readonly #options: PeerProbesOptions
  readonly #onClosed: () => void
  readonly #evidence = new PeerEvidence()
  readonly #watches = new Set<Watching>()
  #connection: FrameConnection | null = null
  #isConnecting = false
  #connectedMs = 0
  #shortLived = 0
  #retry: Timer | null = null
  #linger: Timer | null = null
  #isClosed = false

  constructor(address: PeerAddress, options: PeerProbesOptions, onClosed: () => void) {
    this.#address = address
    this.#options = options
    this.#onClosed = onClosed
  }

  add(watch: PeerWatch): () => void {
    const { needsConnection } = watch
    const sinceMs = this.#options.clock.monotonicMs()
    const watching: Watching = { watch, sinceMs, needsConnection, isReported: false }
    this.#watches.add(watching)
    this.#linger?.cancel()
    this.#linger = null
    // Whoever is new wants to know now, and not at the end of a pause that began before.
    if (this.#connection === null && !this.#isConnecting) void this.#connect()
    return () => {
      if (!this.#watches.delete(watching) || this.#watches.size > 0 || this.#isClosed) return
      this.#linger = this.#options.timers.after(lingerMs, () => this.close())
    }
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#retry?.cancel()
    this.#linger?.cancel()
    this.#watches.clear()
    this.#connection?.destroy()
    this.#onClosed()
  }

  async #connect(): Promise<void> {
    const { transport, clock, logger } = this.#options
    this.#retry?.cancel()
    this.#isConnecting = true
    try {
      const connection = await transport.connect({
        ...this.#address,
        timeoutMs: connectTimeoutMs,
        maxFrameBytes: 1024,
        receiver: { onFrame: () => {}, onClosed: error => this.#onConnectionEnded(error) },
      })
      this.#isConnecting = false
      if (this.#isClosed) return connection.destroy()
      this.#connection = connection
      this.#connectedMs = clock.monotonicMs()
      this.#evidence.onConnected()
      for (const watching of this.#watches) {
        watching.isReported = false
        watching.needsConnection = true
      }
      // It may have ended in the turn that reported it.
      if (connection.isClosed) this.#onConnectionEnded(null)
    } catch (error) {
      this.#isConnecting = false
      if (this.#isClosed) return
      const code = error instanceof TransportError ? error.code : 'UNKNOWN'
      logger.debug('peer does not answer', { ...this.#address, code, refusals: this.#evidence.refusals })
      if (this.#evidence.onConnectFailed(code, clock.monotonicMs())) this.#reportHints()
      else for (const watching of this.#watches) watching.needsConnection = true
      this.#connectAfter(this.#evidence.refusals > quickRetries ? slowRetryMs : retryMs)
    }
  }

  #onConnectionEnded(error: Error | null): void {
    if (this.#isClosed || this.#connection === null) return
    this.#connection = null
    const code = error instanceof TransportError ? error.code : null
    this.#evidence.onConnectionEnded(error === null ? null : (code ?? 'UNKNOWN'))
    this.#options.logger.debug('connection to a peer ended', { ...this.#address, code })
    const livedMs = this.#options.clock.monotonicMs() - this.#connectedMs
    this.#shortLived = livedMs > slowRetryMs ? 0 : this.#shortLived + 1
    this.#connectAfter(this.#shortLived > shortLivedMax ? slowRetryMs : this.#shortLived === 0 ? 0 : retryMs)
  }

  #connectAfter(delayMs: number): void {
    this.#retry?.cancel()
    this.#retry = this.#options.timers.after(delayMs, () => {
      if (!this.#isClosed && this.#connection === null && !this.#isConnecting) void this.#connect()
    })
  }

  #reportHints(): void {
    for (const watching of [...this.#watches]) {
      if (watching.isReported || !this.#evidence.isLossHinted(watching)) continue
      watching.isReported = true
      watching.watch.onLossHinted()
    }
  }
}

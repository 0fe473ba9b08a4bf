import type { Timer, World } from '@millrace/runtime/ports'

export interface LivenessOptions {
  readonly world: Pick<World, 'clock' | 'timers'>
  readonly timeoutMs: number
  readonly ping: () => void
  /** No byte for 0.6 of the timeout: this connection is dead, another server may still hear us in time. */
  readonly onSilent: () => void
  /** The timeout passed without a byte from any server: the session must be taken for gone. */
  readonly onLeaseOver: () => void
}

/**
 * Watches over one session by what was sent and heard. The library does neither: it finds out about a stopped server or
 * a cut cable when TCP does, after up to 15 minutes.
 *
 *   0 ------- 0.3 ------- 0.6 ------------- 1.0  of the timeout since the last byte heard
 *   |  ping when nothing  |  silent:         |  lease over
 *   |  was sent for 0.3   |  reconnect       |
 *
 * 0.6, not 2/3, so that a dead server is noticed within two thirds, timers included.
 */
export class Liveness {
  readonly #options: LivenessOptions
  #timeoutMs: number
  #lastHeardMs: number
  #lastSentMs = 0
  #isConnected = false
  #isStopped = false
  #timer: Timer | null = null
  #dueMs = 0
  #pingsOut = 0
  /** After a stall, what arrives may have waited in the kernel since before it: only the answer to a new ping counts. */
  #pongsUntilTrusted = 0

  constructor(options: LivenessOptions) {
    this.#options = options
    this.#timeoutMs = options.timeoutMs
    this.#lastHeardMs = options.world.clock.monotonicMs()
  }

  /** A server has confirmed the session, with this timeout. */
  connected(timeoutMs: number): void {
    this.#timeoutMs = timeoutMs
    this.#isConnected = true
    this.#lastHeardMs = this.#lastSentMs = this.#nowMs()
    this.#pingsOut = 0
    this.#pongsUntilTrusted = 0
    this.#arm()
  }

  /** The lease runs on. */
  disconnected(): void {
    this.#isConnected = false
  }

  stop(): void {
    this.#timer?.cancel()
    this.#isStopped = true
  }

  heard(): void {
    if (this.#pongsUntilTrusted === 0) this.#lastHeardMs = this.#nowMs()
  }

  sent(): void {
    this.#lastSentMs = this.#nowMs()
  }

  pingAnswered(): void {
    if (this.#pingsOut > 0) this.#pingsOut -= 1
    if (this.#pongsUntilTrusted > 0) this.#pongsUntilTrusted -= 1
    this.heard()
  }

  /** True when the lease is over and nobody has noticed yet: the event loop stood still. */
  get isOver(): boolean {
    return this.#nowMs() - this.#lastHeardMs >= this.#timeoutMs
  }

  #arm(): void {
    this.#timer?.cancel()
    const nowMs = this.#nowMs()
    const leaseMs = this.#lastHeardMs + this.#timeoutMs
    const silentMs = this.#lastHeardMs + this.#timeoutMs * 0.6
    const pingMs = this.#lastSentMs + this.#timeoutMs * 0.3
    const nextMs = this.#isConnected ? Math.min(leaseMs, silentMs, pingMs) : leaseMs
    // At least every sixth, so that a stall is seen as such.
    const delayMs = Math.max(1, Math.min(nextMs - nowMs, this.#timeoutMs / 6))
    this.#dueMs = nowMs + delayMs
    this.#timer = this.#options.world.timers.after(delayMs, () => this.#onTimer())
  }

  #onTimer(): void {
    if (this.#isConnected && this.#nowMs() - this.#dueMs > this.#timeoutMs / 6) {
      this.#ping()
      this.#pongsUntilTrusted = this.#pingsOut
    }
    // What has arrived meanwhile is read before the verdict.
    this.#timer = null
    this.#options.world.timers.soon(() => this.#judge())
  }

  #judge(): void {
    // Stopped, or connected anew and armed again, since the timer ran.
    if (this.#isStopped || this.#timer !== null) return
    const silentForMs = this.#nowMs() - this.#lastHeardMs
    if (silentForMs >= this.#timeoutMs) return this.#options.onLeaseOver()
    if (this.#isConnected && silentForMs >= this.#timeoutMs * 0.6) {
      this.#isConnected = false
      this.#options.onSilent()
    } else if (this.#isConnected && this.#nowMs() - this.#lastSentMs >= this.#timeoutMs * 0.3) this.#ping()
    this.#arm()
  }

  #ping(): void {
    this.#pingsOut += 1
    this.#options.ping()
  }

  #nowMs(): number {
    return this.#options.world.clock.monotonicMs()
  }
}

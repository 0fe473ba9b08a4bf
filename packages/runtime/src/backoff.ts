import { assert } from './invariant.ts'
import type { Random } from './ports.ts'

export interface BackoffOptions {
  readonly initialMs: number
  readonly maxMs: number
  /** Growth per failure; Kafka's clients use 2 (KIP-580). */
  readonly multiplier?: number
  /** Share by which a delay is varied both ways, so that those who failed together do not return together (KIP-580: 0.2). */
  readonly jitter?: number
  readonly random: Random
}

/** Exponential back-off: each failure doubles the wait, up to `maxMs`, give or take the jitter. */
export class Backoff {
  readonly #options: Required<BackoffOptions>
  #failures = 0

  constructor(options: BackoffOptions) {
    assert(options.initialMs >= 0 && options.maxMs >= options.initialMs, '0 <= initialMs <= maxMs')
    this.#options = { multiplier: 2, jitter: 0.2, ...options }
  }

  /** Failures since the last `reset`. */
  get failures(): number {
    return this.#failures
  }

  /** Counts a failure and tells how many milliseconds to wait before the next attempt. */
  nextDelayMs(): number {
    const { initialMs, maxMs, multiplier, jitter, random } = this.#options
    const delayMs = Math.min(maxMs, initialMs * multiplier ** Math.min(this.#failures, 64))
    this.#failures++
    const spread = (random.uint32() / 0x1_0000_0000) * 2 - 1
    return Math.max(0, Math.min(maxMs, delayMs * (1 + jitter * spread)))
  }

  /** After a success: the next failure waits `initialMs` again. */
  reset(): void {
    this.#failures = 0
  }
}

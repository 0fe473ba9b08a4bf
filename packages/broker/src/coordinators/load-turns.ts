import type { Timers } from '@millrace/runtime/ports'

/**
 * Loads of many shards share the event loop: one slice of one of them per turn, in order. So however many are loaded at once, everybody
 * else waits for one slice.
 */
export class LoadTurns {
  readonly #timers: Timers
  readonly #waiting: (() => void)[] = []
  #isScheduled = false

  constructor(timers: Timers) {
    this.#timers = timers
  }

  /** Resolves when the caller may do one slice. */
  next(): Promise<void> {
    return new Promise(resolve => {
      this.#waiting.push(resolve)
      this.#schedule()
    })
  }

  #schedule(): void {
    if (this.#isScheduled || this.#waiting.length === 0) return
    this.#isScheduled = true
    this.#timers.soon(() => {
      this.#isScheduled = false
      this.#waiting.shift()?.()
      this.#schedule()
    })
  }
}

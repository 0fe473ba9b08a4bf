import type { Clock, Timer, Timers } from '@millrace/runtime/ports'

/** A wait is no longer than this before the limit, which may change, is asked again. */
const longestWaitMs = 1000

/** log.cleaner.io.max.bytes.per.second: what all compactions together may read and write. Bytes are taken first and waited for afterwards. */
export class CleanerThrottle {
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #bytesPerSecond: () => number
  /** Bytes taken, ever, and how many of them had their time: who came first goes on first. */
  #taken = 0
  #paid = 0
  #paidMs = 0
  readonly #waiting = new Map<() => void, Timer>()
  #isStopped = false

  constructor(clock: Clock, timers: Timers, bytesPerSecond: () => number) {
    this.#clock = clock
    this.#timers = timers
    this.#bytesPerSecond = bytesPerSecond
  }

  async take(bytes: number): Promise<void> {
    this.#pay()
    const taken = (this.#taken += bytes)
    for (;;) {
      const waitMs = ((taken - this.#paid) / this.#bytesPerSecond()) * 1000
      if (waitMs < 1 || this.#isStopped) return
      await new Promise<void>(resolve => {
        const timer = this.#timers.after(Math.min(waitMs, longestWaitMs), () => {
          this.#waiting.delete(resolve)
          resolve()
        })
        this.#waiting.set(resolve, timer)
      })
      this.#pay()
    }
  }

  /** Everybody who waits goes on, to find that it is over. */
  stop(): void {
    this.#isStopped = true
    for (const [resolve, timer] of this.#waiting) {
      timer.cancel()
      resolve()
    }
    this.#waiting.clear()
  }

  #pay(): void {
    const nowMs = this.#clock.monotonicMs()
    const passed = ((nowMs - this.#paidMs) / 1000) * this.#bytesPerSecond()
    this.#paid = Math.min(this.#taken, this.#paid + passed)
    this.#paidMs = nowMs
  }
}

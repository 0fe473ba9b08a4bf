import type { Timer, Timers } from '../ports.ts'
import { monotonicMs } from './clock.ts'
import type { Turn } from './turn.ts'

/** setTimeout treats a longer delay as 1 ms. */
const longestDelayMs = 2 ** 31 - 1

/** Timers that never keep the process alive and never run early. */
export class NodeTimers implements Timers {
  readonly #turn: Turn

  constructor(turn: Turn) {
    this.#turn = turn
  }

  after(delayMs: number, run: () => void): Timer {
    return new OneShot(delayMs, run)
  }

  every(intervalMs: number, run: () => void): Timer {
    const interval = setInterval(run, Math.max(1, Math.min(longestDelayMs, Math.ceil(intervalMs))))
    interval.unref()
    return { cancel: () => clearInterval(interval) }
  }

  soon(run: () => void): void {
    this.#turn.soon(run)
  }
}

/**
 * Node counts a delay from the time the loop cached when the turn began, so setTimeout may run early by as long as the
 * turn had lasted. A deadline that finds itself not yet due would have to wait again; better here, once, for everybody.
 */
class OneShot implements Timer {
  readonly #dueMs: number
  readonly #run: () => void
  #handle: NodeJS.Timeout | null = null

  constructor(delayMs: number, run: () => void) {
    this.#dueMs = monotonicMs() + Math.max(0, delayMs)
    this.#run = run
    this.#arm(delayMs)
  }

  cancel(): void {
    if (this.#handle !== null) clearTimeout(this.#handle)
    this.#handle = null
  }

  #arm(delayMs: number): void {
    this.#handle = setTimeout(this.#onTimeout, Math.max(0, Math.min(longestDelayMs, Math.ceil(delayMs))))
    this.#handle.unref()
  }

  readonly #onTimeout = (): void => {
    const leftMs = this.#dueMs - monotonicMs()
    if (leftMs > 0) {
      this.#arm(leftMs)
      return
    }
    this.#handle = null
    this.#run()
  }
}

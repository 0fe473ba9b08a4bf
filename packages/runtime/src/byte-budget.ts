import { assert } from './invariant.ts'

interface Waiter {
  readonly bytes: number
  run: (() => void) | null
}

/**
 * Bytes in use against a limit. Whoever finds no room waits in line and is told in order; a request larger than the
 * whole limit is granted when nothing else is in use, so that it cannot wait for ever.
 */
export class ByteBudget {
  readonly limitBytes: number
  #usedBytes = 0
  readonly #waiters: Waiter[] = []

  constructor(limitBytes: number) {
    assert(limitBytes > 0, 'a byte budget allows something')
    this.limitBytes = limitBytes
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  get waiting(): number {
    return this.#waiters.length
  }

  /** Takes `bytes` if there is room and nobody waits before; answers whether it did. */
  tryTake(bytes: number): boolean {
    if (this.#waiters.length > 0 || !this.#fits(bytes)) return false
    this.#usedBytes += bytes
    return true
  }

  /** Takes `bytes` even beyond the limit: for what cannot be refused any more. */
  take(bytes: number): void {
    this.#usedBytes += bytes
  }

  /**
   * Calls `run` once `bytes` have been taken on its behalf: now, in this call stack, or later, from a `give`.
   * The answer cancels the wait (no effect once `run` was called).
   */
  whenTaken(bytes: number, run: () => void): () => void {
    if (this.tryTake(bytes)) {
      run()
      return () => {}
    }
    const waiter: Waiter = { bytes, run }
    this.#waiters.push(waiter)
    return () => this.#cancel(waiter)
  }

  /** Gives back what was taken. Waiters are told before this returns. */
  give(bytes: number): void {
    assert(bytes <= this.#usedBytes, 'no more is given back than was taken')
    this.#usedBytes -= bytes
    this.#wake()
  }

  #fits(bytes: number): boolean {
    return this.#usedBytes === 0 || this.#usedBytes + bytes <= this.limitBytes
  }

  #wake(): void {
    for (let first = this.#waiters[0]; first !== undefined && this.#fits(first.bytes); first = this.#waiters[0]) {
      this.#waiters.shift()
      this.#usedBytes += first.bytes
      const run = first.run!
      first.run = null
      run()
    }
  }

  #cancel(waiter: Waiter): void {
    if (waiter.run === null) return
    waiter.run = null
    this.#waiters.splice(this.#waiters.indexOf(waiter), 1)
    // The one behind may ask for less.
    this.#wake()
  }
}

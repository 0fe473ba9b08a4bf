/**
 * Waits for the disk, a few at a time: topics whose thousands of segments end in the same moment would else open as many files at once,
 * beyond what the system lets a process have, and the thread pool has four threads.
 */
export class FlushQueue {
  readonly #limit: number
  #running = 0
  readonly #waiting: (() => void)[] = []

  constructor(limit = 8) {
    this.#limit = limit
  }

  /** Those that wait for their turn. */
  get waiting(): number {
    return this.#waiting.length
  }

  /** Runs it now, or when others are done; in the order of the calls. */
  async run<T>(flush: () => Promise<T>): Promise<T> {
    if (this.#running === this.#limit) await new Promise<void>(resolve => this.#waiting.push(resolve))
    else this.#running++
    try {
      return await flush()
    } finally {
      // Whoever is next takes this one's place.
      const next = this.#waiting.shift()
      if (next === undefined) this.#running--
      else next()
    }
  }
}

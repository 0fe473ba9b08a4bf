import type { Timers } from '@millrace/runtime/ports'

/**
 * What a client tells its caller, in order: answers (promises settled) and calls (watches, session events). An answer
 * is only seen when the microtasks behind its promise have run; so a call that follows an answer waits for the end of
 * the turn, or `await get(path, watcher)` could see its watcher called before the read returned.
 */
export class DeliveryQueue {
  readonly #timers: Pick<Timers, 'soon'>
  #items: Item[] = []
  #isScheduled = false

  constructor(timers: Pick<Timers, 'soon'>) {
    this.#timers = timers
  }

  answer(run: () => void): void {
    this.#push({ isCall: false, run })
  }

  /** `run` does not throw: whoever hands it in contains its exceptions. */
  call(run: () => void): void {
    this.#push({ isCall: true, run })
  }

  #push(item: Item): void {
    this.#items.push(item)
    this.#schedule()
  }

  /** A turn, not a promise job: a loop of awaited requests to an embedded tree would keep sockets and timers waiting. */
  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#timers.soon(() => this.#drain())
  }

  #drain(): void {
    let hasAnswered = false
    let next = 0
    for (; next < this.#items.length; next++) {
      const item = this.#items[next]!
      if (item.isCall && hasAnswered) break
      item.run()
      if (!item.isCall) hasAnswered = true
    }
    this.#items = this.#items.slice(next)
    this.#isScheduled = false
    if (this.#items.length > 0) this.#schedule()
  }
}

interface Item {
  readonly isCall: boolean
  readonly run: () => void
}

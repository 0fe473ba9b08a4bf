/** Something that collected work during a turn and does it at the end. */
export interface TurnFlush {
  flushTurn(): void
}

/**
 * The end of a turn of the event loop, in two steps:
 *
 * ```
 * timers -> poll: all readable sockets -> check: 1. `soon` callbacks  (group commits; answers are sent from here)
 *                                                   promise continuations of those
 *                                                2. flushes           (one socket write per connection)
 * ```
 *
 * Both steps are immediates queued together, so they run in the same check phase; Node drains promise jobs between two
 * immediates. So an answer that is ready after the group commit, even a few `await`s later, leaves in this turn, and not
 * after another round of the loop. What is asked for from the second step on belongs to the next turn, which follows at once.
 */
export class Turn {
  #soon: (() => void)[] = []
  #flushes: TurnFlush[] = []
  #isScheduled = false

  /** Keeps the order of the calls. */
  soon(run: () => void): void {
    this.#soon.push(run)
    this.#schedule()
  }

  /** The caller asks once per turn. */
  flushAtEnd(flush: TurnFlush): void {
    this.#flushes.push(flush)
    this.#schedule()
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(this.#runSoon)
    setImmediate(this.#runFlushes)
  }

  readonly #runSoon = (): void => {
    const callbacks = this.#soon
    if (callbacks.length === 0) return
    this.#soon = []
    let done = 0
    try {
      while (done < callbacks.length) callbacks[done++]!()
    } finally {
      // A callback threw: the process ends, unless someone caught it globally; then the others must not be lost.
      if (done < callbacks.length) this.#soon = [...callbacks.slice(done), ...this.#soon]
    }
  }

  readonly #runFlushes = (): void => {
    this.#isScheduled = false
    const flushes = this.#flushes
    this.#flushes = []
    for (const flush of flushes) flush.flushTurn()
    // Asked for by a `soon` callback while those ran: it belongs to the next turn.
    if (this.#soon.length > 0) this.#schedule()
  }
}

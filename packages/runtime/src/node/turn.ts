import { Handover } from '../handover.ts'

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
 * Both steps are immediates of the same check phase; Node drains promise jobs between two immediates. So an answer that is ready
 * after the group commit, even a few `await`s later, leaves in this turn, and not after another round of the loop. What is asked for
 * from the second step on belongs to the next turn, which follows at once. Where nothing is to be done `soon`, as when only
 * heartbeats come, the first immediate flushes and there is no second.
 */
export class Turn {
  readonly #soon = new Handover<() => void>()
  readonly #flushes = new Handover<TurnFlush>()
  /** Immediates that are queued for this turn. */
  #queued: 0 | 1 | 2 = 0

  /** Keeps the order of the calls. */
  soon(run: () => void): void {
    this.#soon.add(run)
    this.#schedule(2)
  }

  /** The caller asks once per turn. */
  flushAtEnd(flush: TurnFlush): void {
    this.#flushes.add(flush)
    this.#schedule(1)
  }

  #schedule(steps: 1 | 2): void {
    if (this.#queued === 0) {
      this.#queued = 1
      setImmediate(this.#runFirst)
    }
    if (this.#queued < steps) {
      this.#queued = 2
      setImmediate(this.#runFlushes)
    }
  }

  readonly #runFirst = (): void => {
    if (this.#queued === 1) this.#runFlushes()
    else this.#runSoon()
  }

  #runSoon(): void {
    const soon = this.#soon
    try {
      for (let count = soon.begin(); count > 0; count--) soon.next()()
    } finally {
      // A callback threw: the process ends, unless someone caught it globally; then the others must not be lost.
      soon.putBack()
    }
  }

  readonly #runFlushes = (): void => {
    this.#queued = 0
    const flushes = this.#flushes
    for (let count = flushes.begin(); count > 0; count--) flushes.next().flushTurn()
    // Asked for by a `soon` callback while those ran: it belongs to the next turn.
    if (this.#soon.size > 0) this.#schedule(2)
  }
}

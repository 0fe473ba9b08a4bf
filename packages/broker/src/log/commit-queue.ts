import { Handover } from '@millrace/runtime/handover'
import type { Timers } from '@millrace/runtime/ports'

/** What is committed at the end of the turn. */
export interface Committable {
  /** Writes what is pending and announces it; answers the bytes written. Does not throw. */
  commit(): number
}

/** A write that the page cache throttles may take 2 to 20 ms per MiB: let requests in between (performance.md, section 2). */
const bytesPerTurn = 4 * 1024 * 1024

/** Group commit: every log that was appended to in a turn writes once, at its end (performance.md, rule 5: 15 to 24 times cheaper). */
export class CommitQueue {
  readonly #timers: Timers
  readonly #waiting = new Handover<Committable>()
  #isScheduled = false

  constructor(timers: Timers) {
    this.#timers = timers
  }

  /** The caller asks once per commit. */
  add(log: Committable): void {
    this.#waiting.add(log)
    this.schedule()
  }

  private schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#timers.soon(this.run)
  }

  private readonly run = (): void => {
    this.#isScheduled = false
    const waiting = this.#waiting
    let bytes = 0
    for (let count = waiting.begin(); count > 0 && bytes < bytesPerTurn; count--) bytes += waiting.next().commit()
    waiting.putBack()
    if (waiting.size > 0) this.schedule()
  }
}

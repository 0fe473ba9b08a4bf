import type { Clock, Timers } from '@millrace/runtime/ports'

/** The longest that a compaction holds up everybody else, but for a single batch that takes longer. */
const sliceMs = 0.25
/** The same while others are at work. */
const busySliceMs = 0.125
/** Also the end of a slice, so that virtual time, which stands still meanwhile, gets to others too. */
const sliceBytes = 4 * 1024 * 1024
/** The clock is asked this often: 50 ns each time would be felt with small batches. */
const bytesPerLook = 16 * 1024
/** Others had the loop for longer than this between two slices: it is busy. A turn without any work takes a tenth of it, a few small requests take all of it. */
const busyMs = 0.05
/** How long they then have the loop, at least; timers make it a millisecond. */
const restMs = 0.75

/**
 * Cuts compactions into slices of the event loop: one slice per turn, whichever compaction it belongs to. While nobody else has work they take
 * all the time there is; as soon as there is other work, an eighth. A worker thread would hold up nobody, but costs 10 MB and a core that a host
 * with one broker per core does not have, cannot run in virtual time, and every swap of files would have to be agreed upon with it.
 */
export class CleanerPace {
  readonly #clock: Clock
  readonly #timers: Timers
  #waiting: (() => void)[] = []
  #isScheduled = false
  #startedMs = 0
  #bytes = 0
  #bytesToLook = 0
  #isStopped = false
  /** Others had work between the last two slices. */
  isBusy = false

  constructor(clock: Clock, timers: Timers) {
    this.#clock = clock
    this.#timers = timers
  }

  /** So many bytes were worked through; true when the slice is over and `next` is to be awaited. */
  spend(bytes: number): boolean {
    this.#bytesToLook -= bytes
    if (this.#bytesToLook > 0) return false
    this.#bytes += bytesPerLook - this.#bytesToLook
    this.#bytesToLook = bytesPerLook
    return (
      this.#bytes >= sliceBytes || this.#clock.monotonicMs() - this.#startedMs >= (this.isBusy ? busySliceMs : sliceMs)
    )
  }

  /** Resolves when the next slice begins. */
  next(): Promise<void> {
    if (this.#isStopped) return Promise.resolve()
    return new Promise(resolve => {
      this.#waiting.push(resolve)
      this.#schedule()
    })
  }

  /** Everybody who waits goes on, to find that it is over. */
  stop(): void {
    this.#isStopped = true
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    const endedMs = this.#clock.monotonicMs()
    this.#timers.soon(() => {
      const othersMs = this.#clock.monotonicMs() - endedMs
      this.isBusy = othersMs > busyMs
      if (!this.isBusy || othersMs >= restMs) this.#begin()
      else this.#timers.after(restMs - othersMs, () => this.#begin())
    })
  }

  #begin(): void {
    this.#isScheduled = false
    this.#startedMs = this.#clock.monotonicMs()
    this.#bytes = 0
    this.#bytesToLook = bytesPerLook
    this.#waiting.shift()?.()
    if (this.#waiting.length > 0) this.#schedule()
  }
}

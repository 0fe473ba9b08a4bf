import type { Clock, Timer, Timers } from '@millrace/runtime/ports'

/** A log whose leader epoch checkpoint is behind what it knows. */
export interface EpochHolder {
  /** Writes it, unless that was done meanwhile or the log is closed. Does not throw. */
  saveEpochs(): void
}

/** From the first new epoch to the first write: whoever takes over thousands of partitions has better things to do in that second. */
const delayMs = 1_000
/** So long requests wait for these writes at a time; and between two of them at least so long, which leaves most of a core to others. */
const turnMs = 5
const pauseMs = 20

/**
 * Writes leader epoch checkpoints a while after their epochs began. A file is made and renamed for each, 0.1 ms of CPU, and a failover begins
 * an epoch in every partition of a broker. Why it may wait: SegmentWriter.epochsBegan.
 */
export class EpochFiles {
  readonly #world: { readonly clock: Clock; readonly timers: Timers }
  readonly #waiting: EpochHolder[] = []
  #timer: Timer | null = null

  constructor(world: { readonly clock: Clock; readonly timers: Timers }) {
    this.#world = world
  }

  /** Once per log, until it was saved. */
  add(log: EpochHolder): void {
    this.#waiting.push(log)
    this.#timer ??= this.#world.timers.after(delayMs, this.#run)
  }

  /** What waits is left to the orderly stop of each log. */
  close(): void {
    this.#timer?.cancel()
    this.#waiting.length = 0
  }

  readonly #run = (): void => {
    const { clock, timers } = this.#world
    const endMs = clock.monotonicMs() + turnMs
    do this.#waiting.pop()?.saveEpochs()
    while (this.#waiting.length > 0 && clock.monotonicMs() < endMs)
    this.#timer = this.#waiting.length === 0 ? null : timers.after(pauseMs, this.#run)
  }
}

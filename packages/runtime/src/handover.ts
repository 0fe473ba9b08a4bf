/**
 * What gathers until somebody takes it, a thousand times a second. An array that is emptied, or made anew each time, asks for memory with its first
 * element; this one keeps it.
 *
 *     for (let count = handover.begin(); count > 0; count--) use(handover.next())
 *
 * What is added meanwhile waits for the next `begin`.
 */
export class Handover<T> {
  #gathering: (T | undefined)[] = []
  #gatheredCount = 0
  #taking: (T | undefined)[] = []
  #takenCount = 0
  #takenFrom = 0

  /** Added and not taken. */
  get size(): number {
    return this.#gatheredCount
  }

  add(item: T): void {
    this.#gathering[this.#gatheredCount++] = item
  }

  /** From now on `next` gives what was added so far; answers how many that are. */
  begin(): number {
    const taking = this.#gathering
    this.#gathering = this.#taking
    this.#taking = taking
    this.#takenCount = this.#gatheredCount
    this.#takenFrom = 0
    this.#gatheredCount = 0
    return this.#takenCount
  }

  /** The oldest one that was not taken yet, as often as `begin` said. */
  next(): T {
    const item = this.#taking[this.#takenFrom] as T
    this.#taking[this.#takenFrom++] = undefined
    return item
  }

  /** Those that `next` has not given come first again. */
  putBack(): void {
    if (this.#takenFrom === this.#takenCount) return
    const all = [
      ...this.#taking.slice(this.#takenFrom, this.#takenCount),
      ...this.#gathering.slice(0, this.#gatheredCount),
    ]
    this.#gathering = all
    this.#gatheredCount = all.length
    this.#taking = []
    this.#takenCount = 0
    this.#takenFrom = 0
  }
}

import type { Clock, Timer, Timers } from '@millrace/runtime/ports'

interface Task {
  atMs: number
  readonly order: number
  readonly run: () => void
  readonly intervalMs: number | null
}

/** How many promise jobs in a row are let through before time moves on: far more than the longest chain of awaits. */
const promiseHops = 100

/** Clock and timers that move only when told: the same calls give the same run. */
export class VirtualTime implements Clock, Timers {
  #nowMs = 0
  #order = 0
  readonly #wallOffsetMs: number
  readonly #tasks = new Set<Task>()
  #soon: (() => void)[] = []

  /** `wallMs`: what the wall clock shows at the start. */
  constructor(options: { wallMs?: number } = {}) {
    this.#wallOffsetMs = options.wallMs ?? Date.UTC(2026, 0, 1)
  }

  wallMs(): number {
    return this.#wallOffsetMs + Math.floor(this.#nowMs)
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  /** Timers that wait, `soon` callbacks not counted. */
  get pending(): number {
    return this.#tasks.size
  }

  after(delayMs: number, run: () => void): Timer {
    return this.#add({ atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, run, intervalMs: null })
  }

  every(intervalMs: number, run: () => void): Timer {
    return this.#add({ atMs: this.#nowMs + intervalMs, order: this.#order++, run, intervalMs: Math.max(1, intervalMs) })
  }

  soon(run: () => void): void {
    this.#soon.push(run)
  }

  /** Moves time by `ms` and runs what falls due, in order. Promise jobs wait until the caller yields: see `run`. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms
    this.endTurn()
    for (let task = this.#next(endMs); task !== null; task = this.#next(endMs)) {
      this.#fire(task)
      this.endTurn()
    }
    this.#nowMs = endMs
  }

  /** Like `advance`, but lets promise jobs finish after each step, before time moves on. */
  async run(ms = 0): Promise<void> {
    const endMs = this.#nowMs + ms
    await this.#settle()
    for (let task = this.#next(endMs); task !== null; task = this.#next(endMs)) {
      this.#fire(task)
      await this.#settle()
    }
    this.#nowMs = endMs
  }

  /** Runs the `soon` callbacks of this turn; those they ask for belong to the next, which follows here too. */
  endTurn(): void {
    while (this.#soon.length > 0) {
      const callbacks = this.#soon
      this.#soon = []
      for (const run of callbacks) run()
    }
  }

  async #settle(): Promise<void> {
    do {
      this.endTurn()
      for (let hop = 0; hop < promiseHops; hop++) await Promise.resolve()
    } while (this.#soon.length > 0)
  }

  #add(task: Task): Timer {
    this.#tasks.add(task)
    return { cancel: () => void this.#tasks.delete(task) }
  }

  #next(endMs: number): Task | null {
    let first: Task | null = null
    for (const task of this.#tasks) {
      if (task.atMs > endMs) continue
      if (first === null || task.atMs < first.atMs || (task.atMs === first.atMs && task.order < first.order))
        first = task
    }
    return first
  }

  #fire(task: Task): void {
    this.#nowMs = Math.max(this.#nowMs, task.atMs)
    if (task.intervalMs === null) this.#tasks.delete(task)
    else task.atMs += task.intervalMs
    task.run()
  }
}

import { assert } from './invariant.ts'
import type { Clock, Timer, Timers } from './ports.ts'

/** One thing that ends at a moment unless it is cancelled first. Made by `Deadlines.after`. */
export interface Deadline {
  /** Monotonic moment, as `clock.monotonicMs()` counts. */
  readonly atMs: number
  /** False once it ran or was cancelled. */
  readonly isPending: boolean
  /** Idempotent; O(log n). */
  cancel(): void
}

/**
 * Thousands of deadlines on one timer: request timeouts, commit waiters, fetch waiters. A binary heap, so adding and
 * cancelling cost O(log n) and nothing is left behind by what finished in time (a fetch waiter usually does).
 */
export class Deadlines {
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #heap: HeapDeadline[] = []
  #order = 0
  #timer: Timer | null = null
  #timerAtMs = Infinity
  #running = false

  constructor(ports: { clock: Clock; timers: Timers }) {
    this.#clock = ports.clock
    this.#timers = ports.timers
  }

  /** How many are pending. */
  get count(): number {
    return this.#heap.length
  }

  /** Calls `run` once, `delayMs` from now or later, never earlier. Equal moments run in the order they were added. */
  after(delayMs: number, run: () => void): Deadline {
    assert(!Number.isNaN(delayMs), 'a deadline has a moment')
    return this.at(this.#clock.monotonicMs() + Math.max(0, delayMs), run)
  }

  /** Calls `run` once, when the monotonic clock shows `atMs` or later. */
  at(atMs: number, run: () => void): Deadline {
    const deadline = new HeapDeadline(this, atMs, this.#order++, run)
    this.#siftUp(deadline, this.#heap.length)
    this.#arm()
    return deadline
  }

  /** Cancels everything. */
  close(): void {
    for (const deadline of this.#heap) deadline.index = -1
    this.#heap.length = 0
    this.#timer?.cancel()
    this.#timer = null
    this.#timerAtMs = Infinity
  }

  /** @internal for HeapDeadline.cancel */
  remove(deadline: HeapDeadline): void {
    const index = deadline.index
    if (index < 0) return
    deadline.index = -1
    const last = this.#heap.pop()!
    if (last === deadline) return
    const parent = this.#heap[(index - 1) >> 1]
    if (index > 0 && before(last, parent!)) this.#siftUp(last, index)
    else this.#siftDown(last, index)
    // The timer stays as it is: when it finds nothing due it is set anew, once, instead of at each cancellation.
  }

  #arm(): void {
    const first = this.#heap[0]
    if (this.#running || first === undefined || first.atMs >= this.#timerAtMs) return
    this.#timer?.cancel()
    this.#timerAtMs = first.atMs
    this.#timer = this.#timers.after(Math.max(0, first.atMs - this.#clock.monotonicMs()), () => this.#onTimer())
  }

  #onTimer(): void {
    this.#timer = null
    this.#timerAtMs = Infinity
    const nowMs = this.#clock.monotonicMs()
    this.#running = true
    try {
      // Those added meanwhile by a callback wait for the next timer, so that a callback that re-arms itself cannot spin.
      const orderEnd = this.#order
      for (let first = this.#heap[0]; first !== undefined && first.atMs <= nowMs; first = this.#heap[0]) {
        if (first.order >= orderEnd) break
        this.remove(first)
        first.run()
      }
    } finally {
      this.#running = false
      this.#arm()
    }
  }

  #siftUp(item: HeapDeadline, from: number): void {
    const heap = this.#heap
    let index = from
    while (index > 0) {
      const parentIndex = (index - 1) >> 1
      const parent = heap[parentIndex]!
      if (!before(item, parent)) break
      heap[index] = parent
      parent.index = index
      index = parentIndex
    }
    heap[index] = item
    item.index = index
  }

  #siftDown(item: HeapDeadline, from: number): void {
    const heap = this.#heap
    let index = from
    for (;;) {
      let childIndex = 2 * index + 1
      if (childIndex >= heap.length) break
      if (childIndex + 1 < heap.length && before(heap[childIndex + 1]!, heap[childIndex]!)) childIndex++
      const child = heap[childIndex]!
      if (!before(child, item)) break
      heap[index] = child
      child.index = index
      index = childIndex
    }
    heap[index] = item
    item.index = index
  }
}

class HeapDeadline implements Deadline {
  readonly atMs: number
  readonly order: number
  readonly run: () => void
  /** Place in the heap, -1 when it is not there any more. */
  index = -1
  readonly #owner: Deadlines

  constructor(owner: Deadlines, atMs: number, order: number, run: () => void) {
    this.#owner = owner
    this.atMs = atMs
    this.order = order
    this.run = run
  }

  get isPending(): boolean {
    return this.index >= 0
  }

  cancel(): void {
    this.#owner.remove(this)
  }
}

function before(a: HeapDeadline, b: HeapDeadline): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}

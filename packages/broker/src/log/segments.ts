import { assert } from '@millrace/runtime/invariant'
import type { Segment } from './segment.ts'

/** The segments of a log in order of their base offsets; the last one is active. Never empty once the log is loaded. */
export class Segments {
  #list: Segment[]

  constructor(list: readonly Segment[]) {
    this.#list = [...list].sort((left, right) => left.baseOffset - right.baseOffset)
  }

  get count(): number {
    return this.#list.length
  }

  get all(): readonly Segment[] {
    return this.#list
  }

  get first(): Segment {
    return this.#list[0]!
  }

  get active(): Segment {
    const last = this.#list.at(-1)
    assert(last !== undefined, 'a loaded log has a segment')
    return last
  }

  /** Bytes of all `.log` files, those that wait for the end of the turn included. */
  get size(): number {
    let size = 0
    for (const segment of this.#list) size += segment.size
    return size
  }

  /** Index of the segment that holds `offset`, or of the last one below it; -1 when all begin above it. */
  floorIndex(offset: number): number {
    let low = -1
    let high = this.#list.length
    while (high - low > 1) {
      const middle = (low + high) >>> 1
      if (this.#list[middle]!.baseOffset <= offset) low = middle
      else high = middle
    }
    return low
  }

  at(index: number): Segment | undefined {
    return this.#list[index]
  }

  add(segment: Segment): void {
    assert(segment.baseOffset > (this.#list.at(-1)?.baseOffset ?? -1), 'segments are added at the end')
    // An array that grows keeps room for 16 more: most logs of a broker with thousands have one segment.
    if (this.#list.length === 0) this.#list = [segment]
    else this.#list.push(segment)
  }

  /** True while the segment is one of these. */
  has(segment: Segment): boolean {
    return this.#list[this.floorIndex(segment.baseOffset)] === segment
  }

  /** Puts one segment in the place of neighbours, the first of which begins where it does. */
  replace(old: readonly Segment[], segment: Segment): void {
    const index = this.floorIndex(segment.baseOffset)
    assert(
      old.every((each, i) => this.#list[index + i] === each),
      'what is replaced is there',
    )
    this.#list.splice(index, old.length, segment)
  }

  /** Takes out the oldest. */
  removeFirst(count: number): Segment[] {
    return this.#list.splice(0, count)
  }

  /** Takes out those with a base offset above `offset`. */
  removeAbove(offset: number): Segment[] {
    return this.#list.splice(this.floorIndex(offset) + 1)
  }

  removeAll(): Segment[] {
    return this.#list.splice(0)
  }
}

import type { Segment } from './segment.ts'

const slots = 8

/** Where recent reads ended: a reader that goes on from there needs no index and no scan. A few readers of one log find their place side by side. */
export class ReadPositions {
  readonly #offsets: number[] = []
  readonly #positions: number[] = []
  readonly #segments: Segment[] = []
  #next = 0

  /** The next read at `offset` begins at `position` of `segment`. */
  remember(offset: number, segment: Segment, position: number): void {
    const known = this.#offsets.indexOf(offset)
    const slot = known >= 0 ? known : this.#next
    if (known < 0) this.#next = (this.#next + 1) % slots
    this.#offsets[slot] = offset
    this.#positions[slot] = position
    this.#segments[slot] = segment
  }

  /** The position of `offset` in `segment`, or -1. */
  find(offset: number, segment: Segment): number {
    const slot = this.#offsets.indexOf(offset)
    return slot >= 0 && this.#segments[slot] === segment ? this.#positions[slot]! : -1
  }

  /** After a truncation or deletion nothing is where it was. */
  clear(): void {
    this.#offsets.length = 0
    this.#positions.length = 0
    this.#segments.length = 0
    this.#next = 0
  }
}

import type { Segment } from './segment.ts'

const slots = 8

interface Place {
  offset: number
  segment: Segment
  position: number
}

/** Where recent reads ended: a reader that goes on from there needs no index and no scan. A few readers of one log find their place side by side. */
export class ReadPositions {
  /** Made with the first read: a broker has thousands of logs that nobody reads. */
  #places: Place[] | null = null
  #next = 0

  /** The next read at `offset` begins at `position` of `segment`. */
  remember(offset: number, segment: Segment, position: number): void {
    const known = this.#at(offset)
    if (known !== null) {
      known.segment = segment
      known.position = position
      return
    }
    const places = this.#places
    if (places === null) this.#places = [{ offset, segment, position }]
    else if (places.length < slots) places.push({ offset, segment, position })
    else {
      const oldest = places[this.#next]!
      oldest.offset = offset
      oldest.segment = segment
      oldest.position = position
      this.#next = (this.#next + 1) % slots
    }
  }

  /** The position of `offset` in `segment`, or -1. */
  find(offset: number, segment: Segment): number {
    const place = this.#at(offset)
    return place?.segment === segment ? place.position : -1
  }

  /** After a truncation or deletion nothing is where it was. */
  clear(): void {
    this.#places = null
    this.#next = 0
  }

  #at(offset: number): Place | null {
    const places = this.#places
    if (places === null) return null
    for (let i = 0; i < places.length; i++) if (places[i]!.offset === offset) return places[i]!
    return null
  }
}

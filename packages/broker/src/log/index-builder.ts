import type { TimeIndexEntry } from '@millrace/protocol/storage/time-index'
import { OffsetIndex } from './offset-index.ts'
import { TimeIndex } from './time-index.ts'

/** The indexes of a segment whose batches are known one by one, as recovery and compaction write them (reference 4.2: rebuilt per batch). */
export class IndexBuilder {
  readonly offsets: OffsetIndex
  readonly times: TimeIndex
  /** The largest batch timestamp and the last offset of that batch; timestamp -1 when none has one. */
  largest: TimeIndexEntry
  readonly #intervalBytes: number
  #lastIndexedPosition = 0

  constructor(baseOffset: number, intervalBytes: number) {
    this.offsets = new OffsetIndex(baseOffset)
    this.times = new TimeIndex(baseOffset)
    this.largest = { timestamp: -1, offset: baseOffset }
    this.#intervalBytes = intervalBytes
  }

  /** The next batch begins at `position`. */
  add(position: number, lastOffset: number, maxTimestamp: number): void {
    if (maxTimestamp > this.largest.timestamp) this.largest = { timestamp: maxTimestamp, offset: lastOffset }
    if (position - this.#lastIndexedPosition <= this.#intervalBytes) return
    this.offsets.append(lastOffset, position)
    this.times.maybeAppend(this.largest.timestamp, this.largest.offset)
    this.#lastIndexedPosition = position
  }

  /** There are no more: a time index ends with the largest timestamp. */
  finish(): void {
    this.times.maybeAppend(this.largest.timestamp, this.largest.offset)
  }
}

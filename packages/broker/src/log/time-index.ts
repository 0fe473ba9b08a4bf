import {
  TIME_ENTRY_SIZE,
  putTimeEntry,
  timeRelativeOffsetAt,
  timestampAt,
  usedTimeEntries,
} from '@millrace/protocol/storage/time-index'
import type { TimeIndexEntry } from '@millrace/protocol/storage/time-index'
import type { File } from '@millrace/runtime/ports'

const none = Buffer.alloc(0)
const noTimestamp = -1

/**
 * Timestamp → offset, sparse, for the segment that is being written: in memory, in the bytes of its file. Each entry is the
 * largest timestamp so far; the last one, added when the segment rolls or closes, is the largest of the segment.
 */
export class TimeIndex {
  readonly baseOffset: number
  #bytes: Buffer
  #count: number

  constructor(baseOffset: number, bytes: Buffer = none) {
    this.baseOffset = baseOffset
    this.#bytes = bytes
    this.#count = usedTimeEntries(bytes)
  }

  get count(): number {
    return this.#count
  }

  /** The largest timestamp noted; -1 at the base offset when there is none. */
  get last(): TimeIndexEntry {
    return this.#count === 0 ? { timestamp: noTimestamp, offset: this.baseOffset } : this.entry(this.#count - 1)
  }

  /** One slot stays free for the final entry. */
  isFull(maxBytes: number): boolean {
    return this.#count >= Math.floor(maxBytes / TIME_ENTRY_SIZE) - 1
  }

  /** Notes the largest timestamp so far, unless it is noted already. */
  maybeAppend(timestamp: number, offset: number): void {
    if (timestamp <= (this.#count === 0 ? noTimestamp : timestampAt(this.#bytes, this.#count - 1))) return
    if ((this.#count + 1) * TIME_ENTRY_SIZE > this.#bytes.length) this.#bytes = grown(this.#bytes)
    putTimeEntry(this.#bytes, this.#count++, timestamp, offset - this.baseOffset)
  }

  /** The last entry at or below `timestamp`: no record before its offset is younger. */
  floor(timestamp: number): TimeIndexEntry {
    const index = floorIndex(this.#bytes, this.#count, timestamp)
    return index < 0 ? { timestamp: noTimestamp, offset: this.baseOffset } : this.entry(index)
  }

  /** Forgets entries at or above `offset`. */
  truncateTo(offset: number): void {
    while (this.#count > 0 && timeRelativeOffsetAt(this.#bytes, this.#count - 1) >= offset - this.baseOffset)
      this.#count--
  }

  /** The bytes of its file; a view. */
  bytes(): Buffer {
    return this.#bytes.subarray(0, this.#count * TIME_ENTRY_SIZE)
  }

  private entry(index: number): TimeIndexEntry {
    return {
      timestamp: timestampAt(this.#bytes, index),
      offset: this.baseOffset + timeRelativeOffsetAt(this.#bytes, index),
    }
  }
}

/** `floor` in the file of a closed segment; nothing stays in memory. */
export function floorInTimeIndexFile(
  file: File,
  options: { size: number; baseOffset: number; timestamp: number; scratch: Buffer },
): TimeIndexEntry {
  const { scratch } = options
  const perPage = Math.floor(scratch.length / TIME_ENTRY_SIZE)
  let low = 0
  let high = Math.floor(options.size / TIME_ENTRY_SIZE)
  while (high - low > perPage) {
    const middle = (low + high) >>> 1
    file.read(scratch, 0, TIME_ENTRY_SIZE, middle * TIME_ENTRY_SIZE)
    if (timestampAt(scratch, 0) <= options.timestamp) low = middle
    else high = middle
  }
  const read = file.read(scratch, 0, (high - low) * TIME_ENTRY_SIZE, low * TIME_ENTRY_SIZE)
  const index = floorIndex(scratch, Math.floor(read / TIME_ENTRY_SIZE), options.timestamp)
  if (index < 0) return { timestamp: noTimestamp, offset: options.baseOffset }
  return { timestamp: timestampAt(scratch, index), offset: options.baseOffset + timeRelativeOffsetAt(scratch, index) }
}

function floorIndex(bytes: Uint8Array, count: number, timestamp: number): number {
  let low = -1
  let high = count
  while (high - low > 1) {
    const middle = (low + high) >>> 1
    if (timestampAt(bytes, middle) <= timestamp) low = middle
    else high = middle
  }
  return low
}

function grown(bytes: Buffer): Buffer {
  const larger = Buffer.allocUnsafeSlow(Math.max(32 * TIME_ENTRY_SIZE, bytes.length * 2))
  bytes.copy(larger)
  return larger
}

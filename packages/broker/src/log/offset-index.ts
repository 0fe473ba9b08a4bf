import {
  OFFSET_ENTRY_SIZE,
  positionAt,
  putOffsetEntry,
  relativeOffsetAt,
  usedOffsetEntries,
} from '@millrace/protocol/storage/offset-index'
import type { File } from '@millrace/runtime/ports'

const none = Buffer.alloc(0)

/**
 * Offset → position in the `.log` file, sparse, for the segment that is being written: in memory, in the bytes of its file.
 * The file itself is written when the segment rolls or closes; after a kill recovery builds it anew.
 */
export class OffsetIndex {
  readonly baseOffset: number
  #bytes: Buffer
  #count: number

  /** Starts with the entries that a file held; unused space at its end is ignored. */
  constructor(baseOffset: number, bytes: Buffer = none) {
    this.baseOffset = baseOffset
    this.#bytes = bytes
    this.#count = usedOffsetEntries(bytes)
  }

  get count(): number {
    return this.#count
  }

  /** The last offset noted, or the base offset. */
  get lastOffset(): number {
    return this.#count === 0 ? this.baseOffset : this.baseOffset + relativeOffsetAt(this.#bytes, this.#count - 1)
  }

  get lastPosition(): number {
    return this.#count === 0 ? 0 : positionAt(this.#bytes, this.#count - 1)
  }

  isFull(maxBytes: number): boolean {
    return this.#count >= Math.floor(maxBytes / OFFSET_ENTRY_SIZE)
  }

  append(offset: number, position: number): void {
    if ((this.#count + 1) * OFFSET_ENTRY_SIZE > this.#bytes.length) this.#bytes = grown(this.#bytes)
    putOffsetEntry(this.#bytes, this.#count++, offset - this.baseOffset, position)
  }

  /** Where a scan for `offset` begins: the position of the last entry at or below it, or 0. */
  floor(offset: number): number {
    const index = floorIndex(this.#bytes, this.#count, offset - this.baseOffset)
    return index < 0 ? 0 : positionAt(this.#bytes, index)
  }

  /** Forgets entries at or above `offset`. */
  truncateTo(offset: number): void {
    while (this.#count > 0 && relativeOffsetAt(this.#bytes, this.#count - 1) >= offset - this.baseOffset) this.#count--
  }

  /** The bytes of its file; a view. */
  bytes(): Buffer {
    return this.#bytes.subarray(0, this.#count * OFFSET_ENTRY_SIZE)
  }
}

/** `floor` in the file of a closed segment: some reads of a few bytes, then one of a page; nothing stays in memory. */
export function floorInOffsetIndexFile(
  file: File,
  options: { size: number; baseOffset: number; offset: number; scratch: Buffer },
): number {
  const { scratch } = options
  const relative = options.offset - options.baseOffset
  const perPage = Math.floor(scratch.length / OFFSET_ENTRY_SIZE)
  let low = 0
  let high = Math.floor(options.size / OFFSET_ENTRY_SIZE)
  // Entries below `low` are at or below the offset, those from `high` on are above it.
  while (high - low > perPage) {
    const middle = (low + high) >>> 1
    file.read(scratch, 0, OFFSET_ENTRY_SIZE, middle * OFFSET_ENTRY_SIZE)
    if (relativeOffsetAt(scratch, 0) <= relative) low = middle
    else high = middle
  }
  const read = file.read(scratch, 0, (high - low) * OFFSET_ENTRY_SIZE, low * OFFSET_ENTRY_SIZE)
  const index = floorIndex(scratch, Math.floor(read / OFFSET_ENTRY_SIZE), relative)
  return index < 0 ? 0 : positionAt(scratch, index)
}

/** The last of `count` entries whose relative offset is at or below `relative`, or -1. */
function floorIndex(bytes: Uint8Array, count: number, relative: number): number {
  let low = -1
  let high = count
  while (high - low > 1) {
    const middle = (low + high) >>> 1
    if (relativeOffsetAt(bytes, middle) <= relative) low = middle
    else high = middle
  }
  return low
}

function grown(bytes: Buffer): Buffer {
  const larger = Buffer.allocUnsafeSlow(Math.max(32 * OFFSET_ENTRY_SIZE, bytes.length * 2))
  bytes.copy(larger)
  return larger
}

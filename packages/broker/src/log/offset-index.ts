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
    const index = floorIndex(this.#bytes, this.#count, offset - this.baseOffset, relativeOffsetAt)
    return index < 0 ? 0 : positionAt(this.#bytes, index)
  }

  /** The last position noted that is at or before `position`, or 0: a batch begins there. */
  floorPosition(position: number): number {
    const index = floorIndex(this.#bytes, this.#count, position, positionAt)
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
  return floorInFile(file, options, options.offset - options.baseOffset, relativeOffsetAt)
}

/** `floorPosition` in the file of a closed segment. */
export function floorPositionInOffsetIndexFile(
  file: File,
  options: { size: number; position: number; scratch: Buffer },
): number {
  return floorInFile(file, options, options.position, positionAt)
}

/** What entries are ordered by: relative offsets and positions both ascend. */
type EntryKey = (bytes: Uint8Array, index: number) => number

function floorInFile(
  file: File,
  { size, scratch }: { size: number; scratch: Buffer },
  key: number,
  keyAt: EntryKey,
): number {
  const perPage = Math.floor(scratch.length / OFFSET_ENTRY_SIZE)
  let low = 0
  let high = Math.floor(size / OFFSET_ENTRY_SIZE)
  // Entries below `low` are at or below the key, those from `high` on are above it.
  while (high - low > perPage) {
    const middle = (low + high) >>> 1
    file.read(scratch, 0, OFFSET_ENTRY_SIZE, middle * OFFSET_ENTRY_SIZE)
    if (keyAt(scratch, 0) <= key) low = middle
    else high = middle
  }
  const read = file.read(scratch, 0, (high - low) * OFFSET_ENTRY_SIZE, low * OFFSET_ENTRY_SIZE)
  const index = floorIndex(scratch, Math.floor(read / OFFSET_ENTRY_SIZE), key, keyAt)
  return index < 0 ? 0 : positionAt(scratch, index)
}

/** The last of `count` entries whose key is at or below `key`, or -1. */
function floorIndex(bytes: Uint8Array, count: number, key: number, keyAt: EntryKey): number {
  let low = -1
  let high = count
  while (high - low > 1) {
    const middle = (low + high) >>> 1
    if (keyAt(bytes, middle) <= key) low = middle
    else high = middle
  }
  return low
}

function grown(bytes: Buffer): Buffer {
  const larger = Buffer.allocUnsafeSlow(Math.max(32 * OFFSET_ENTRY_SIZE, bytes.length * 2))
  bytes.copy(larger)
  return larger
}

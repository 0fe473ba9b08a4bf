import { int32At, putInt32 } from '../records/big-endian.ts'

/** Bytes of an entry: int32 offset relative to the segment's base, int32 position in the `.log` file (reference 4.2). */
export const OFFSET_ENTRY_SIZE = 8

/** An entry names the last offset of an append and the position at which that append begins: a reader scans forward from there. */
export interface OffsetIndexEntry {
  readonly offset: number
  readonly position: number
}

/** Relative offset of entry `index` in `bytes`. */
export function relativeOffsetAt(bytes: Uint8Array, index: number): number {
  return int32At(bytes, index * OFFSET_ENTRY_SIZE)
}

export function positionAt(bytes: Uint8Array, index: number): number {
  return int32At(bytes, index * OFFSET_ENTRY_SIZE + 4)
}

export function putOffsetEntry(bytes: Uint8Array, index: number, relativeOffset: number, position: number): void {
  putInt32(bytes, index * OFFSET_ENTRY_SIZE, relativeOffset)
  putInt32(bytes, index * OFFSET_ENTRY_SIZE + 4, position)
}

/**
 * Entries at the front of `bytes` that are in use. The file of an active segment is as large as it may become, and zero
 * where it is unused: positions grow strictly after the first entry, so the first entry that does not grow ends the index.
 */
export function usedOffsetEntries(bytes: Uint8Array): number {
  const slots = Math.floor(bytes.length / OFFSET_ENTRY_SIZE)
  let used = 0
  while (used < slots && positionAt(bytes, used) > (used === 0 ? 0 : positionAt(bytes, used - 1))) used++
  return used
}

export function decodeOffsetIndex(bytes: Uint8Array, baseOffset: number): OffsetIndexEntry[] {
  return Array.from({ length: usedOffsetEntries(bytes) }, (_, index) => ({
    offset: baseOffset + relativeOffsetAt(bytes, index),
    position: positionAt(bytes, index),
  }))
}

export function encodeOffsetIndex(entries: readonly OffsetIndexEntry[], baseOffset: number): Buffer {
  const bytes = Buffer.allocUnsafe(entries.length * OFFSET_ENTRY_SIZE)
  entries.forEach(({ offset, position }, index) => putOffsetEntry(bytes, index, offset - baseOffset, position))
  return bytes
}

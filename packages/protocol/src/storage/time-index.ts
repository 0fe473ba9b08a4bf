import { int32At, int64At, putInt32 } from '../records/big-endian.ts'
import { putNearestInt64 } from './nearest-int64.ts'

/** Bytes of an entry: int64 timestamp, int32 offset relative to the segment's base (reference 4.2). */
export const TIME_ENTRY_SIZE = 12

/** The largest max timestamp of the batches so far, and the last offset of the batch that carried it. */
export interface TimeIndexEntry {
  /** Nearest number to the int64: exact within 2^53 milliseconds. */
  readonly timestamp: number
  readonly offset: number
}

export function timestampAt(bytes: Uint8Array, index: number): number {
  return int64At(bytes, index * TIME_ENTRY_SIZE)
}

/** Offset of entry `index`, relative to the segment's base. */
export function timeRelativeOffsetAt(bytes: Uint8Array, index: number): number {
  return int32At(bytes, index * TIME_ENTRY_SIZE + 8)
}

export function putTimeEntry(bytes: Uint8Array, index: number, timestamp: number, relativeOffset: number): void {
  const position = index * TIME_ENTRY_SIZE
  putNearestInt64(bytes, position, timestamp)
  putInt32(bytes, position + 8, relativeOffset)
}

/**
 * Entries at the front of `bytes` that are in use: in the preallocated file of an active segment the rest is zero. Timestamps
 * never fall, and offsets never do, so the first entry below its predecessor ends the index; at the very front so does all zero.
 */
export function usedTimeEntries(bytes: Uint8Array): number {
  const slots = Math.floor(bytes.length / TIME_ENTRY_SIZE)
  let used = 0
  while (used < slots) {
    const timestamp = timestampAt(bytes, used)
    const offset = timeRelativeOffsetAt(bytes, used)
    if (used === 0 ? timestamp === 0 && offset === 0 && slots > 1 : timestamp < timestampAt(bytes, used - 1)) break
    if (used > 0 && offset < timeRelativeOffsetAt(bytes, used - 1)) break
    used++
  }
  return used
}

export function decodeTimeIndex(bytes: Uint8Array, baseOffset: number): TimeIndexEntry[] {
  return Array.from({ length: usedTimeEntries(bytes) }, (_, index) => ({
    timestamp: timestampAt(bytes, index),
    offset: baseOffset + timeRelativeOffsetAt(bytes, index),
  }))
}

export function encodeTimeIndex(entries: readonly TimeIndexEntry[], baseOffset: number): Buffer {
  const bytes = Buffer.allocUnsafe(entries.length * TIME_ENTRY_SIZE)
  entries.forEach(({ timestamp, offset }, index) => putTimeEntry(bytes, index, timestamp, offset - baseOffset))
  return bytes
}

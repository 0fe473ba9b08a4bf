import { int16At, int64At, putInt16, putInt64 } from '../records/big-endian.ts'
import { MalformedFile } from './malformed-file.ts'

/** Bytes of an entry: int16 version 0, then producerId, firstOffset, lastOffset, lastStableOffset as int64 (reference 4.2). */
export const TRANSACTION_ENTRY_SIZE = 34

/** One aborted transaction of a segment: the one that holds its abort marker. */
export interface TransactionIndexEntry {
  readonly producerId: number
  readonly firstOffset: number
  /** Offset of the abort marker; grows strictly from entry to entry. */
  readonly lastOffset: number
  /** First offset of the oldest transaction still open after the marker, or the marker's offset + 1. */
  readonly lastStableOffset: number
}

export function encodeTransactionIndex(entries: readonly TransactionIndexEntry[]): Buffer {
  const bytes = Buffer.allocUnsafe(entries.length * TRANSACTION_ENTRY_SIZE)
  entries.forEach((entry, index) => {
    const position = index * TRANSACTION_ENTRY_SIZE
    putInt16(bytes, position, 0)
    putInt64(bytes, position + 2, entry.producerId)
    putInt64(bytes, position + 10, entry.firstOffset)
    putInt64(bytes, position + 18, entry.lastOffset)
    putInt64(bytes, position + 26, entry.lastStableOffset)
  })
  return bytes
}

/** Throws MalformedFile for a version nobody has defined, a broken entry or a size that is no whole number of entries. */
export function decodeTransactionIndex(bytes: Uint8Array): TransactionIndexEntry[] {
  if (bytes.length % TRANSACTION_ENTRY_SIZE !== 0)
    throw malformed(`${bytes.length} bytes are no whole number of entries`)
  const entries: TransactionIndexEntry[] = []
  for (let position = 0; position < bytes.length; position += TRANSACTION_ENTRY_SIZE) {
    const version = int16At(bytes, position)
    if (version !== 0) throw malformed(`entry of version ${version} at ${position}`)
    const entry = {
      producerId: int64At(bytes, position + 2),
      firstOffset: int64At(bytes, position + 10),
      lastOffset: int64At(bytes, position + 18),
      lastStableOffset: int64At(bytes, position + 26),
    }
    if (entry.firstOffset < 0 || entry.lastOffset < entry.firstOffset)
      throw malformed(`offsets out of order at ${position}`)
    if (entry.lastOffset <= (entries.at(-1)?.lastOffset ?? -1))
      throw malformed(`last offsets do not grow at ${position}`)
    entries.push(entry)
  }
  return entries
}

function malformed(reason: string): MalformedFile {
  return new MalformedFile('transaction index', reason)
}

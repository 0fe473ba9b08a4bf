import { crc32c } from '../compression/crc32c.ts'
import { int16At, int32At, int64At, putInt16, putInt32, putInt64, uint32At } from '../records/big-endian.ts'
import { MalformedFile } from './malformed-file.ts'
import { putNearestInt64 } from './nearest-int64.ts'

const version = 1
const headerSize = 10
const crcPosition = 2
const checkedFrom = 6
const entrySize = 46

/** What a broker remembers of one idempotent producer at the snapshot's offset (reference 4.8). */
export interface ProducerSnapshotEntry {
  readonly producerId: number
  readonly producerEpoch: number
  /** Of the last batch; -1 when none is known. */
  readonly lastSequence: number
  /** Of the last batch; -1 when none is known. */
  readonly lastOffset: number
  /** Last batch's last offset minus its first. */
  readonly offsetDelta: number
  readonly timestamp: number
  /** Of the last transaction marker; -1 for none. */
  readonly coordinatorEpoch: number
  /** -1: no transaction is open. */
  readonly currentTransactionFirstOffset: number
}

/** int16 version 1, uint32 CRC-32C of all after it, int32 count, then 46 bytes per producer. */
export function encodeProducerSnapshot(entries: readonly ProducerSnapshotEntry[]): Buffer {
  const bytes = Buffer.allocUnsafe(headerSize + entries.length * entrySize)
  putInt16(bytes, 0, version)
  putInt32(bytes, checkedFrom, entries.length)
  entries.forEach((entry, index) => {
    const position = headerSize + index * entrySize
    putInt64(bytes, position, entry.producerId)
    putInt16(bytes, position + 8, entry.producerEpoch)
    putInt32(bytes, position + 10, entry.lastSequence)
    putInt64(bytes, position + 14, entry.lastOffset)
    putInt32(bytes, position + 22, entry.offsetDelta)
    putNearestInt64(bytes, position + 26, entry.timestamp)
    putInt32(bytes, position + 34, entry.coordinatorEpoch)
    putInt64(bytes, position + 38, entry.currentTransactionFirstOffset)
  })
  putInt32(bytes, crcPosition, crc32c(bytes, checkedFrom))
  return bytes
}

/** Throws MalformedFile for another version, a wrong checksum or a size that does not fit the count. */
export function decodeProducerSnapshot(bytes: Uint8Array): ProducerSnapshotEntry[] {
  if (bytes.length < headerSize) throw malformed(`${bytes.length} bytes are less than a header`)
  if (int16At(bytes, 0) !== version) throw malformed(`version ${int16At(bytes, 0)}`)
  if (uint32At(bytes, crcPosition) !== crc32c(bytes, checkedFrom)) throw malformed('wrong checksum')
  const count = int32At(bytes, checkedFrom)
  if (count < 0 || bytes.length !== headerSize + count * entrySize)
    throw malformed(`${count} entries in ${bytes.length} bytes`)
  return Array.from({ length: count }, (_, index) => {
    const position = headerSize + index * entrySize
    return {
      producerId: int64At(bytes, position),
      producerEpoch: int16At(bytes, position + 8),
      lastSequence: int32At(bytes, position + 10),
      lastOffset: int64At(bytes, position + 14),
      offsetDelta: int32At(bytes, position + 22),
      timestamp: int64At(bytes, position + 26),
      coordinatorEpoch: int32At(bytes, position + 34),
      currentTransactionFirstOffset: int64At(bytes, position + 38),
    }
  })
}

function malformed(reason: string): MalformedFile {
  return new MalformedFile('producer snapshot', reason)
}

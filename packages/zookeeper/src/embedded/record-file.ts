import { crc32 } from './crc32.ts'

/**
 * Records one after the other: int32 length, uint32 CRC-32 of the payload, payload (JSON). Both files of the store use it.
 *
 *   | length | crc | payload … | length | crc | payload … |
 */
export function encodeRecord(value: unknown): Buffer {
  const payload = Buffer.from(JSON.stringify(value))
  const record = Buffer.allocUnsafe(headerBytes + payload.length)
  record.writeInt32BE(payload.length, 0)
  record.writeUInt32BE(crc32(payload), 4)
  payload.copy(record, headerBytes)
  return record
}

/** Records from `start` to the first one that is not whole; `end` is where that one begins, or the end of the bytes. */
export function decodeRecords(bytes: Buffer): { values: unknown[]; end: number } {
  const values: unknown[] = []
  let end = 0
  while (bytes.length - end >= headerBytes) {
    const length = bytes.readInt32BE(end)
    const next = end + headerBytes + length
    // A length of zero is what a file system leaves in a hole after a power cut: no payload is empty.
    if (length <= 0 || next > bytes.length) break
    const payload = bytes.subarray(end + headerBytes, next)
    if (crc32(payload) !== bytes.readUInt32BE(end + 4)) break
    values.push(JSON.parse(payload.toString()))
    end = next
  }
  return { values, end }
}

/**
 * True when what follows the last whole record can be a write that did not finish: less than one record, or one last
 * record that is damaged. Anything else is damage in the middle, and cutting it off would lose acknowledged writes.
 */
export function isTornTail(bytes: Buffer, end: number): boolean {
  if (bytes.length - end < headerBytes) return true
  const length = bytes.readInt32BE(end)
  return length > 0 ? end + headerBytes + length >= bytes.length : isZero(bytes.subarray(end))
}

const headerBytes = 8

function isZero(bytes: Buffer): boolean {
  return bytes.every(byte => byte === 0)
}

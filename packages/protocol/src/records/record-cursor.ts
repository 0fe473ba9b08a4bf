import { MalformedRecords } from './malformed-records.ts'
import { BATCH_HEADER_SIZE, baseOffsetAt, batchSizeAt, recordCountAt } from './record-batch.ts'
import { afterHeaders } from './record-walk.ts'
import { varint, varintAt, varlongAt } from './varint.ts'

/**
 * Walks the records of a magic 2 batch as positions in bytes; makes no object of any. One cursor may walk batch after batch.
 *
 *     cursor.open(batch, position, payload)
 *     while (cursor.next()) use(cursor.bytes, cursor.keyAt, cursor.keyLength)
 *
 * Refuses what `walkRecords` refuses, when it gets there.
 */
export class RecordCursor {
  /** What the positions below count in: the batch itself, or its decompressed payload. */
  bytes: Uint8Array = none
  /** Of the announced record, its size included. */
  start = 0
  /** Where the announced record ends; before the first, where the records begin. */
  stop = 0
  /** Where its attributes stand, after the size; the timestamp delta follows. */
  bodyAt = 0
  timestampDelta: number | bigint = 0
  offsetDelta = 0
  /** Where key, value and headers begin, the key's length first. */
  fieldsAt = 0
  keyAt = 0
  /** Negative for none. */
  keyLength = 0
  valueAt = 0
  /** Negative for none: a tombstone. */
  valueLength = 0
  private baseOffset = 0
  private end = 0
  private count = 0
  private index = 0

  /** Begins with the batch at `position`, which must lie wholly in `batch`; `payload` is what `openPayload` gave, or null when it is not compressed. */
  open(batch: Uint8Array, position: number, payload: Uint8Array | null): void {
    this.bytes = payload ?? batch
    this.stop = payload === null ? position + BATCH_HEADER_SIZE : 0
    this.end = payload === null ? position + batchSizeAt(batch, position) : payload.length
    this.baseOffset = baseOffsetAt(batch, position)
    this.count = recordCountAt(batch, position)
    this.index = 0
    if (this.count < 0) throw this.malformed(`record count ${this.count}`, -1)
  }

  /** Moves to the next record; false after the last. Throws MalformedRecords. */
  next(): boolean {
    if (!this.nextOffset()) return false
    this.readFields()
    return true
  }

  /** As `next`, but what stands behind the offset delta is only read by `readFields`: for who drops most records by their offsets. */
  nextOffset(): boolean {
    const { bytes, end } = this
    if (this.index >= this.count) {
      if (this.stop !== end) throw this.malformed(`${end - this.stop} bytes after the last of ${this.count} records`)
      return false
    }
    this.start = this.stop
    const size = varintAt(bytes, this.start, end)
    const bodyAt = varint.end
    if (bodyAt < 0) throw this.malformed('its size is no varint')
    const stop = bodyAt + size
    if (size < 6 || stop > end) throw this.malformed(`impossible size ${size}, ${end - bodyAt} bytes left`)
    this.timestampDelta = varlongAt(bytes, bodyAt + 1, stop)
    if (varint.end < 0) throw this.malformed('its timestamp delta is no varlong')
    this.offsetDelta = varintAt(bytes, varint.end, stop)
    const fieldsAt = varint.end
    if (fieldsAt < 0) throw this.malformed('its offset delta is no varint')
    this.bodyAt = bodyAt
    this.fieldsAt = fieldsAt
    this.stop = stop
    this.index++
    return true
  }

  /** Key, value and headers of the record that `nextOffset` moved to. Throws MalformedRecords. */
  readFields(): void {
    const { bytes, fieldsAt, stop } = this
    const keyLength = varintAt(bytes, fieldsAt, stop)
    const keyAt = varint.end
    if (keyAt < 0 || keyLength > stop - keyAt) throw this.malformed('its key does not fit', this.index - 1)
    const valueLength = varintAt(bytes, keyLength > 0 ? keyAt + keyLength : keyAt, stop)
    const valueAt = varint.end
    if (valueAt < 0 || valueLength > stop - valueAt) throw this.malformed('its value does not fit', this.index - 1)
    const headersAt = valueLength > 0 ? valueAt + valueLength : valueAt
    const hasNoHeaders = headersAt === stop - 1 && bytes[headersAt] === 0
    if (!hasNoHeaders && afterHeaders(bytes, headersAt, stop) !== stop) {
      throw this.malformed('its headers are malformed or do not end where it ends', this.index - 1)
    }
    this.keyAt = keyAt
    this.keyLength = keyLength
    this.valueAt = valueAt
    this.valueLength = valueLength
  }

  private malformed(reason: string, recordIndex = this.index): MalformedRecords {
    return new MalformedRecords(this.baseOffset, recordIndex, reason)
  }
}

const none = new Uint8Array(0)

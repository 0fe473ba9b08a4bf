import { CorruptPayload } from '../compression/corrupt-payload.ts'
import { decompress, knownCodecName } from '../compression/codec.ts'
import { crc32 } from '../compression/crc32c.ts'
import { lz4Decompress } from '../compression/lz4.ts'
import { bigint64At, int32At, int64At, uint32At } from './big-endian.ts'
import { MalformedRecords } from './malformed-records.ts'
import { asBuffer } from './record.ts'
import type { ReadRecord, RecordHeader } from './record.ts'
import {
  Attribute,
  batchSizeAt,
  LOG_OVERHEAD,
  magicAt,
  MIN_BATCH_LENGTH,
  NO_TIMESTAMP,
  TimestampType,
} from './record-batch.ts'
import { narrowed } from './varint.ts'

// Magic 0 and 1: no batches, only messages, and for compression a message whose value is a set of messages.
//
//   0 offset int64   8 size int32   12 crc uint32 ── CRC-32 of byte 16 to the end ──► 16 magic int8   17 attributes int8
//   18 timestamp int64 (magic 1 only)   key: length int32, bytes   value: length int32, bytes
//
// BatchCursor walks them as it walks batches; the functions below read one at a position, which the cursor has announced.

const noHeaders: readonly RecordHeader[] = []
/** 26 bytes of a magic 0 message with null key and value, 34 of magic 1. */
const LEAST_SIZE = [LOG_OVERHEAD + MIN_BATCH_LENGTH, LOG_OVERHEAD + MIN_BATCH_LENGTH + 8] as const

/** A record of magic 0 or 1. */
export class MessageRecord implements ReadRecord {
  readonly offset: number
  readonly exactTimestamp: number | bigint
  readonly key: Buffer | null
  readonly value: Buffer | null

  constructor(offset: number, exactTimestamp: number | bigint, key: Buffer | null, value: Buffer | null) {
    this.offset = offset
    this.exactTimestamp = exactTimestamp
    this.key = key
    this.value = value
  }

  get timestamp(): number {
    return Number(this.exactTimestamp)
  }

  get headers(): readonly RecordHeader[] {
    return noHeaders
  }
}

export function messageCrcAt(buffer: Uint8Array, position: number): number {
  return uint32At(buffer, position + 12)
}

export function isMessageCrcValidAt(buffer: Uint8Array, position: number): boolean {
  return messageCrcAt(buffer, position) === crc32(buffer, position + 16, position + batchSizeAt(buffer, position))
}

export function messageCodecAt(buffer: Uint8Array, position: number): number {
  return buffer[position + 17]! & Attribute.codecMask
}

/** Null in magic 0, which has no timestamps. */
export function messageTimestampTypeAt(buffer: Uint8Array, position: number): TimestampType | null {
  if (magicAt(buffer, position) === 0) return null
  return (buffer[position + 17]! & Attribute.logAppendTime) === 0
    ? TimestampType.CreateTime
    : TimestampType.LogAppendTime
}

/** -1 in magic 0. In a wrapper the largest of its messages, or the time of append. */
export function messageTimestampAt(buffer: Uint8Array, position: number): number | bigint {
  return magicAt(buffer, position) === 0 ? NO_TIMESTAMP : narrowed(bigint64At(buffer, position + 18))
}

/**
 * The records of the message at `position` that BatchCursor announced: itself, or what it wraps. The decompressed set may have at most `maxBytes`;
 * a wrapper inside a wrapper is refused, so the depth is two. Inner offsets are absolute in magic 0 and count from the first message's in magic 1,
 * where the wrapper has the last one's (KIP-31); with LogAppendTime each takes the wrapper's timestamp (KIP-32).
 * CRCs are the caller's business. Throws MalformedRecords and CorruptPayload.
 */
export function readMessage(buffer: Uint8Array, position: number, maxBytes: number): MessageRecord[] {
  const size = batchSizeAt(buffer, position)
  const message = messageAt(asBuffer(buffer.subarray(position, position + size)), 0, size, {
    offset: int64At(buffer, position),
    index: -1,
  })
  return messageCodecAt(buffer, position) === 0 ? [message] : unwrap(buffer, position, message, maxBytes)
}

function unwrap(buffer: Uint8Array, position: number, wrapper: MessageRecord, maxBytes: number): MessageRecord[] {
  if (wrapper.value === null) throw new MalformedRecords(wrapper.offset, -1, 'a wrapper without a value')
  const magic = magicAt(buffer, position)
  const set = asBuffer(openWrapper(messageCodecAt(buffer, position), magic, wrapper.value, maxBytes))
  const isLogAppendTime = messageTimestampTypeAt(buffer, position) === TimestampType.LogAppendTime
  const inner: MessageRecord[] = []
  for (let at = 0; set.length - at >= LOG_OVERHEAD;) {
    const length = int32At(set, at + 8)
    const index = inner.length
    if (length < MIN_BATCH_LENGTH) throw new MalformedRecords(wrapper.offset, index, `impossible size ${length}`)
    const size = length + LOG_OVERHEAD
    if (size > set.length - at) break
    if (magicAt(set, at) !== magic)
      throw new MalformedRecords(wrapper.offset, index, `magic ${magicAt(set, at)} inside magic ${magic}`)
    if (messageCodecAt(set, at) !== 0) throw new MalformedRecords(wrapper.offset, index, 'a wrapper inside a wrapper')
    const message = messageAt(set, at, size, { offset: wrapper.offset, index })
    inner.push(
      isLogAppendTime ? new MessageRecord(message.offset, wrapper.exactTimestamp, message.key, message.value) : message,
    )
    at += size
  }
  const last = inner.at(-1)
  if (last === undefined) throw new MalformedRecords(wrapper.offset, -1, 'a wrapper without messages')
  // The outer offset may be 0 in what some versions of librdkafka produce.
  if (magic === 0 || wrapper.offset === 0) return inner
  if (wrapper.offset < last.offset)
    throw new MalformedRecords(wrapper.offset, -1, `the wrapper's offset is below the inner ${last.offset}`)
  const base = wrapper.offset - last.offset
  return base === 0 ? inner : inner.map(m => new MessageRecord(base + m.offset, m.exactTimestamp, m.key, m.value))
}

function openWrapper(codec: number, magic: number, value: Uint8Array, maxBytes: number): Uint8Array {
  const name = knownCodecName(codec)
  if (name === 'zstd') throw new CorruptPayload('zstd', 'does not exist below magic 2')
  return name === 'lz4' && magic === 0
    ? lz4Decompress(value, maxBytes, { ignoreHeaderChecksum: true })
    : decompress(name, value, maxBytes)
}

function messageAt(
  buffer: Buffer,
  position: number,
  size: number,
  where: { offset: number; index: number },
): MessageRecord {
  const magic = magicAt(buffer, position)
  if (magic !== 0 && magic !== 1)
    throw new MalformedRecords(where.offset, where.index, `magic ${magic} in a message set`)
  if (size < LEAST_SIZE[magic])
    throw new MalformedRecords(where.offset, where.index, `${size} bytes, fewer than magic ${magic} needs`)
  const stop = position + size
  const keyAt = position + LEAST_SIZE[magic] - 4
  const keyLength = int32At(buffer, keyAt - 4)
  const valueAt = keyAt + Math.max(keyLength, 0) + 4
  if (valueAt > stop) throw new MalformedRecords(where.offset, where.index, 'its key does not fit')
  const valueLength = int32At(buffer, valueAt - 4)
  if (valueLength > stop - valueAt) throw new MalformedRecords(where.offset, where.index, 'its value does not fit')
  return new MessageRecord(
    int64At(buffer, position),
    messageTimestampAt(buffer, position),
    keyLength < 0 ? null : buffer.subarray(keyAt, keyAt + keyLength),
    valueLength < 0 ? null : buffer.subarray(valueAt, valueAt + valueLength),
  )
}

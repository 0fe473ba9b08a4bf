import { Codec, compress } from '../compression/codec.ts'
import type { CodecName } from '../compression/codec.ts'
import { crc32 } from '../compression/crc32c.ts'
import { lz4Compress } from '../compression/lz4.ts'
import { putInt32, putInt64 } from './big-endian.ts'
import { Attribute, LOG_OVERHEAD, NO_TIMESTAMP, TimestampType } from './record-batch.ts'

/** A message of magic 0 or 1 to write; `timestamp` is not written in magic 0. */
export interface NewMessage {
  readonly offset: number
  readonly timestamp: number | bigint
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
}

export interface MessageSetOptions {
  readonly magic: 0 | 1
  readonly codec?: Exclude<CodecName, 'zstd'>
  readonly timestampType?: TimestampType
}

/**
 * Messages of magic 0 or 1 in a row, or one wrapper around them when there is a codec: what clients before 0.11 write and read.
 * Offsets inside a wrapper are absolute in magic 0 and count from the first in magic 1 (KIP-31).
 */
export function buildMessageSet(messages: readonly NewMessage[], options: MessageSetOptions): Buffer {
  const { magic, codec = 'none', timestampType = TimestampType.CreateTime } = options
  const typeBit = magic === 1 && timestampType === TimestampType.LogAppendTime ? Attribute.logAppendTime : 0
  const first = messages[0]?.offset ?? 0
  if (codec === 'none') return Buffer.concat(messages.map(message => encode(message, magic, typeBit)))
  const inner = messages.map(each =>
    encode(magic === 0 ? each : { ...each, offset: each.offset - first }, magic, typeBit),
  )
  const set = Buffer.concat(inner)
  const value = codec === 'lz4' ? lz4Compress(set, { brokenHeaderChecksum: magic === 0 }) : compress(codec, set)
  let timestamp: number | bigint = NO_TIMESTAMP
  for (const message of messages) if (message.timestamp > timestamp) timestamp = message.timestamp
  return encode({ offset: messages.at(-1)?.offset ?? 0, timestamp, key: null, value }, magic, typeBit | Codec[codec])
}

function encode({ offset, timestamp, key, value }: NewMessage, magic: 0 | 1, attributes: number): Buffer {
  const keyAt = magic === 0 ? 18 : 26
  const message = Buffer.allocUnsafe(keyAt + 8 + (key?.length ?? 0) + (value?.length ?? 0))
  putInt64(message, 0, offset)
  putInt32(message, 8, message.length - LOG_OVERHEAD)
  message[16] = magic
  message[17] = attributes
  if (magic === 1) putInt64(message, 18, timestamp)
  putBytes(message, putBytes(message, keyAt, key), value)
  putInt32(message, 12, crc32(message, 16))
  return message
}

function putBytes(message: Buffer, position: number, bytes: Uint8Array | null): number {
  putInt32(message, position, bytes === null ? -1 : bytes.length)
  if (bytes !== null) message.set(bytes, position + 4)
  return position + 4 + (bytes?.length ?? 0)
}

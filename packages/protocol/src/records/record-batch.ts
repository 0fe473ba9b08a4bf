import { Codec, codecName } from '../compression/codec.ts'
import type { CodecName } from '../compression/codec.ts'
import { crc32c } from '../compression/crc32c.ts'
import { bigint64At, int16At, int32At, int64At, putInt16, putInt32, putInt64, uint32At } from './big-endian.ts'

// A record batch of magic 2 is bytes at a position of some buffer (reference 4.3). The functions below read and patch its header there,
// without an object per batch:
//
//   0 baseOffset          int64     21 attributes       int16     43 producerId     int64
//   8 batchLength         int32     23 lastOffsetDelta  int32     51 producerEpoch  int16
//  12 partitionLeaderEpoch int32    27 baseTimestamp    int64     53 baseSequence   int32
//  16 magic               int8      35 maxTimestamp     int64     57 recordCount    int32
//  17 crc                 uint32 ── CRC-32C of byte 21 to the end ──────────────────► 61 records
//
// They trust the position: at least 61 bytes must stand there (BatchCursor proves it). Base offset and leader epoch lie before the
// checksummed part, so a broker overwrites them for free.

/** Bytes of a magic 2 header: an empty batch. */
export const BATCH_HEADER_SIZE = 61
/** Bytes before the part that `batchLength` counts: offset and length. */
export const LOG_OVERHEAD = 12
/** Bytes that tell where a batch ends and how to read it, in every magic. */
export const HEADER_SIZE_UP_TO_MAGIC = 17
/** The smallest `batchLength` of any magic: a magic 0 message with null key and null value (Kafka's RECORD_OVERHEAD_V0). */
export const MIN_BATCH_LENGTH = 14

export const NO_TIMESTAMP = -1
export const NO_PRODUCER_ID = -1
export const NO_SEQUENCE = -1

export const TimestampType = { CreateTime: 0, LogAppendTime: 1 } as const
export type TimestampType = (typeof TimestampType)[keyof typeof TimestampType]

/** Bits of the attributes field. */
export const Attribute = {
  codecMask: 0x07,
  logAppendTime: 0x08,
  transactional: 0x10,
  control: 0x20,
  deleteHorizon: 0x40,
} as const

const MAX_INT32 = 0x7fffffff
const crcPosition = 17
const attributesPosition = 21

/** The number nearest to the base offset; BatchCursor refuses one that is negative or beyond 2^53. */
export function baseOffsetAt(buffer: Uint8Array, position: number): number {
  return int64At(buffer, position)
}

export function batchLengthAt(buffer: Uint8Array, position: number): number {
  return int32At(buffer, position + 8)
}

/** Bytes of the whole batch: any magic. */
export function batchSizeAt(buffer: Uint8Array, position: number): number {
  return int32At(buffer, position + 8) + LOG_OVERHEAD
}

export function partitionLeaderEpochAt(buffer: Uint8Array, position: number): number {
  return int32At(buffer, position + 12)
}

/** The format, as a signed byte: 0, 1 or 2 in a sound batch. Any magic. */
export function magicAt(buffer: Uint8Array, position: number): number {
  return (buffer[position + 16]! << 24) >> 24
}

export function crcAt(buffer: Uint8Array, position: number): number {
  return uint32At(buffer, position + crcPosition)
}

export function attributesAt(buffer: Uint8Array, position: number): number {
  return int16At(buffer, position + attributesPosition)
}

/** The codec id, 0 to 7; `codecName` or `knownCodecName` of compression/codec name it. */
export function codecAt(buffer: Uint8Array, position: number): number {
  return buffer[position + 22]! & Attribute.codecMask
}

export function isLogAppendTimeAt(buffer: Uint8Array, position: number): boolean {
  return (buffer[position + 22]! & Attribute.logAppendTime) !== 0
}

export function isTransactionalAt(buffer: Uint8Array, position: number): boolean {
  return (buffer[position + 22]! & Attribute.transactional) !== 0
}

export function isControlAt(buffer: Uint8Array, position: number): boolean {
  return (buffer[position + 22]! & Attribute.control) !== 0
}

/** True when the base timestamp field holds the time at which tombstones or a marker may go (KIP-534). */
export function hasDeleteHorizonAt(buffer: Uint8Array, position: number): boolean {
  return (buffer[position + 22]! & Attribute.deleteHorizon) !== 0
}

export function lastOffsetDeltaAt(buffer: Uint8Array, position: number): number {
  return int32At(buffer, position + 23)
}

/** Offset of the batch's last record as it was first written; compaction may have removed that record. */
export function lastOffsetAt(buffer: Uint8Array, position: number): number {
  return int64At(buffer, position) + int32At(buffer, position + 23)
}

/** The number nearest to the base timestamp (the delete horizon where that bit is set); see `int64At` for what is safe with it. */
export function baseTimestampAt(buffer: Uint8Array, position: number): number {
  return int64At(buffer, position + 27)
}

export function exactBaseTimestampAt(buffer: Uint8Array, position: number): bigint {
  return bigint64At(buffer, position + 27)
}

/** The number nearest to the max timestamp: any int64 may stand here, so compare with it, and copy `exactMaxTimestampAt`. */
export function maxTimestampAt(buffer: Uint8Array, position: number): number {
  return int64At(buffer, position + 35)
}

export function exactMaxTimestampAt(buffer: Uint8Array, position: number): bigint {
  return bigint64At(buffer, position + 35)
}

/** -1 for none. An id beyond 2^53 is rounded: refuse it before it becomes a key (no broker hands one out). */
export function producerIdAt(buffer: Uint8Array, position: number): number {
  return int64At(buffer, position + 43)
}

export function producerEpochAt(buffer: Uint8Array, position: number): number {
  return int16At(buffer, position + 51)
}

/** -1 for none. */
export function baseSequenceAt(buffer: Uint8Array, position: number): number {
  return int32At(buffer, position + 53)
}

/** The last record's sequence number: wraps from 2^31 - 1 to 0; -1 when the batch has none. */
export function lastSequenceAt(buffer: Uint8Array, position: number): number {
  const baseSequence = baseSequenceAt(buffer, position)
  return baseSequence === NO_SEQUENCE
    ? NO_SEQUENCE
    : incrementSequence(baseSequence, lastOffsetDeltaAt(buffer, position))
}

/** What the header claims; `walkRecords` proves it. May be 0 after compaction, and anything in a hostile batch. */
export function recordCountAt(buffer: Uint8Array, position: number): number {
  return int32At(buffer, position + 57)
}

/** `sequence + increment`, wrapping from 2^31 - 1 to 0 (KIP-98). */
export function incrementSequence(sequence: number, increment: number): number {
  return sequence > MAX_INT32 - increment ? increment - (MAX_INT32 - sequence) - 1 : sequence + increment
}

/** `sequence - decrement`, wrapping from 0 to 2^31 - 1. */
export function decrementSequence(sequence: number, decrement: number): number {
  return sequence < decrement ? MAX_INT32 - (decrement - sequence) + 1 : sequence - decrement
}

/** Moves the batch: not covered by the CRC. */
export function setBaseOffset(buffer: Uint8Array, position: number, baseOffset: number): void {
  putInt64(buffer, position, baseOffset)
}

/** Not covered by the CRC, for just this reason: every leader stamps its own. */
export function setPartitionLeaderEpoch(buffer: Uint8Array, position: number, partitionLeaderEpoch: number): void {
  putInt32(buffer, position + 12, partitionLeaderEpoch)
}

/**
 * Sets timestamp type and max timestamp, and the CRC when something changed (a pass over the whole batch). With LogAppendTime every
 * record takes `maxTimestamp`; base timestamp and deltas stay as the producer wrote them.
 */
export function setMaxTimestamp(
  buffer: Uint8Array,
  position: number,
  options: { timestampType: TimestampType; maxTimestamp: number | bigint },
): void {
  const attributes = attributesAt(buffer, position)
  const isLogAppendTime = options.timestampType === TimestampType.LogAppendTime
  const wanted = isLogAppendTime ? attributes | Attribute.logAppendTime : attributes & ~Attribute.logAppendTime
  if (wanted === attributes && exactMaxTimestampAt(buffer, position) === BigInt(options.maxTimestamp)) return
  putInt16(buffer, position + attributesPosition, wanted)
  putInt64(buffer, position + 35, options.maxTimestamp)
  updateCrc(buffer, position)
}

/** Sets the 16 attribute bits, and the CRC when something changed. */
export function setAttributes(buffer: Uint8Array, position: number, attributes: number): void {
  if (attributesAt(buffer, position) === attributes) return
  putInt16(buffer, position + attributesPosition, attributes)
  updateCrc(buffer, position)
}

/** Writes the CRC that the batch's bytes have now. */
export function updateCrc(buffer: Uint8Array, position: number): void {
  putInt32(buffer, position + crcPosition, computeCrc(buffer, position))
}

/** The CRC-32C of the batch's bytes; the batch must lie wholly in `buffer`. */
export function computeCrc(buffer: Uint8Array, position: number): number {
  return crc32c(buffer, position + attributesPosition, position + batchSizeAt(buffer, position))
}

/** True when stored and computed CRC agree. The batch must lie wholly in `buffer` and be at least a header long. */
export function isCrcValidAt(buffer: Uint8Array, position: number): boolean {
  return crcAt(buffer, position) === computeCrc(buffer, position)
}

/**
 * The same reads as properties, for code that is not hot. Holds no copy: it reads the buffer that it was given, as it is at that moment.
 * The caller has proved that the batch lies wholly in `buffer` (BatchCursor does).
 */
export class RecordBatch {
  readonly buffer: Uint8Array
  readonly position: number

  constructor(buffer: Uint8Array, position = 0) {
    this.buffer = buffer
    this.position = position
  }

  get baseOffset(): number {
    return baseOffsetAt(this.buffer, this.position)
  }
  get lastOffset(): number {
    return lastOffsetAt(this.buffer, this.position)
  }
  get size(): number {
    return batchSizeAt(this.buffer, this.position)
  }
  get partitionLeaderEpoch(): number {
    return partitionLeaderEpochAt(this.buffer, this.position)
  }
  get magic(): number {
    return magicAt(this.buffer, this.position)
  }
  get crc(): number {
    return crcAt(this.buffer, this.position)
  }
  get isCrcValid(): boolean {
    return isCrcValidAt(this.buffer, this.position)
  }
  get attributes(): number {
    return attributesAt(this.buffer, this.position)
  }
  /** Null for an id that nobody has defined. */
  get codec(): CodecName | null {
    return codecName(codecAt(this.buffer, this.position))
  }
  get isCompressed(): boolean {
    return codecAt(this.buffer, this.position) !== Codec.none
  }
  get timestampType(): TimestampType {
    return isLogAppendTimeAt(this.buffer, this.position) ? TimestampType.LogAppendTime : TimestampType.CreateTime
  }
  get isTransactional(): boolean {
    return isTransactionalAt(this.buffer, this.position)
  }
  get isControl(): boolean {
    return isControlAt(this.buffer, this.position)
  }
  /** Null without that bit (KIP-534). */
  get deleteHorizonMs(): number | null {
    return hasDeleteHorizonAt(this.buffer, this.position) ? baseTimestampAt(this.buffer, this.position) : null
  }
  get lastOffsetDelta(): number {
    return lastOffsetDeltaAt(this.buffer, this.position)
  }
  get baseTimestamp(): number {
    return baseTimestampAt(this.buffer, this.position)
  }
  get maxTimestamp(): number {
    return maxTimestampAt(this.buffer, this.position)
  }
  get producerId(): number {
    return producerIdAt(this.buffer, this.position)
  }
  get hasProducerId(): boolean {
    return this.producerId > NO_PRODUCER_ID
  }
  get producerEpoch(): number {
    return producerEpochAt(this.buffer, this.position)
  }
  get baseSequence(): number {
    return baseSequenceAt(this.buffer, this.position)
  }
  get lastSequence(): number {
    return lastSequenceAt(this.buffer, this.position)
  }
  get recordCount(): number {
    return recordCountAt(this.buffer, this.position)
  }
  /** The bytes after the header, compressed as they are; a view. */
  get payload(): Uint8Array {
    return this.buffer.subarray(this.position + BATCH_HEADER_SIZE, this.position + this.size)
  }
  /** The whole batch as a view. */
  get bytes(): Uint8Array {
    return this.buffer.subarray(this.position, this.position + this.size)
  }
}

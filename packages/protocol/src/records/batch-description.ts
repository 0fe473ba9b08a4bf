import { knownCodecName } from '../compression/codec.ts'
import type { CodecName } from '../compression/codec.ts'
import { BatchCursor } from './batch-cursor.ts'
import { MalformedRecords } from './malformed-records.ts'
import {
  isMessageCrcValidAt,
  messageCodecAt,
  messageCrcAt,
  messageTimestampTypeAt,
  readMessage,
} from './message-set.ts'
import { readRecords } from './record.ts'
import type { ReadRecord } from './record.ts'
import { NO_PRODUCER_ID, NO_SEQUENCE, RecordBatch, TimestampType, baseOffsetAt } from './record-batch.ts'

/** What a batch of magic 2, or a message of magic 0 or 1 with what it wraps, says: for tools and checks, not for hot paths. */
export interface BatchDescription {
  readonly position: number
  readonly size: number
  readonly magic: number
  readonly codec: CodecName
  /** Null in magic 0. */
  readonly timestampType: TimestampType | null
  readonly isTransactional: boolean
  readonly isControl: boolean
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly lastSequence: number
  readonly baseOffset: number
  readonly lastOffset: number
  /** -1 below magic 2. */
  readonly partitionLeaderEpoch: number
  readonly crc: number
  readonly isCrcValid: boolean
  /** Attributes, both timestamps and the delete horizon: null below magic 2. */
  readonly header: {
    readonly attributes: number
    readonly baseTimestamp: number
    readonly maxTimestamp: number
    readonly recordCount: number
    readonly deleteHorizonMs: number | null
  } | null
  /** Reads the records, and decompresses at most `maxBytes` for it. Throws MalformedRecords and CorruptPayload. */
  records(maxBytes: number): readonly ReadRecord[]
}

/**
 * Describes each batch in `buffer`, whatever its magic. `maxBytes` bounds what is decompressed to learn a wrapper's first offset.
 * Throws MalformedRecords where no batch stands (an incomplete one at the end is left out), and CorruptPayload.
 */
export function describeBatches(buffer: Uint8Array, maxBytes: number): BatchDescription[] {
  const cursor = new BatchCursor(buffer)
  const descriptions: BatchDescription[] = []
  while (cursor.next()) {
    const { position, size, magic } = cursor
    descriptions.push(
      magic === 2 ? describeBatch(buffer, position) : describeMessage(buffer, { position, size, magic }, maxBytes),
    )
  }
  if (cursor.fault !== null) throw new MalformedRecords(-1, -1, `${cursor.reason} (at byte ${cursor.position})`)
  return descriptions
}

function describeBatch(buffer: Uint8Array, position: number): BatchDescription {
  const batch = new RecordBatch(buffer, position)
  return {
    position,
    size: batch.size,
    magic: 2,
    codec: knownCodecName(batch.attributes & 7),
    timestampType: batch.timestampType,
    isTransactional: batch.isTransactional,
    isControl: batch.isControl,
    producerId: batch.producerId,
    producerEpoch: batch.producerEpoch,
    baseSequence: batch.baseSequence,
    lastSequence: batch.lastSequence,
    baseOffset: batch.baseOffset,
    lastOffset: batch.lastOffset,
    partitionLeaderEpoch: batch.partitionLeaderEpoch,
    crc: batch.crc,
    isCrcValid: batch.isCrcValid,
    header: {
      attributes: batch.attributes,
      baseTimestamp: batch.baseTimestamp,
      maxTimestamp: batch.maxTimestamp,
      recordCount: batch.recordCount,
      deleteHorizonMs: batch.deleteHorizonMs,
    },
    records: limit => readRecords(buffer, position, limit),
  }
}

interface Place {
  readonly position: number
  readonly size: number
  readonly magic: number
}

function describeMessage(buffer: Uint8Array, { position, size, magic }: Place, maxBytes: number): BatchDescription {
  const codec = knownCodecName(messageCodecAt(buffer, position))
  const offset = baseOffsetAt(buffer, position)
  return {
    position,
    size,
    magic,
    codec,
    timestampType: messageTimestampTypeAt(buffer, position),
    isTransactional: false,
    isControl: false,
    producerId: NO_PRODUCER_ID,
    producerEpoch: -1,
    baseSequence: NO_SEQUENCE,
    lastSequence: NO_SEQUENCE,
    baseOffset: codec === 'none' ? offset : readMessage(buffer, position, maxBytes)[0]!.offset,
    lastOffset: offset,
    partitionLeaderEpoch: -1,
    crc: messageCrcAt(buffer, position),
    isCrcValid: isMessageCrcValidAt(buffer, position),
    header: null,
    records: limit => readMessage(buffer, position, limit),
  }
}

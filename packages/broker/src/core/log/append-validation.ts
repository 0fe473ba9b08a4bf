import { Codec, codecName } from '@millrace/protocol/compression/codec'
import type { CodecName } from '@millrace/protocol/compression/codec'
import { CorruptPayload } from '@millrace/protocol/compression/corrupt-payload'
import { ErrorCode } from '@millrace/protocol/errors'
import { recompressBatch } from '@millrace/protocol/records/batch-builder'
import { BatchCursor, BatchFault } from '@millrace/protocol/records/batch-cursor'
import { MalformedRecords } from '@millrace/protocol/records/malformed-records'
import { openPayload } from '@millrace/protocol/records/payload'
import {
  BATCH_HEADER_SIZE,
  TimestampType,
  baseOffsetAt,
  baseSequenceAt,
  codecAt,
  isControlAt,
  isCrcValidAt,
  isLogAppendTimeAt,
  lastOffsetDeltaAt,
  maxTimestampAt,
  producerIdAt,
  recordCountAt,
  setMaxTimestamp,
} from '@millrace/protocol/records/record-batch'
import { walkRecords } from '@millrace/protocol/records/record-walk'
import type { RejectedRecord, WalkedRecords } from '@millrace/protocol/records/record-walk'
import type { TopicSettings } from '../../settings/topic-settings.ts'
import type { AppendOrigin, AppendRefused, RecordError } from './append-outcome.ts'

export interface ValidationOptions {
  readonly origin: AppendOrigin
  /** Of the Produce request, 3 or more. */
  readonly apiVersion: number
  readonly nowMs: number
  /** `topic-partition`, for Kafka's messages. */
  readonly topicPartition: string
  readonly logStartOffset: number
  readonly settings: TopicSettings
}

/** One batch of magic 2, fit for the log but for its base offset and leader epoch. */
export interface ValidatedBatch {
  readonly ok: true
  /** The batch: a view of the request's bytes, patched in place, or a new one when the codec changed. */
  readonly batch: Buffer
  readonly lastOffsetDelta: number
  /** As the header says now: the largest record timestamp, or now with log-append time. */
  readonly maxTimestamp: number
  /** -1 with CreateTime. */
  readonly logAppendTimeMs: number
}

/** Above this a compressed payload is refused unread: a megabyte of zeros can claim a gigabyte of memory. */
const decompressedBytesMax = 128 * 1024 * 1024
const firstZstdVersion = 7

/**
 * What a leader accepts (reference 4.4, 11), answered as Kafka 3.9 answers it. Where Kafka fails with UNKNOWN_SERVER_ERROR (unknown codec,
 * payload that does not open, lengths beyond the buffer) this says INVALID_RECORD or CORRUPT_MESSAGE. Patches `records` in place: timestamp
 * type, max timestamp and their CRC.
 */
export function validateAppend(records: Buffer, options: ValidationOptions): ValidatedBatch | AppendRefused {
  const { settings, logStartOffset } = options
  const cursor = new BatchCursor(records)
  if (!cursor.next()) return refuseUnreadable(cursor, options)
  const { position, size, magic } = cursor
  if (magic !== 2) return refused(ErrorCode.INVALID_RECORD, -1)
  const codecId = codecAt(records, position)
  if (codecId === Codec.zstd && options.apiVersion < firstZstdVersion)
    return refused(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, -1)
  if (cursor.next()) return refused(ErrorCode.INVALID_RECORD, -1)
  if (cursor.fault !== null) return refused(ErrorCode.CORRUPT_MESSAGE, -1)

  if (options.origin === 'client' && baseOffsetAt(records, position) !== 0)
    return refused(ErrorCode.INVALID_RECORD, logStartOffset)
  if (size > settings.maxMessageBytes) return refused(ErrorCode.MESSAGE_TOO_LARGE, -1)
  if (!isCrcValidAt(records, position)) return refused(ErrorCode.CORRUPT_MESSAGE, -1)
  if (!isHeaderValid(records, position, options.origin)) return refused(ErrorCode.INVALID_RECORD, logStartOffset)
  const codec = codecName(codecId)
  if (codec === null) return refused(ErrorCode.INVALID_RECORD, logStartOffset)

  const batch = size === records.length ? records : records.subarray(position, position + size)
  const outcome = validateRecords(batch, codec, options)
  if (!outcome.ok) return outcome
  if (outcome.batch !== batch && outcome.batch.length > settings.maxMessageBytes)
    return refused(ErrorCode.MESSAGE_TOO_LARGE, -1)
  if (outcome.batch.length > settings.segmentBytes) return refused(ErrorCode.RECORD_LIST_TOO_LARGE, -1)
  return outcome
}

/** A refusal; `logStartOffset` is -1 where Kafka did not get as far as the log. */
export function refused(
  errorCode: number,
  logStartOffset: number,
  errorMessage: string | null = null,
  recordErrors: readonly RecordError[] = [],
): AppendRefused {
  return { ok: false, errorCode, errorMessage, recordErrors, logStartOffset }
}

function refuseUnreadable(cursor: BatchCursor, options: ValidationOptions): AppendRefused {
  switch (cursor.fault) {
    case null:
      return refused(ErrorCode.INVALID_RECORD, -1)
    case BatchFault.offset:
      return refused(ErrorCode.INVALID_RECORD, options.logStartOffset)
    case BatchFault.header:
      return refused(ErrorCode.CORRUPT_MESSAGE, -1)
    case BatchFault.length:
    case BatchFault.magic:
      return refused(ErrorCode.CORRUPT_MESSAGE, -1, cursor.reason)
  }
}

function isHeaderValid(records: Buffer, position: number, origin: AppendOrigin): boolean {
  const producerId = producerIdAt(records, position)
  // Beyond 2^53 two producers would become one key. No broker hands such an id out.
  if (!Number.isSafeInteger(producerId)) return false
  if (origin !== 'client') return true
  const count = recordCountAt(records, position)
  if (count <= 0 || lastOffsetDeltaAt(records, position) + 1 !== count) return false
  if (isControlAt(records, position)) return false
  return producerId < 0 || baseSequenceAt(records, position) >= 0
}

function validateRecords(batch: Buffer, codec: CodecName, options: ValidationOptions): ValidatedBatch | AppendRefused {
  const { settings, nowMs, logStartOffset } = options
  const keepsTimestamps = settings.messageTimestampType === 'CreateTime'
  let payload: Uint8Array | null
  let walked: WalkedRecords
  try {
    payload = codec === 'none' ? null : openPayload(batch, 0, decompressedBytesMax)
    walked = walkRecords(batch, 0, payload, {
      keyRequired: settings.cleanupPolicy.compact && !isControlAt(batch, 0),
      timestamps: keepsTimestamps
        ? {
            earliest: nowMs - bound(settings.messageTimestampBeforeMaxMs),
            latest: nowMs + bound(settings.messageTimestampAfterMaxMs),
          }
        : null,
    })
  } catch (error) {
    if (error instanceof MalformedRecords) return refused(ErrorCode.INVALID_RECORD, logStartOffset)
    if (!(error instanceof CorruptPayload)) throw error
    return refused(error.tooLarge ? ErrorCode.MESSAGE_TOO_LARGE : ErrorCode.INVALID_RECORD, logStartOffset)
  }
  if (walked.rejectedCount > 0) return refuseRecords(walked, options)
  const target = targetCodec(codec, batch, settings)
  // Nobody looks at the offsets inside a compressed batch again, so they must be right on the way in.
  if (!walked.isSequential && (codec !== 'none' || target !== 'none'))
    return refused(ErrorCode.INVALID_RECORD, logStartOffset)

  const stored = target === codec ? batch : recompressed(batch, payload, target, settings)
  const timestampType = keepsTimestamps ? TimestampType.CreateTime : TimestampType.LogAppendTime
  const maxTimestamp = keepsTimestamps ? walked.maxTimestamp : nowMs
  // Nearly always right already; comparing numbers here spares two bigints per batch.
  if (isLogAppendTimeAt(stored, 0) === keepsTimestamps || maxTimestampAt(stored, 0) !== maxTimestamp) {
    setMaxTimestamp(stored, 0, { timestampType, maxTimestamp })
  }
  return {
    ok: true,
    batch: stored,
    lastOffsetDelta: lastOffsetDeltaAt(stored, 0),
    maxTimestamp: Number(maxTimestamp),
    logAppendTimeMs: keepsTimestamps ? -1 : nowMs,
  }
}

function refuseRecords(walked: WalkedRecords, options: ValidationOptions): AppendRefused {
  const { logStartOffset } = options
  const errors = walked.rejected.map(record => ({ batchIndex: record.index, message: rejectionText(record, options) }))
  if (walked.rejected.some(({ reason }) => reason === 'timestamp')) {
    const message = 'One or more records have been rejected due to invalid timestamp'
    return refused(ErrorCode.INVALID_TIMESTAMP, logStartOffset, message, errors)
  }
  const first = errors
    .slice(0, 3)
    .map(({ batchIndex, message }) => `RecordError(batchIndex=${batchIndex}, message='${message}')`)
  const message =
    `One or more records have been rejected due to ${walked.rejectedCount} record errors in total, ` +
    `and only showing the first three errors at most: [${first.join(', ')}]`
  return refused(ErrorCode.INVALID_RECORD, logStartOffset, message, errors)
}

/** Kafka's words. */
function rejectionText(record: RejectedRecord, { settings, nowMs, topicPartition }: ValidationOptions): string {
  if (record.reason === 'null key')
    return `Compacted topic cannot accept message without key in topic partition ${topicPartition}`
  if (settings.messageTimestampType === 'LogAppendTime' || BigInt(record.timestamp) === -1n) {
    return `Invalid timestamp type in message with offset ${record.offsetDelta}. Producer should not set timestamp type to LogAppendTime.`
  }
  const from = BigInt.asIntN(64, BigInt(nowMs) - int64(settings.messageTimestampBeforeMaxMs))
  const to = BigInt.asIntN(64, BigInt(nowMs) + int64(settings.messageTimestampAfterMaxMs))
  return `Timestamp ${record.timestamp} of message with offset ${record.offsetDelta} is out of range. The timestamp should be within [${from}, ${to}]`
}

function bound(ms: number): number {
  return ms >= Number.MAX_SAFE_INTEGER ? Infinity : ms
}

/** Settings write "no bound" as the largest safe integer, Kafka as Java's largest long, and its messages show the overflow. */
function int64(ms: number): bigint {
  return ms >= Number.MAX_SAFE_INTEGER ? 2n ** 63n - 1n : BigInt(ms)
}

/** compression.type `producer` keeps what came; a control batch is never compressed. */
function targetCodec(codec: CodecName, batch: Buffer, settings: TopicSettings): CodecName {
  if (isControlAt(batch, 0) || settings.compressionType === 'producer') return codec
  return settings.compressionType === 'uncompressed' ? 'none' : settings.compressionType
}

function recompressed(batch: Buffer, payload: Uint8Array | null, target: CodecName, settings: TopicSettings): Buffer {
  const level = {
    gzip: settings.gzipLevel,
    lz4: settings.lz4Level,
    zstd: settings.zstdLevel,
    none: undefined,
    snappy: undefined,
  }[target]
  return recompressBatch(
    batch,
    0,
    payload ?? batch.subarray(BATCH_HEADER_SIZE),
    level === undefined ? { codec: target } : { codec: target, level },
  )
}

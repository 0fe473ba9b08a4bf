import { BatchCursor } from '@millrace/protocol/records/batch-cursor'
import { parseControlKey, parseCoordinatorEpoch, ControlType } from '@millrace/protocol/records/control-record'
import { readRecords } from '@millrace/protocol/records/record'
import {
  RecordBatch,
  TimestampType,
  decrementSequence,
  incrementSequence,
} from '@millrace/protocol/records/record-batch'
import {
  decodeLeaderEpochCheckpoint,
  decodeOffsetCheckpoint,
  encodeLeaderEpochCheckpoint,
  encodeOffsetCheckpoint,
} from '@millrace/protocol/storage/checkpoint'
import { cleanShutdownMarker } from '@millrace/protocol/storage/clean-shutdown'
import { leaderEpochCheckpointName, parseFileName, partitionMetadataName } from '@millrace/protocol/storage/file-names'
import { decodeOffsetIndex, encodeOffsetIndex } from '@millrace/protocol/storage/offset-index'
import { decodePartitionMetadata, encodePartitionMetadata } from '@millrace/protocol/storage/partition-metadata'
import { decodeProducerSnapshot, encodeProducerSnapshot } from '@millrace/protocol/storage/producer-snapshot'
import { decodeTimeIndex, encodeTimeIndex } from '@millrace/protocol/storage/time-index'
import { decodeTransactionIndex, encodeTransactionIndex } from '@millrace/protocol/storage/transaction-index'
import { jsonDifference } from './json-difference.ts'
import type { DescribedBatch, DescribedFile, DescribedRecord } from './log-dirs-format.ts'

const bytesMax = 1 << 26

/** How our reading of a file of a partition folder differs from the tool's, and whether writing what was read gives the same bytes; null when all is right. */
export function fileDifference(name: string, bytes: Buffer, described: DescribedFile): string | null {
  if (bytes.length !== described.size) return `${bytes.length} bytes, not ${described.size}`
  if (name === leaderEpochCheckpointName)
    return rewritten(bytes, encodeLeaderEpochCheckpoint(decodeLeaderEpochCheckpoint(bytes)))
  if (name === partitionMetadataName) return rewritten(bytes, encodePartitionMetadata(decodePartitionMetadata(bytes)))
  const parsed = parseFileName(name)
  if (parsed === null) return 'its name says nothing'
  switch (parsed.suffix) {
    case '.log':
      return jsonDifference(described.batches, describeBatches(bytes, described.batches ?? []))
    case '.index':
      return offsetIndexDifference(bytes, parsed.baseOffset, described)
    case '.timeindex':
      return timeIndexDifference(bytes, parsed.baseOffset, described)
    case '.txnindex':
      return transactionIndexDifference(bytes, described)
    default:
      return snapshotDifference(bytes, described)
  }
}

/** The same for a file of a log directory. */
export function directoryFileDifference(name: string, bytes: Buffer, text: string): string | null {
  if (bytes.toString() !== text) return 'another text'
  if (name === '.kafka_cleanshutdown') return rewritten(bytes, cleanShutdownMarker)
  if (name === 'meta.properties') return null
  return rewritten(bytes, encodeOffsetCheckpoint(decodeOffsetCheckpoint(bytes)))
}

/** A checkpoint without entries may be an empty file. */
function rewritten(bytes: Buffer, again: Buffer): string | null {
  return bytes.length === 0 || bytes.equals(again)
    ? null
    : `written again it is ${JSON.stringify(again.toString('latin1').slice(0, 200))}`
}

/** As the tool prints them. `expected` tells which parts it could read of a broken batch. */
function describeBatches(bytes: Buffer, expected: readonly DescribedBatch[]): DescribedBatch[] {
  const described: DescribedBatch[] = []
  const cursor = new BatchCursor(bytes)
  while (cursor.next() && described.length < expected.length) {
    const batch = new RecordBatch(bytes, cursor.position)
    const wanted = expected[described.length]!
    const time = batch.timestampType === TimestampType.LogAppendTime ? 'LogAppendTime' : 'CreateTime'
    described.push({
      baseOffset: batch.baseOffset,
      lastOffset: batch.lastOffset,
      count: batch.recordCount,
      baseSequence: batch.baseSequence,
      lastSequence: batch.lastSequence,
      producerId: batch.producerId,
      producerEpoch: batch.producerEpoch,
      partitionLeaderEpoch: batch.partitionLeaderEpoch,
      isTransactional: batch.isTransactional,
      isControl: batch.isControl,
      deleteHorizonMs: batch.deleteHorizonMs,
      position: batch.position,
      [time]: batch.maxTimestamp,
      size: batch.size,
      magic: batch.magic,
      compresscodec: batch.codec ?? '',
      crc: batch.crc,
      isvalid: batch.isCrcValid,
      ...(wanted.records === undefined ? {} : { records: describeRecords(batch, wanted.records) }),
    })
  }
  return described
}

function describeRecords(batch: RecordBatch, expected: readonly DescribedRecord[]): DescribedRecord[] {
  const time = batch.timestampType === TimestampType.LogAppendTime ? 'LogAppendTime' : 'CreateTime'
  return readRecords(batch.buffer, batch.position, bytesMax).map((record, index) => {
    const described = {
      offset: record.offset,
      [time]: record.timestamp,
      keySize: record.key?.length ?? -1,
      valueSize: record.value?.length ?? -1,
      sequence: batch.baseSequence < 0 ? -1 : incrementSequence(batch.baseSequence, record.offset - batch.baseOffset),
      headerKeys: `[${record.headers.map(({ key }) => key).join(',')}]`,
      ...markerOf(batch, record),
    }
    const decoded = (expected[index] as { decoded?: unknown } | undefined)?.decoded
    // What internal topics hold is check-internal-records.ts's business.
    return decoded === undefined ? described : { ...described, decoded }
  })
}

function markerOf(batch: RecordBatch, record: { key: Buffer | null; value: Buffer | null }): object {
  if (!batch.isControl) return {}
  const type = parseControlKey(record.key)?.type
  const endTxnMarker = type === ControlType.Commit ? 'COMMIT' : type === ControlType.Abort ? 'ABORT' : 'UNKNOWN'
  return { endTxnMarker, coordinatorEpoch: parseCoordinatorEpoch(record.value) }
}

function offsetIndexDifference(bytes: Buffer, baseOffset: number, described: DescribedFile): string | null {
  // Noise where an index should be: recovery's business.
  const isNoise = described.rawEntries?.some(({ position }) => position! < 0) ?? false
  if (isNoise) return null
  const entries = decodeOffsetIndex(bytes, baseOffset)
  const expected = (described.rawEntries ?? described.entries ?? []).filter(({ position }) => position !== 0)
  return jsonDifference(expected, entries) ?? rewrittenIndex(bytes, encodeOffsetIndex(entries, baseOffset))
}

function timeIndexDifference(bytes: Buffer, baseOffset: number, described: DescribedFile): string | null {
  const entries = decodeTimeIndex(bytes, baseOffset)
  const expected = (described.rawEntries ?? described.entries ?? []).filter(({ timestamp }) => timestamp !== 0)
  return jsonDifference(expected, entries) ?? rewrittenIndex(bytes, encodeTimeIndex(entries, baseOffset))
}

/** The rest of a preallocated file is zero. */
function rewrittenIndex(bytes: Buffer, again: Buffer): string | null {
  if (bytes.subarray(again.length).some(byte => byte !== 0)) return 'bytes behind the last entry'
  return rewritten(bytes.subarray(0, again.length), again)
}

function transactionIndexDifference(bytes: Buffer, described: DescribedFile): string | null {
  const entries = decodeTransactionIndex(bytes)
  const difference = jsonDifference(
    described.entries,
    entries.map(entry => ({ version: 0, ...entry })),
  )
  return difference ?? rewritten(bytes, encodeTransactionIndex(entries))
}

function snapshotDifference(bytes: Buffer, described: DescribedFile): string | null {
  const entries = decodeProducerSnapshot(bytes)
  const named = entries.map(entry => ({
    producerId: entry.producerId,
    producerEpoch: entry.producerEpoch,
    coordinatorEpoch: entry.coordinatorEpoch,
    currentTxnFirstOffset: entry.currentTransactionFirstOffset < 0 ? null : entry.currentTransactionFirstOffset,
    lastTimestamp: entry.timestamp,
    ...(entry.lastOffset < 0 ? {} : lastBatchOf(entry)),
  }))
  return jsonDifference(described.entries, named) ?? rewritten(bytes, encodeProducerSnapshot(entries))
}

function lastBatchOf(entry: {
  lastSequence: number
  offsetDelta: number
  lastOffset: number
  timestamp: number
}): object {
  const { lastSequence, offsetDelta, lastOffset, timestamp } = entry
  return {
    firstSequence: decrementSequence(lastSequence, offsetDelta),
    lastSequence,
    lastOffset,
    offsetDelta,
    timestamp,
  }
}

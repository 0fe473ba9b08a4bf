import { CorruptPayload } from '@millrace/protocol/compression/corrupt-payload'
import { describeBatches, type BatchDescription } from '@millrace/protocol/records/batch-description'
import { buildBatch } from '@millrace/protocol/records/batch-builder'
import { MalformedRecords } from '@millrace/protocol/records/malformed-records'
import { buildMessageSet } from '@millrace/protocol/records/message-set-builder'
import { openPayload } from '@millrace/protocol/records/payload'
import { BatchRecord, type ReadRecord } from '@millrace/protocol/records/record'
import { crcAt, TimestampType } from '@millrace/protocol/records/record-batch'
import { walkRecords } from '@millrace/protocol/records/record-walk'
import { jsonDifference } from './json-difference.ts'

/** More than any vector unpacks to, and far less than a bomb would. */
const MAX_BYTES = 1 << 28

/** A long value may be a pattern, repeated and cut to length. */
type Bytes = string | null | { readonly repeatHex: string; readonly length: number }

export interface RecordBatchVector {
  readonly name: string
  readonly hex: string
  readonly magic: 0 | 1 | 2
  readonly compression: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'
  readonly timestampType: 'NoTimestampType' | 'CreateTime' | 'LogAppendTime'
  readonly isTransactional: boolean
  readonly isControl: boolean
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly baseOffset: number
  readonly lastOffset: number
  readonly partitionLeaderEpoch: number
  readonly baseTimestamp?: number
  readonly maxTimestamp?: number
  readonly deleteHorizonMs?: number
  readonly crcValid: boolean
  readonly records: readonly VectorRecord[]
}

interface VectorRecord {
  readonly offset: number
  readonly timestamp: number
  readonly key: Bytes
  readonly value: Bytes
  readonly headers: readonly (readonly [string, string | null])[]
}

/** How the bytes of `vector` read differently from what it lists, or how its records encode to other bytes; null if they do not. */
export function recordBatchMismatch(vector: RecordBatchVector): string | null {
  const bytes = Buffer.from(vector.hex, 'hex')
  const batches = describeBatches(bytes, MAX_BYTES)
  if (batches.length === 0) return 'no batch found in it'
  return (
    headerMismatch(vector, batches) ??
    recordsMismatch(vector, bytes, batches) ??
    encodingMismatch(vector, bytes, batches)
  )
}

function headerMismatch(vector: RecordBatchVector, batches: readonly BatchDescription[]): string | null {
  const first = batches[0]!
  const { hex: _hex, name: _name, records: _records, ...expected } = vector
  const actual: Record<string, unknown> = {
    magic: first.magic,
    compression: first.codec,
    timestampType: timestampTypeNames[first.timestampType ?? -1],
    isTransactional: first.isTransactional,
    isControl: first.isControl,
    producerId: first.producerId,
    producerEpoch: first.producerEpoch,
    baseSequence: first.baseSequence,
    baseOffset: first.baseOffset,
    lastOffset: first.lastOffset,
    partitionLeaderEpoch: first.partitionLeaderEpoch,
    lastSequence: first.lastSequence,
    attributes: first.header?.attributes,
    baseTimestamp: first.header?.baseTimestamp,
    maxTimestamp: first.header?.maxTimestamp,
    count: first.header?.recordCount,
    deleteHorizonMs: first.header?.deleteHorizonMs ?? undefined,
    crc: first.crc,
    crcValid: first.isCrcValid,
    batches: batches.length,
  }
  for (const [field, value] of Object.entries(expected)) {
    if (field === 'note') continue
    if (!(field in actual)) return `nothing here knows its field ${field}`
    const why = jsonDifference(value, actual[field], field)
    if (why !== null) return why
  }
  if (first.magic === 2 && first.header?.deleteHorizonMs !== (vector.deleteHorizonMs ?? null))
    return 'has a delete horizon'
  return batches.length > 1 && !('batches' in vector) ? `${batches.length} batches instead of one` : null
}

const timestampTypeNames: Readonly<Record<number, string>> = {
  [-1]: 'NoTimestampType',
  [TimestampType.CreateTime]: 'CreateTime',
  [TimestampType.LogAppendTime]: 'LogAppendTime',
}

function recordsMismatch(
  vector: RecordBatchVector,
  bytes: Buffer,
  batches: readonly BatchDescription[],
): string | null {
  let records: ReadRecord[]
  try {
    records = batches.flatMap(batch => batch.records(MAX_BYTES))
  } catch (error) {
    // Where the checksum is wrong because a byte of the records is, the list is that of the intact batch, which these bytes are not.
    const isExpected = !vector.crcValid && (error instanceof MalformedRecords || error instanceof CorruptPayload)
    return isExpected ? null : String(error)
  }
  const why = jsonDifference(vector.records.map(expand), records.map(plain), 'records')
  if (why !== null) return vector.crcValid ? why : null
  return vector.magic === 2 ? walkMismatch(vector, bytes) : null
}

/** The walk that validates for the broker must see the same as the reader. */
function walkMismatch(vector: RecordBatchVector, bytes: Buffer): string | null {
  const payload = openPayload(bytes, 0, MAX_BYTES)
  const walked = walkRecords(bytes, 0, vector.compression === 'none' ? null : payload)
  const timestamps = vector.records.map(record => record.timestamp)
  const expected = {
    count: vector.records.length,
    payloadSize: payload.length,
    isSequential: vector.records.every((record, index) => record.offset === vector.baseOffset + index),
    maxTimestamp: Math.max(-1, ...timestamps),
    rejectedCount: 0,
  }
  const { count, payloadSize, isSequential, maxTimestamp, rejectedCount } = walked
  return jsonDifference(expected, { count, payloadSize, isSequential, maxTimestamp, rejectedCount }, 'walk')
}

/** Only `none` has one encoding; with a wrong checksum either that is what differs, or something else is and the checksum is right. */
function encodingMismatch(
  vector: RecordBatchVector,
  bytes: Buffer,
  batches: readonly BatchDescription[],
): string | null {
  if (vector.compression !== 'none') return null
  const built = vector.magic === 2 ? encodeBatch(vector, batches[0]!) : encodeMessages(vector)
  if (built.equals(bytes)) return vector.crcValid ? null : 'encodes to bytes whose checksum should be wrong'
  if (vector.crcValid) return `encodes to ${built.toString('hex').slice(0, 400)}`
  const checksumAt = vector.magic === 2 ? 17 : 12
  const crcDiffers = crcAt(built, checksumAt - 17) !== crcAt(bytes, checksumAt - 17)
  const rest = (each: Buffer): Buffer => Buffer.concat([each.subarray(0, checksumAt), each.subarray(checksumAt + 4)])
  return crcDiffers === rest(built).equals(rest(bytes))
    ? null
    : 'checksum and contents both differ from those of its records'
}

function encodeMessages(vector: RecordBatchVector): Buffer {
  const timestampType =
    vector.timestampType === 'LogAppendTime' ? TimestampType.LogAppendTime : TimestampType.CreateTime
  return buildMessageSet(vector.records.map(expand), { magic: vector.magic as 0 | 1, timestampType })
}

function encodeBatch(vector: RecordBatchVector, batch: BatchDescription): Buffer {
  const isLogAppendTime = vector.timestampType === 'LogAppendTime'
  const stored = isLogAppendTime ? batch.records(MAX_BYTES) : []
  const records = vector.records.map((record, index) => {
    const { key, value, headers, offset, timestamp } = expand(record)
    const delta = stored[index] instanceof BatchRecord ? Number(stored[index].timestampDelta) : 0
    return {
      offset,
      timestamp: isLogAppendTime ? vector.baseTimestamp! + delta : timestamp,
      key,
      value,
      headers: headers.map(([name, bytes]) => ({ key: name, value: bytes })),
    }
  })
  return buildBatch(records, {
    baseOffset: vector.baseOffset,
    lastOffset: vector.lastOffset,
    partitionLeaderEpoch: vector.partitionLeaderEpoch,
    timestampType: isLogAppendTime ? TimestampType.LogAppendTime : TimestampType.CreateTime,
    baseTimestamp: vector.baseTimestamp!,
    maxTimestamp: vector.maxTimestamp!,
    producerId: vector.producerId,
    producerEpoch: vector.producerEpoch,
    baseSequence: vector.baseSequence,
    isTransactional: vector.isTransactional,
    isControl: vector.isControl,
    ...(vector.deleteHorizonMs === undefined ? {} : { deleteHorizonMs: vector.deleteHorizonMs }),
  })
}

interface PlainRecord {
  readonly offset: number
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly (readonly [string, Uint8Array | null])[]
}

function expand({ offset, timestamp, key, value, headers }: VectorRecord): PlainRecord {
  return {
    offset,
    timestamp,
    key: expandBytes(key),
    value: expandBytes(value),
    headers: headers.map(([name, hex]) => [name, expandBytes(hex)]),
  }
}

function expandBytes(bytes: Bytes): Buffer | null {
  if (bytes === null) return null
  return typeof bytes === 'string'
    ? Buffer.from(bytes, 'hex')
    : Buffer.alloc(bytes.length, Buffer.from(bytes.repeatHex, 'hex'))
}

function plain({ offset, exactTimestamp, key, value, headers }: ReadRecord): PlainRecord {
  return { offset, timestamp: Number(exactTimestamp), key, value, headers: headers.map(each => [each.key, each.value]) }
}

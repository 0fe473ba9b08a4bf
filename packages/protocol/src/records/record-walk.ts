import { Codec } from '../compression/codec.ts'
import { MalformedRecords } from './malformed-records.ts'
import {
  BATCH_HEADER_SIZE,
  NO_TIMESTAMP,
  baseOffsetAt,
  baseTimestampAt,
  batchSizeAt,
  codecAt,
  exactBaseTimestampAt,
  exactMaxTimestampAt,
  isLogAppendTimeAt,
  recordCountAt,
} from './record-batch.ts'
import { narrowed, varint, varintAt, varlongAt } from './varint.ts'

/** What a topic asks of each record, beyond its being well-formed. */
export interface RecordRules {
  /** The topic is compacted: a record without a key is rejected. */
  readonly keyRequired: boolean
  /**
   * For topics with CreateTime: a timestamp outside of these (inclusive, -1 excepted) is rejected, and so is -1 in a batch that claims
   * LogAppendTime. Null for topics with LogAppendTime: there a batch that claims it has every record rejected.
   */
  readonly timestamps: { readonly earliest: number; readonly latest: number } | null
}

export type RejectionReason = 'null key' | 'timestamp'

/** A well-formed record that the rules do not admit. A null key counts before a timestamp, and each record has one reason, as in Kafka. */
export interface RejectedRecord {
  readonly index: number
  readonly offsetDelta: number
  readonly timestamp: number | bigint
  readonly reason: RejectionReason
}

/** What `walkRecords` learned. */
export interface WalkedRecords {
  /** Records there are; equals the header's count. */
  readonly count: number
  /** Bytes of the records, not compressed. */
  readonly payloadSize: number
  /** Offset deltas are 0, 1, 2, … If not, a broker that recompresses must assign offsets anew, and one that does not leaves them. */
  readonly isSequential: boolean
  /** The largest timestamp, -1 if there is none above that; a bigint when a number cannot hold it. */
  readonly maxTimestamp: number | bigint
  /** Of the first record that has it; -1 if none has. */
  readonly maxTimestampIndex: number
  /** Offset delta of that record; -1 if none. */
  readonly maxTimestampOffsetDelta: number
  readonly rejectedCount: number
  /** The first of them, at most `MAX_LISTED_REJECTIONS`. */
  readonly rejected: readonly RejectedRecord[]
}

/** So that a hostile batch cannot make an answer many times its own size. */
export const MAX_LISTED_REJECTIONS = 10_000

/** Attributes, timestamp delta, offset delta, key length, value length, header count: a byte each. */
const MIN_BODY_SIZE = 6
const noRules: RecordRules = { keyRequired: false, timestamps: { earliest: -Infinity, latest: Infinity } }

/**
 * Reads every record of the magic 2 batch at `position` without making an object of any: 5 ns per record. `payload` are the records when the
 * batch is compressed (`openPayload`), null when they stand in it. The batch must lie wholly in `batch`.
 *
 * Accepts and refuses what Kafka's own reader does: record sizes, varints, lengths, header bounds and the number of records must fit exactly;
 * lengths below -1 count as null; record attributes, order of offsets and UTF-8 of header keys are not looked at.
 * With LogAppendTime in the header every record has its max timestamp. Throws MalformedRecords at the first record that is not well-formed.
 */
export function walkRecords(
  batch: Uint8Array,
  position: number,
  payload: Uint8Array | null = null,
  rules: RecordRules = noRules,
): WalkedRecords {
  if (payload === null && codecAt(batch, position) !== Codec.none)
    throw new RangeError('a compressed batch needs its payload')
  const bytes = payload ?? batch
  const start = payload === null ? position + BATCH_HEADER_SIZE : 0
  const end = payload === null ? position + batchSizeAt(batch, position) : payload.length
  const count = recordCountAt(batch, position)
  const { keyRequired } = rules
  const limits = deltaLimits(batch, position, rules)
  const { leastDelta, mostDelta } = limits

  let isSequential = true
  let isWide = limits.isWide
  let maxDelta = limits.noTimestampDelta
  let maxTimestampIndex = -1
  let maxTimestampOffsetDelta = -1
  let rejectedCount = 0
  const rejected: RejectedRecord[] = []

  if (count < 0) throw malformed(batch, position, -1, `record count ${count}`)
  let p = start
  let index = 0
  for (; index < count; index++) {
    if (p >= end) throw malformed(batch, position, index, `the batch ends; its header counts ${count} records`)
    // One byte, two bytes, and a call for the rest: nearly every field of nearly every record is in the first two cases.
    let raw = bytes[p]!
    let size: number
    if (raw < 0x80) {
      size = (raw >>> 1) ^ -(raw & 1)
      p++
    } else if (p + 1 < end && bytes[p + 1]! < 0x80) {
      raw = (raw & 0x7f) | (bytes[p + 1]! << 7)
      size = (raw >>> 1) ^ -(raw & 1)
      p += 2
    } else {
      size = varintAt(bytes, p, end)
      p = varint.end
      if (p < 0) throw malformed(batch, position, index, 'its size is no varint')
    }
    if (size < MIN_BODY_SIZE || size > end - p)
      throw malformed(batch, position, index, `impossible size ${size}, ${end - p} bytes left`)
    const stop = p + size

    // The body has at least six bytes: the first reads need no check. A read past `stop` is noticed by the comparison at the end.
    p++
    let delta: number
    raw = bytes[p]!
    if (raw < 0x80) {
      delta = (raw >>> 1) ^ -(raw & 1)
      p++
    } else if (bytes[p + 1]! < 0x80) {
      raw = (raw & 0x7f) | (bytes[p + 1]! << 7)
      delta = (raw >>> 1) ^ -(raw & 1)
      p += 2
    } else {
      const exact = varlongAt(bytes, p, stop)
      p = varint.end
      if (p < 0) throw malformed(batch, position, index, 'its timestamp delta is no varlong')
      if (typeof exact === 'bigint') isWide = true
      delta = Number(exact)
    }
    if (p >= stop) throw malformed(batch, position, index, 'it ends before its offset delta')
    let offsetDelta: number
    raw = bytes[p]!
    if (raw < 0x80) {
      offsetDelta = (raw >>> 1) ^ -(raw & 1)
      p++
    } else if (p + 1 < stop && bytes[p + 1]! < 0x80) {
      raw = (raw & 0x7f) | (bytes[p + 1]! << 7)
      offsetDelta = (raw >>> 1) ^ -(raw & 1)
      p += 2
    } else {
      offsetDelta = varintAt(bytes, p, stop)
      p = varint.end
      if (p < 0) throw malformed(batch, position, index, 'its offset delta is no varint')
    }
    if (p >= stop) throw malformed(batch, position, index, 'it ends before its key')
    raw = bytes[p]!
    let keyLength: number
    if (raw < 0x80) {
      keyLength = (raw >>> 1) ^ -(raw & 1)
      p++
    } else {
      keyLength = varintAt(bytes, p, stop)
      p = varint.end
      if (p < 0) throw malformed(batch, position, index, 'its key length is no varint')
    }
    if (keyLength > 0) p += keyLength
    if (p >= stop) throw malformed(batch, position, index, 'its key does not fit')
    raw = bytes[p]!
    let valueLength: number
    if (raw < 0x80) {
      valueLength = (raw >>> 1) ^ -(raw & 1)
      p++
    } else if (p + 1 < stop && bytes[p + 1]! < 0x80) {
      raw = (raw & 0x7f) | (bytes[p + 1]! << 7)
      valueLength = (raw >>> 1) ^ -(raw & 1)
      p += 2
    } else {
      valueLength = varintAt(bytes, p, stop)
      p = varint.end
      if (p < 0) throw malformed(batch, position, index, 'its value length is no varint')
    }
    if (valueLength > 0) p += valueLength
    if (p >= stop) throw malformed(batch, position, index, 'its value does not fit')
    if (bytes[p] === 0) p++
    else {
      p = afterHeaders(bytes, p, stop)
      if (p < 0) throw malformed(batch, position, index, 'its headers are malformed')
    }
    if (p !== stop) throw malformed(batch, position, index, `its fields take ${p - stop + size} bytes of ${size}`)

    if (offsetDelta !== index) isSequential = false
    if (delta > maxDelta) {
      maxDelta = delta
      maxTimestampIndex = index
      maxTimestampOffsetDelta = offsetDelta
    }
    if (delta < leastDelta || delta > mostDelta || (keyRequired && keyLength < 0)) {
      const reason = rejectionReason(keyRequired && keyLength < 0, delta, limits)
      if (reason !== null && rejectedCount++ < MAX_LISTED_REJECTIONS) {
        rejected.push({ index, offsetDelta, timestamp: limits.baseTimestamp + delta, reason })
      }
    }
  }
  if (p !== end) throw malformed(batch, position, index, `${end - p} bytes after the last of ${count} records`)

  const walked: WalkedRecords = {
    count,
    payloadSize: end - start,
    isSequential,
    maxTimestamp: maxTimestampIndex < 0 ? NO_TIMESTAMP : limits.baseTimestamp + maxDelta,
    maxTimestampIndex,
    maxTimestampOffsetDelta,
    rejectedCount,
    rejected,
  }
  if (isWide || isLogAppendTimeAt(batch, position) || !Number.isSafeInteger(walked.maxTimestamp)) {
    return { ...walked, ...exactTimestamps(batch, position, bytes.subarray(start, end), rules) }
  }
  return walked
}

interface DeltaLimits {
  readonly baseTimestamp: number
  /** Deltas that the rules admit; the infinite ones where all do, or where `exactTimestamps` decides. */
  readonly leastDelta: number
  readonly mostDelta: number
  /** The delta that makes timestamp -1. */
  readonly noTimestampDelta: number
  /** Timestamps may not fit a number: the records have to be looked at again, exactly. */
  readonly isWide: boolean
}

/** The rules in terms of deltas, so that the walk compares small numbers. */
function deltaLimits(batch: Uint8Array, position: number, rules: RecordRules): DeltaLimits {
  const baseTimestamp = baseTimestampAt(batch, position)
  const isWide = !Number.isSafeInteger(baseTimestamp)
  const hasWindow = rules.timestamps !== null && !isWide && !isLogAppendTimeAt(batch, position)
  return {
    baseTimestamp,
    leastDelta: hasWindow ? rules.timestamps.earliest - baseTimestamp : -Infinity,
    mostDelta: hasWindow ? rules.timestamps.latest - baseTimestamp : Infinity,
    noTimestampDelta: NO_TIMESTAMP - baseTimestamp,
    isWide,
  }
}

function rejectionReason(isNullKey: boolean, delta: number, limits: DeltaLimits): RejectionReason | null {
  if (isNullKey) return 'null key'
  return delta === limits.noTimestampDelta ? null : 'timestamp'
}

/**
 * What the walk cannot say quickly: batches with LogAppendTime, and timestamps that a number cannot hold. A second pass over records that are
 * known to be well-formed, with bigints where needed.
 */
function exactTimestamps(
  batch: Uint8Array,
  position: number,
  payload: Uint8Array,
  rules: RecordRules,
): Pick<
  WalkedRecords,
  'maxTimestamp' | 'maxTimestampIndex' | 'maxTimestampOffsetDelta' | 'rejectedCount' | 'rejected'
> {
  const isLogAppendTime = isLogAppendTimeAt(batch, position)
  const mayClaimLogAppendTime = rules === noRules
  let maxTimestamp: number | bigint = NO_TIMESTAMP
  let maxTimestampIndex = -1
  let maxTimestampOffsetDelta = -1
  let rejectedCount = 0
  const rejected: RejectedRecord[] = []
  let index = 0
  for (let p = 0; p < payload.length; index++) {
    const size = varintAt(payload, p, payload.length)
    const stop = varint.end + size
    const timestamp = exactTimestamp(batch, position, varlongAt(payload, varint.end + 1, stop))
    const offsetDelta = varintAt(payload, varint.end, stop)
    const isNullKey = varintAt(payload, varint.end, stop) < 0
    p = stop
    if (timestamp > maxTimestamp) {
      maxTimestamp = timestamp
      maxTimestampIndex = index
      maxTimestampOffsetDelta = offsetDelta
    }
    const hasWindow = rules.timestamps !== null && timestamp !== NO_TIMESTAMP
    const isTimely = hasWindow
      ? timestamp >= rules.timestamps.earliest && timestamp <= rules.timestamps.latest
      : !isLogAppendTime || mayClaimLogAppendTime
    if (isTimely && !(rules.keyRequired && isNullKey)) continue
    const reason = rules.keyRequired && isNullKey ? 'null key' : 'timestamp'
    if (rejectedCount++ < MAX_LISTED_REJECTIONS) rejected.push({ index, offsetDelta, timestamp, reason })
  }
  return { maxTimestamp, maxTimestampIndex, maxTimestampOffsetDelta, rejectedCount, rejected }
}

/** Position after the headers at `position`, -1 if they do not fit before `stop`. */
export function afterHeaders(bytes: Uint8Array, position: number, stop: number): number {
  const count = varintAt(bytes, position, stop)
  let p = varint.end
  // A header takes two bytes at least: an impossible count fails here and not after as many turns.
  if (p < 0 || count < 0 || count > (stop - p) / 2) return -1
  for (let i = 0; i < count; i++) {
    const keyLength = varintAt(bytes, p, stop)
    p = varint.end
    if (p < 0 || keyLength < 0 || keyLength > stop - p) return -1
    p += keyLength
    const valueLength = varintAt(bytes, p, stop)
    p = varint.end
    if (p < 0 || valueLength > stop - p) return -1
    if (valueLength > 0) p += valueLength
  }
  return p
}

/** The timestamp of a record in 64 bits, wrapping as Java's long does; a number when that is exact. */
export function exactTimestamp(batch: Uint8Array, position: number, delta: number | bigint): number | bigint {
  if (isLogAppendTimeAt(batch, position)) return narrowed(exactMaxTimestampAt(batch, position))
  return narrowed(BigInt.asIntN(64, exactBaseTimestampAt(batch, position) + BigInt(delta)))
}

function malformed(batch: Uint8Array, position: number, recordIndex: number, reason: string): MalformedRecords {
  return new MalformedRecords(baseOffsetAt(batch, position), recordIndex, reason)
}

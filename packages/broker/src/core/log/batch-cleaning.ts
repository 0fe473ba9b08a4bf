import { knownCodecName, Codec } from '@millrace/protocol/compression/codec'
import type { CodecName } from '@millrace/protocol/compression/codec'
import { buildBatch, putRecordFacts, withRecords } from '@millrace/protocol/records/batch-builder'
import type { BatchOptions, CopiedRecord } from '@millrace/protocol/records/batch-builder'
import {
  isMessageCrcValidAt,
  messageCodecAt,
  messageTimestampTypeAt,
  readMessage,
} from '@millrace/protocol/records/message-set'
import { buildMessageSet } from '@millrace/protocol/records/message-set-builder'
import { openPayload } from '@millrace/protocol/records/payload'
import {
  BATCH_HEADER_SIZE,
  baseOffsetAt,
  baseSequenceAt,
  baseTimestampAt,
  codecAt,
  exactMaxTimestampAt,
  hasDeleteHorizonAt,
  isControlAt,
  isCrcValidAt,
  isLogAppendTimeAt,
  isTransactionalAt,
  lastOffsetAt,
  partitionLeaderEpochAt,
  producerEpochAt,
  producerIdAt,
  recordCountAt,
  TimestampType,
} from '@millrace/protocol/records/record-batch'
import { RecordCursor } from '@millrace/protocol/records/record-cursor'
import { exactTimestamp } from '@millrace/protocol/records/record-walk'
import type { CleanedTransactions } from './cleaned-transactions.ts'
import { DamagedBatch } from './damaged-batch.ts'
import type { OffsetMap } from './offset-map.ts'
import type { LastRecord } from './producer-state.ts'

/** As for appends: a batch of more than that has never been validated. */
const decompressedBytesMax = 128 * 1024 * 1024

export interface BatchCleanerOptions {
  readonly offsets: OffsetMap
  readonly transactions: CleanedTransactions
  /** When the compaction began. */
  readonly nowMs: number
  readonly deleteRetentionMs: number
  /** Records that gzip would take long for are left to the caller from so many bytes on. Default: none are. */
  readonly gzipLaterBytes?: number
}

/** What is known of the segment that the next batches are of. */
export interface CleanedSegmentFacts {
  /** By producer id: what keeps a producer's sequence and epoch known. */
  readonly lastRecords: ReadonlyMap<number, LastRecord>
  /** Tombstones of magic 0 and 1, which can hold no delete horizon, stay. */
  readonly keepsLegacyTombstones: boolean
}

/** `all`: the batch stays as it is, byte for byte. `part`: `output` of the cleaner takes its place. `none`: it goes. */
export type Kept = 'all' | 'part' | 'none'

/**
 * Says of each batch what compaction leaves of it (reference 4.6, KIP-534). A record stays when it is its key's last and no tombstone whose
 * time is over; aborted data and markers that nothing stands in front of go; the last batch of a producer stays, if need be empty.
 * Batches come in the order of the log.
 */
export class BatchCleaner {
  /** After `part`, until the next batch. */
  output: Buffer = nothing
  /** `output` lies in the buffer of its origin, from `target` on. */
  isInPlace = false
  /** Batches from this base offset on, as far as the map knows of them, have just been found sound. */
  soundFrom = Infinity
  /** The records of `output` are plain, and the caller has to compress them with gzip (`GzipPieces`). */
  isToBeGzipped = false
  #facts: CleanedSegmentFacts = { lastRecords: new Map(), keepsLegacyTombstones: true }
  readonly #options: BatchCleanerOptions
  readonly #cursor = new RecordCursor()
  readonly #kept = new KeptRecords()
  readonly #room = { bytes: nothing }
  /** What the cursor walks where the batch is compressed. */
  #payload: Uint8Array | null = null

  constructor(options: BatchCleanerOptions) {
    this.#options = options
  }

  beginSegment(facts: CleanedSegmentFacts): void {
    this.#facts = facts
  }

  /**
   * The batch at `position`, which must lie wholly in `buffer`. What is left of a batch that is not compressed is put into the same buffer, from `target`
   * on, which is `position` or before it: everything from there to the batch's end may be written over. Throws DamagedBatch, MalformedRecords and
   * CorruptPayload.
   */
  clean(buffer: Buffer, position: number, magic: number, target = position): Kept {
    this.isToBeGzipped = false
    this.isInPlace = false
    if (magic < 2) return this.cleanMessage(buffer, position, magic as 0 | 1)
    const isControl = isControlAt(buffer, position)
    const mayGo = this.#options.transactions.onBatch(buffer, position)
    const dropsRecords = mayGo ? !isControl || this.isHorizonPast(buffer, position) : this.isReplaced(buffer, position)
    this.#kept.clear()
    if (!dropsRecords) {
      this.open(buffer, position)
      if (isControl) this.keepAll()
      else this.keepLatest(buffer, position)
    }
    const { count, hasTombstone } = this.#kept
    if (count === 0 && !this.isLastOfProducer(buffer, position)) return 'none'
    const startsHorizon = count > 0 && (hasTombstone || (mayGo && isControl)) && !hasDeleteHorizonAt(buffer, position)
    if (count === recordCountAt(buffer, position) && !startsHorizon) return 'all'
    // A rebuilt batch gets a checksum of its own: damage must not come out of it as sound.
    if (!this.isKnownSound(buffer, position) && !isCrcValidAt(buffer, position))
      throw new DamagedBatch(baseOffsetAt(buffer, position))
    if (count === 0) this.output = emptied(buffer, position)
    else if (startsHorizon) this.output = this.withHorizon(buffer, position)
    else this.output = this.withoutOthers(buffer, position, target)
    return 'part'
  }

  /** Is there a newer record for each of them? Then nobody needs to look at them: half the batches of a log whose keys came many times. */
  private isReplaced(buffer: Uint8Array, position: number): boolean {
    if (isControlAt(buffer, position)) return false
    return this.#options.offsets.areReplaced(baseOffsetAt(buffer, position), lastOffsetAt(buffer, position))
  }

  private isKnownSound(buffer: Uint8Array, position: number): boolean {
    if (baseOffsetAt(buffer, position) < this.soundFrom) return false
    return lastOffsetAt(buffer, position) <= this.#options.offsets.latestOffset
  }

  private keepLatest(buffer: Uint8Array, position: number): void {
    const { offsets } = this.#options
    const { latestOffset } = offsets
    const cursor = this.#cursor
    const baseOffset = baseOffsetAt(buffer, position)
    const dropsTombstones = this.isHorizonPast(buffer, position)
    while (cursor.nextOffset()) {
      const offset = baseOffset + cursor.offsetDelta
      if (offsets.isReplaced(offset)) continue
      cursor.readFields()
      if (offset > latestOffset) {
        this.#kept.add(cursor)
        continue
      }
      const { keyAt, keyLength } = cursor
      if (keyLength < 0 || (dropsTombstones && cursor.valueLength < 0)) continue
      if (offsets.isLatest(cursor.bytes, keyAt, keyAt + keyLength, offset)) this.#kept.add(cursor)
    }
  }

  private keepAll(): void {
    while (this.#cursor.next()) this.#kept.add(this.#cursor)
  }

  private open(buffer: Uint8Array, position: number): void {
    const isPlain = codecAt(buffer, position) === Codec.none
    this.#payload = isPlain ? null : openPayload(buffer, position, decompressedBytesMax, this.#room)
    this.#cursor.open(buffer, position, this.#payload)
  }

  private isHorizonPast(buffer: Uint8Array, position: number): boolean {
    return hasDeleteHorizonAt(buffer, position) && baseTimestampAt(buffer, position) <= this.#options.nowMs
  }

  /** Its sequence numbers, or for a marker its epoch, are what the producer is checked against. */
  private isLastOfProducer(buffer: Uint8Array, position: number): boolean {
    const producerId = producerIdAt(buffer, position)
    const last = producerId < 0 ? undefined : this.#facts.lastRecords.get(producerId)
    if (last === undefined) return false
    if (last.dataOffset >= 0) return lastOffsetAt(buffer, position) === last.dataOffset
    return isControlAt(buffer, position) && producerEpochAt(buffer, position) === last.producerEpoch
  }

  /** The records that stay, their bytes as they are. */
  private withoutOthers(buffer: Buffer, position: number, target: number): Buffer {
    const kept = this.#kept
    let maxTimestamp: number | bigint = exactMaxTimestampAt(buffer, position)
    if (!isLogAppendTimeAt(buffer, position)) {
      maxTimestamp = Math.max(-1, baseTimestampAt(buffer, position) + kept.maxTimestampDelta)
      if (!Number.isSafeInteger(maxTimestamp)) return this.rebuilt(buffer, position, horizonOf(buffer, position))
    }
    const fields = { count: kept.count, maxTimestamp }
    if (this.#payload !== null) {
      const codec = this.codecOf(buffer, position)
      return withRecords(buffer, position, kept.bytesOf(this.#cursor.bytes), { ...fields, codec })
    }
    // Each byte goes to where it is or further to the front, the first ones first: none is written over before it is moved.
    this.isInPlace = true
    buffer.copyWithin(target, position, position + BATCH_HEADER_SIZE)
    const end = kept.moveTo(target + BATCH_HEADER_SIZE, buffer)
    const rebuilt = buffer.subarray(target, end)
    putRecordFacts(rebuilt, fields)
    return rebuilt
  }

  /** What the output is made with. */
  private codecOf(buffer: Uint8Array, position: number): CodecName {
    const codec = knownCodecName(codecAt(buffer, position))
    this.isToBeGzipped = codec === 'gzip' && this.#kept.size >= (this.#options.gzipLaterBytes ?? Infinity)
    return this.isToBeGzipped ? 'none' : codec
  }

  /** The base timestamp gives way to the horizon, so that every delta is another. */
  private withHorizon(buffer: Uint8Array, position: number): Buffer {
    const { nowMs, deleteRetentionMs } = this.#options
    return this.rebuilt(buffer, position, {
      deleteHorizonMs: Math.min(Number.MAX_SAFE_INTEGER, nowMs + deleteRetentionMs),
    })
  }

  private rebuilt(buffer: Uint8Array, position: number, options: BatchOptions): Buffer {
    this.#cursor.open(buffer, position, this.#payload)
    return buildBatch(this.#kept.recordsOf(this.#cursor, buffer, position), {
      ...headerOf(buffer, position),
      codec: this.codecOf(buffer, position),
      ...(isLogAppendTimeAt(buffer, position) ? { maxTimestamp: exactMaxTimestampAt(buffer, position) } : {}),
      ...options,
    })
  }

  /** Magic 0 and 1: no transactions, no producers, no horizons. */
  private cleanMessage(buffer: Uint8Array, position: number, magic: 0 | 1): Kept {
    const { offsets } = this.#options
    const messages = readMessage(buffer, position, decompressedBytesMax)
    const left = messages.filter(({ offset, key, value }) => {
      if (offset > offsets.latestOffset) return true
      if (key === null || (value === null && !this.#facts.keepsLegacyTombstones)) return false
      return offsets.isLatest(key, 0, key.length, offset)
    })
    if (left.length === messages.length) return 'all'
    if (left.length === 0) return 'none'
    if (!isMessageCrcValidAt(buffer, position)) throw new DamagedBatch(baseOffsetAt(buffer, position))
    const codec = knownCodecName(messageCodecAt(buffer, position))
    if (codec === 'none' || codec === 'zstd') throw new DamagedBatch(baseOffsetAt(buffer, position))
    const timestampType = messageTimestampTypeAt(buffer, position) ?? TimestampType.CreateTime
    this.output = buildMessageSet(
      left.map(({ offset, exactTimestamp, key, value }) => ({ offset, timestamp: exactTimestamp, key, value })),
      { magic, codec, timestampType },
    )
    return 'part'
  }
}

const nothing = Buffer.alloc(0)

/** What is left of a batch that only a producer's state needs. */
function emptied(buffer: Uint8Array, position: number): Buffer {
  return buildBatch([], {
    ...headerOf(buffer, position),
    baseTimestamp: -1,
    maxTimestamp: exactMaxTimestampAt(buffer, position),
  })
}

function horizonOf(buffer: Uint8Array, position: number): BatchOptions {
  return hasDeleteHorizonAt(buffer, position) ? { deleteHorizonMs: baseTimestampAt(buffer, position) } : {}
}

/** The header fields that a rebuilt batch has in common with its origin. */
function headerOf(buffer: Uint8Array, position: number): BatchOptions {
  return {
    baseOffset: baseOffsetAt(buffer, position),
    lastOffset: lastOffsetAt(buffer, position),
    partitionLeaderEpoch: partitionLeaderEpochAt(buffer, position),
    timestampType: isLogAppendTimeAt(buffer, position) ? TimestampType.LogAppendTime : TimestampType.CreateTime,
    producerId: producerIdAt(buffer, position),
    producerEpoch: producerEpochAt(buffer, position),
    baseSequence: baseSequenceAt(buffer, position),
    isTransactional: isTransactionalAt(buffer, position),
    isControl: isControlAt(buffer, position),
  }
}

/** Which records of a batch stay, as stretches of its bytes: mostly few. */
class KeptRecords {
  count = 0
  hasTombstone = false
  /** NaN, for good, where one is beyond the safe integers. */
  maxTimestampDelta = -Infinity
  /** Bytes, not compressed. */
  size = 0
  /** Start and end of each, in turn. */
  readonly #stretches: number[] = []

  clear(): void {
    this.count = 0
    this.hasTombstone = false
    this.maxTimestampDelta = -Infinity
    this.size = 0
    this.#stretches.length = 0
  }

  /** The cursor's record stays. */
  add({ start, stop, valueLength, timestampDelta }: RecordCursor): void {
    const stretches = this.#stretches
    if (stretches.length > 0 && stretches[stretches.length - 1] === start) stretches[stretches.length - 1] = stop
    else stretches.push(start, stop)
    this.count++
    this.size += stop - start
    if (valueLength < 0) this.hasTombstone = true
    const delta = typeof timestampDelta === 'number' ? timestampDelta : Number.NaN
    if (delta > this.maxTimestampDelta || Number.isNaN(delta)) this.maxTimestampDelta = delta
  }

  /** The bytes of those that stay. */
  bytesOf(bytes: Uint8Array): Uint8Array {
    const stretches = this.#stretches
    if (stretches.length === 2) return bytes.subarray(stretches[0], stretches[1])
    const kept = Buffer.allocUnsafe(this.size)
    for (let index = 0, at = 0; index < stretches.length; index += 2) {
      const stretch = bytes.subarray(stretches[index], stretches[index + 1])
      kept.set(stretch, at)
      at += stretch.length
    }
    return kept
  }

  /** Moves them together within `bytes`, from `target` on; where they end. */
  moveTo(target: number, bytes: Uint8Array): number {
    const stretches = this.#stretches
    let at = target
    for (let index = 0; index < stretches.length; index += 2) {
      const start = stretches[index]!
      const stop = stretches[index + 1]!
      if (at !== start) bytes.copyWithin(at, start, stop)
      at += stop - start
    }
    return at
  }

  /** One by one, for a batch that is written anew; `cursor` stands before the first record. */
  recordsOf(cursor: RecordCursor, batch: Uint8Array, position: number): CopiedRecord[] {
    const records: CopiedRecord[] = []
    const baseOffset = baseOffsetAt(batch, position)
    for (let index = 0; cursor.next();) {
      const { start, stop, fieldsAt, timestampDelta } = cursor
      if (start >= this.#stretches[index + 1]!) index += 2
      if (index === this.#stretches.length) break
      if (start < this.#stretches[index]!) continue
      records.push({
        offset: baseOffset + cursor.offsetDelta,
        timestamp: exactTimestamp(batch, position, timestampDelta),
        body: cursor.bytes.subarray(fieldsAt, stop),
      })
    }
    return records
  }
}

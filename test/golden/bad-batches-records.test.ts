import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliDecompressSync } from 'node:zlib'
import { describe, expect, test } from '@jest/globals'
import { CorruptPayload } from '@millrace/protocol/compression/corrupt-payload'
import { BatchCursor } from '@millrace/protocol/records/batch-cursor'
import { MalformedRecords } from '@millrace/protocol/records/malformed-records'
import { openPayload } from '@millrace/protocol/records/payload'
import { readRecords } from '@millrace/protocol/records/record'
import {
  RecordBatch,
  TimestampType,
  exactMaxTimestampAt,
  isCrcValidAt,
  setBaseOffset,
  setMaxTimestamp,
  setPartitionLeaderEpoch,
} from '@millrace/protocol/records/record-batch'
import { walkRecords, type RecordRules, type WalkedRecords } from '@millrace/protocol/records/record-walk'

// What the records room alone must tell about each payload of bad-batches.jsonl: whole, checksum right, opens, reads. What a topic, a
// producer's state or a request adds to that is the broker's to test.

interface BadBatch {
  readonly name: string
  readonly version: number
  readonly hexRecords: string | null
  readonly topicConfig?: Readonly<Record<string, string>>
  readonly answer: {
    readonly error?: string
    readonly errorMessage?: string | null
    readonly recordErrors?: readonly { readonly batchIndex: number }[]
  }
  readonly storedHex?: string
}

const vectors = brotliDecompressSync(readFileSync(join(import.meta.dirname, 'vectors', 'bad-batches.jsonl.br')))
  .toString()
  .trimEnd()
  .split('\n')
  .map(line => JSON.parse(line) as BadBatch)

const MAX_BYTES = 1 << 24

/** `ok`, or what is wrong with the first batch, as the broker would find out. */
function verdict(bytes: Buffer, rules?: RecordRules): string {
  const cursor = new BatchCursor(bytes)
  if (!cursor.next()) return cursor.fault === null ? 'no whole batch' : `fault: ${cursor.fault}`
  const { position, magic } = cursor
  if (magic !== 2) return `magic ${magic}`
  if (!isCrcValidAt(bytes, position)) return 'checksum'
  const batch = new RecordBatch(bytes, position)
  if (batch.recordCount <= 0 || batch.lastOffsetDelta + 1 !== batch.recordCount) return 'count'
  try {
    const walked = walk(bytes, position, rules)
    if (walked.rejectedCount > 0) return `rejected: ${walked.rejected.map(each => each.index).join()}`
    if (cursor.next()) return 'two batches'
    return cursor.fault === null ? 'ok' : `then fault: ${cursor.fault}`
  } catch (error) {
    if (error instanceof MalformedRecords) return 'malformed'
    if (error instanceof CorruptPayload) return 'corrupt payload'
    throw error
  }
}

function walk(bytes: Buffer, position: number, rules?: RecordRules): WalkedRecords {
  const isCompressed = new RecordBatch(bytes, position).isCompressed
  return walkRecords(bytes, position, isCompressed ? openPayload(bytes, position, MAX_BYTES) : null, rules)
}

/** Not OK for Kafka for reasons outside of these bytes, or OK for Kafka where these bytes are not of magic 2. */
const elsewhere =
  /^(base-offset|zstd-in-v6|control-batch|too-large|one-over|larger-than|acks-|sequence-|duplicate|old-epoch|new-epoch|two-producers|transactional|unknown-|negative-part|not-leader|internal-topic|topic-name|not-enough|leader-down|deltas-repeated-gzip|magic-1-gzip-in-v2|magic-[012]-in-v[012]$)/

const cases = vectors.filter(
  each => each.hexRecords !== null && each.hexRecords !== undefined && each.answer.error !== undefined,
)

test.each(cases.filter(each => !elsewhere.test(each.name) && !/^(no-key|too-)/.test(each.name)))(
  'bad batches: $name: accepted or refused as by Kafka',
  ({ hexRecords, answer }) => {
    const found = verdict(Buffer.from(hexRecords!, 'hex'))
    expect([found, found === 'ok']).toEqual([found, answer.error === 'NONE'])
  },
)

test('bad batches: what is wrong with each: as named', () => {
  const verdicts = Object.fromEntries(
    cases
      .filter(each => each.answer.error !== 'NONE' && !elsewhere.test(each.name) && !/^(no-key|too-)/.test(each.name))
      .map(each => [each.name, verdict(Buffer.from(each.hexRecords!, 'hex'))]),
  )
  expect(verdicts).toMatchSnapshot()
})

test.each(cases.filter(each => each.name.startsWith('no-key')))(
  'bad batches: $name: the records without key are those that Kafka lists',
  ({ hexRecords, answer }) => {
    const rules: RecordRules = { keyRequired: true, timestamps: { earliest: -Infinity, latest: Infinity } }
    expect(verdict(Buffer.from(hexRecords!, 'hex'), rules)).toBe(
      `rejected: ${answer.recordErrors!.map(each => each.batchIndex).join()}`,
    )
  },
)

test.each(cases.filter(each => /^too-(old|new)/.test(each.name)))(
  'bad batches: $name: the records outside the window are those that Kafka lists',
  ({ name, hexRecords, answer }) => {
    const timestamps = name.endsWith('log-append-time')
      ? null
      : { earliest: 1_600_000_000_000, latest: 1_900_000_000_000 }
    const rejected = answer.recordErrors!.map(each => each.batchIndex).join()
    expect(verdict(Buffer.from(hexRecords!, 'hex'), { keyRequired: false, timestamps })).toBe(
      rejected === '' ? 'ok' : `rejected: ${rejected}`,
    )
  },
)

describe('what Kafka stored, from what was sent', () => {
  const stored = cases.filter(
    each => each.storedHex !== undefined && each.storedHex !== '' && each.answer.error === 'NONE' && each.version >= 3,
  )

  test.each(stored)('bad batches: $name: patched to the same bytes', ({ hexRecords, storedHex }) => {
    const sent = Buffer.from(hexRecords!, 'hex')
    const kept = Buffer.from(storedHex!, 'hex')
    const now = new RecordBatch(sent)
    // Several sends to one topic leave several batches; the one with this sequence is this one, or its duplicate.
    const cursor = new BatchCursor(kept)
    const positions: number[] = []
    while (cursor.next()) positions.push(cursor.position)
    const same = positions.map(position => new RecordBatch(kept, position))
    if (same.some(each => each.codec !== now.codec)) {
      const last = same.at(-1)!
      const plain = (each: RecordBatch) =>
        readRecords(each.buffer, each.position, MAX_BYTES).map(record => [
          record.timestamp,
          record.body.toString('hex'),
        ])
      expect(plain(last)).toEqual(plain(now))
      return
    }
    const batch = same.findLast(each => each.baseSequence === now.baseSequence)!
    const bytes = Buffer.from(now.bytes)
    setBaseOffset(bytes, 0, batch.baseOffset)
    setPartitionLeaderEpoch(bytes, 0, batch.partitionLeaderEpoch)
    const { timestampType } = batch
    // Without a bit that the client may have set the records have the timestamps that it wrote.
    setMaxTimestamp(bytes, 0, { timestampType: TimestampType.CreateTime, maxTimestamp: now.maxTimestamp })
    const isLogAppendTime = timestampType === TimestampType.LogAppendTime
    const maxTimestamp = isLogAppendTime ? exactMaxTimestampAt(kept, batch.position) : walk(bytes, 0).maxTimestamp
    setMaxTimestamp(bytes, 0, { timestampType, maxTimestamp })
    expect(bytes.toString('hex')).toBe(Buffer.from(batch.bytes).toString('hex'))
  })
})

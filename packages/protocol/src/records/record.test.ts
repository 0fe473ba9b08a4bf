import { isDeepStrictEqual } from 'node:util'
import { describe, expect, test } from '@jest/globals'
import { codecName } from '../compression/codec.ts'
import { randomBytes, seededRandom } from '../compression/seeded-random.ts'
import { buildBatch, copyOf, recompressBatch } from './batch-builder.ts'
import type { NewRecord } from './batch-builder.ts'
import { MalformedRecords } from './malformed-records.ts'
import { openPayload } from './payload.ts'
import { readRecords } from './record.ts'
import type { ReadRecord } from './record.ts'
import { RecordBatch, TimestampType, isCrcValidAt, setMaxTimestamp } from './record-batch.ts'
import { walkRecords } from './record-walk.ts'
import type { RecordRules } from './record-walk.ts'
import { putVarint, putVarlong, sizeOfVarint, sizeOfVarlong, varint, varintAt, varlongAt } from './varint.ts'

const LIMIT = 1 << 24
const seed = 4711
const anyTime: RecordRules = { keyRequired: false, timestamps: { earliest: -Infinity, latest: Infinity } }

function plain({ offset, exactTimestamp, key, value, headers }: ReadRecord): object {
  return { offset, timestamp: exactTimestamp, key, value, headers }
}

function randomRecords(random: () => number): NewRecord[] {
  const bytes = (most: number): Buffer | null =>
    random() < 0.15 ? null : randomBytes(random, Math.floor(random() ** 3 * most))
  return Array.from({ length: 1 + Math.floor(random() ** 2 * 60) }, (_, index) => ({
    offset: 100 + index,
    timestamp:
      random() < 0.02 ? BigInt.asIntN(64, BigInt(Math.floor(random() * 2 ** 53)) << 11n) : Math.floor(random() * 1e13),
    key: bytes(200),
    value: bytes(20_000),
    headers: Array.from({ length: random() < 0.7 ? 0 : Math.floor(random() * 80) }, () => ({
      key: 'hé'.repeat(random() * 50),
      value: bytes(300),
    })),
  }))
}

const narrow = (value: number | bigint): number | bigint =>
  Number.isSafeInteger(Number(value)) ? Number(value) : value

describe('varints', () => {
  const edges = [
    0n,
    63n,
    64n,
    8191n,
    8192n,
    2n ** 20n,
    2n ** 27n,
    2n ** 30n,
    2n ** 31n - 1n,
    2n ** 48n,
    2n ** 52n,
    2n ** 53n,
    2n ** 62n,
  ]
  const values = edges.flatMap(edge => [edge - 1n, edge, edge + 1n, -edge - 1n, -edge, -edge + 1n])
  const all = [...values, 2n ** 63n - 1n, -(2n ** 63n)]

  test.each(all)('64 bits: %s: as written, in the size that was said', value => {
    const bytes = Buffer.alloc(12)
    const written = narrow(value)
    const end = putVarlong(bytes, 1, written)
    expect([end - 1, varlongAt(bytes, 1, 12), varint.end]).toEqual([sizeOfVarlong(written), written, end])
    expect(varlongAt(bytes, 1, end - 1)).toBe(0)
    expect(varint.end).toBe(-1)
  })

  test.each(all.filter(value => BigInt.asIntN(32, value) === value))('32 bits: %s: as written', value => {
    const bytes = Buffer.alloc(8)
    const end = putVarint(bytes, 1, Number(value))
    expect([end - 1, varintAt(bytes, 1, 8), varint.end]).toEqual([sizeOfVarint(Number(value)), Number(value), end])
    varintAt(bytes, 1, end - 1)
    expect(varint.end).toBe(-1)
  })

  test('too many bytes: no value', () => {
    varintAt(Buffer.from('ffffffffff01', 'hex'), 0, 6)
    expect(varint.end).toBe(-1)
    varlongAt(Buffer.from('ffffffffffffffffffff01', 'hex'), 0, 11)
    expect(varint.end).toBe(-1)
  })
})

describe('build and read', () => {
  test(`random records in every codec: the same come back, and the walk agrees (seed ${seed})`, () => {
    const random = seededRandom(seed)
    for (let round = 0; round < 60; round++) {
      const records = randomRecords(random)
      const codec = codecName(round % 5)!
      const batch = buildBatch(records, { codec })
      const expected = records.map(each => ({ ...each, timestamp: narrow(each.timestamp) }))
      // Jest's own comparison takes seconds for so many bytes.
      expect([round, isDeepStrictEqual(readRecords(batch, 0, LIMIT).map(plain), expected)]).toEqual([round, true])
      expect(isCrcValidAt(batch, 0)).toBe(true)
      const payload = openPayload(batch, 0, LIMIT)
      const walked = walkRecords(batch, 0, codec === 'none' ? null : payload)
      const times = expected.map(each => each.timestamp)
      const largest = times.reduce((most, time) => (time > most ? time : most), -1)
      const index = times.indexOf(largest)
      expect(walked).toEqual({
        count: records.length,
        payloadSize: payload.length,
        isSequential: true,
        maxTimestamp: largest,
        maxTimestampIndex: index,
        maxTimestampOffsetDelta: index,
        rejectedCount: 0,
        rejected: [],
      })
      expect(new RecordBatch(batch).maxTimestamp).toBe(Number(largest))
    }
  })

  test(`copied records: the same bytes, whatever was left out (seed ${seed})`, () => {
    const random = seededRandom(seed + 1)
    for (let round = 0; round < 20; round++) {
      const batch = buildBatch(randomRecords(random), { codec: codecName(round % 5)! })
      const records = readRecords(batch, 0, LIMIT)
      const { baseOffset, lastOffset, codec } = new RecordBatch(batch)
      const rebuilt = buildBatch(records.map(copyOf), { baseOffset, lastOffset, codec: codec! })
      expect(rebuilt.equals(batch)).toBe(true)
      const kept = records.filter((_, index) => index % 3 === 1)
      if (kept.length === 0) continue
      const compacted = buildBatch(kept.map(copyOf), { baseOffset, lastOffset })
      expect([round, isDeepStrictEqual(readRecords(compacted, 0, LIMIT).map(plain), kept.map(plain))]).toEqual([
        round,
        true,
      ])
      expect(new RecordBatch(compacted).lastOffset).toBe(lastOffset)
      expect(walkRecords(compacted, 0).isSequential).toBe(false)
    }
  })

  test('recompressed: another codec, the same records and header', () => {
    const records = [1, 2, 3].map(n => ({
      offset: 7 + n,
      timestamp: n,
      key: null,
      value: Buffer.alloc(1000, n),
      headers: [],
    }))
    const options = { producerId: 9, producerEpoch: 1, baseSequence: 4, isTransactional: true, partitionLeaderEpoch: 3 }
    const plainBatch = buildBatch(records, options)
    for (const codec of ['gzip', 'snappy', 'lz4', 'zstd', 'none'] as const) {
      const other = recompressBatch(plainBatch, 0, openPayload(plainBatch, 0, LIMIT), { codec })
      expect(readRecords(other, 0, LIMIT).map(plain)).toEqual(records)
      expect(isCrcValidAt(other, 0)).toBe(true)
      const { baseOffset, lastOffset, lastSequence, isTransactional, partitionLeaderEpoch, ...rest } = new RecordBatch(
        other,
      )
      expect({ baseOffset, lastOffset, lastSequence, isTransactional, partitionLeaderEpoch }).toEqual({
        baseOffset: 8,
        lastOffset: 10,
        lastSequence: 6,
        isTransactional: true,
        partitionLeaderEpoch: 3,
      })
      expect(rest.buffer).toBe(other)
      expect(new RecordBatch(other).codec).toBe(codec)
    }
  })

  test('log append time: every record has it, the deltas stay', () => {
    const batch = buildBatch([10, 20].map(timestamp => ({ timestamp, key: null, value: null })))
    setMaxTimestamp(batch, 0, { timestampType: TimestampType.LogAppendTime, maxTimestamp: 99 })
    const records = readRecords(batch, 0, LIMIT)
    expect(records.map(each => [each.timestamp, each.exactTimestamp, each.timestampDelta])).toEqual([
      [99, 99, 0],
      [99, 99, 10],
    ])
    expect(walkRecords(batch, 0)).toMatchObject({ maxTimestamp: 99, maxTimestampIndex: 0, maxTimestampOffsetDelta: 0 })
  })

  test('delete horizon: in the place of the base timestamp, the timestamps stay', () => {
    const batch = buildBatch([{ timestamp: 50, key: Buffer.from('k'), value: null }], { deleteHorizonMs: 9000 })
    expect([new RecordBatch(batch).deleteHorizonMs, new RecordBatch(batch).baseTimestamp]).toEqual([9000, 9000])
    expect(readRecords(batch, 0, LIMIT)[0]!.timestamp).toBe(50)
  })

  test('offsets further apart than 32 bits: RangeError', () => {
    const record = { timestamp: 1, key: null, value: null }
    expect(() =>
      buildBatch([
        { ...record, offset: 0 },
        { ...record, offset: 2 ** 31 },
      ]),
    ).toThrow(RangeError)
    expect(() => buildBatch([record], { baseOffset: 0, lastOffset: 2 ** 31 })).toThrow(RangeError)
  })
})

describe('rules', () => {
  const times = [-1, 5, 100, 101, 2000]
  const batch = buildBatch(
    times.map((timestamp, i) => ({ timestamp, key: i % 2 === 0 ? null : Buffer.from('k'), value: null })),
  )
  const window = { earliest: 100, latest: 1999 }
  const rejections = (rules: RecordRules, bytes = batch): unknown[] =>
    walkRecords(bytes, 0, null, rules).rejected.map(each => [each.index, each.reason, each.timestamp])

  test('a window: the records outside, -1 excepted', () => {
    expect(rejections({ keyRequired: false, timestamps: window })).toEqual([
      [1, 'timestamp', 5],
      [4, 'timestamp', 2000],
    ])
  })

  test('keys required: the records without, before their timestamps', () => {
    expect(rejections({ keyRequired: true, timestamps: window })).toEqual([
      [0, 'null key', -1],
      [1, 'timestamp', 5],
      [2, 'null key', 100],
      [4, 'null key', 2000],
    ])
  })

  test('log append time claimed by a client: all rejected where the topic has it too, judged by the max timestamp where not', () => {
    const claimed = Buffer.from(batch)
    setMaxTimestamp(claimed, 0, { timestampType: TimestampType.LogAppendTime, maxTimestamp: 150 })
    expect(rejections({ keyRequired: false, timestamps: null }, claimed)).toHaveLength(5)
    expect(rejections({ keyRequired: false, timestamps: window }, claimed)).toEqual([])
    expect(rejections({ keyRequired: false, timestamps: null })).toEqual([])
    setMaxTimestamp(claimed, 0, { timestampType: TimestampType.LogAppendTime, maxTimestamp: -1 })
    expect(rejections(anyTime, claimed)).toHaveLength(5)
    expect(walkRecords(claimed, 0).rejectedCount).toBe(0)
  })

  test('timestamps beyond 2^53: judged, listed and maximized exactly', () => {
    const wide = [2n ** 60n, 2n ** 60n + 1n, -(2n ** 62n), 7].map(timestamp => ({ timestamp, key: null, value: null }))
    const walked = walkRecords(buildBatch(wide), 0, null, {
      keyRequired: false,
      timestamps: { earliest: 0, latest: 10 },
    })
    expect(walked.rejected.map(each => [each.index, each.timestamp])).toEqual([
      [0, 2n ** 60n],
      [1, 2n ** 60n + 1n],
      [2, -(2n ** 62n)],
    ])
    expect([walked.maxTimestamp, walked.maxTimestampIndex]).toEqual([2n ** 60n + 1n, 1])
  })

  test('a base timestamp near the end of 64 bits: wraps as in Java', () => {
    const late = buildBatch([{ timestamp: -(2n ** 63n), key: null, value: null }], { baseTimestamp: 2n ** 63n - 1n })
    expect(readRecords(late, 0, LIMIT)[0]!.exactTimestamp).toBe(-(2n ** 63n))
    expect(walkRecords(late, 0)).toMatchObject({ maxTimestamp: -1, maxTimestampIndex: -1 })
  })
})

describe('malformed', () => {
  const batch = buildBatch(
    ['a', 'b', 'c'].map(text => ({
      timestamp: 1,
      key: Buffer.from(text),
      value: Buffer.from(text),
      headers: [{ key: text, value: null }],
    })),
    { baseOffset: 40 },
  )

  test('the error names batch, record and reason', () => {
    const broken = Buffer.from(batch)
    broken[61 + 12 * 1] = 2
    expect(() => walkRecords(broken, 0)).toThrow('batch at offset 40, record 1: impossible size 1, 23 bytes left')
    expect(() => readRecords(broken, 0, LIMIT)).toThrow(MalformedRecords)
  })

  test('each byte of the records changed to each value: walk and reader agree, and throw only MalformedRecords', () => {
    const outcome = (work: () => unknown): unknown => {
      try {
        work()
        return 'well-formed'
      } catch (error) {
        if (!(error instanceof MalformedRecords)) throw error
        return error.recordIndex
      }
    }
    let refused = 0
    const disagreements: unknown[] = []
    for (let at = 57; at < batch.length; at++) {
      for (let value = 0; value < 256; value++) {
        const broken = Buffer.from(batch)
        broken[at] = value
        const walked = outcome(() => walkRecords(broken, 0))
        const read = outcome(() => readRecords(broken, 0, LIMIT).map(plain))
        if (walked !== read) disagreements.push({ at, value, walked, read })
        if (walked !== 'well-formed') refused++
      }
    }
    expect(disagreements).toEqual([])
    expect(refused).toBeGreaterThan(5000)
  })
})

import { describe, expect, test } from '@jest/globals'
import { buildBatch } from './batch-builder.ts'
import { BatchCursor, BatchFault } from './batch-cursor.ts'
import { bigint64At, int16At, int64At, putInt16, putInt64 } from './big-endian.ts'
import {
  BATCH_HEADER_SIZE,
  RecordBatch,
  TimestampType,
  decrementSequence,
  exactMaxTimestampAt,
  incrementSequence,
  isCrcValidAt,
  lastSequenceAt,
  maxTimestampAt,
  setAttributes,
  setBaseOffset,
  setMaxTimestamp,
  setPartitionLeaderEpoch,
} from './record-batch.ts'

const record = { timestamp: 1000, key: null, value: Buffer.from('value') }

test('int64: at the edges of what a number holds: exact; beyond: nearest, and in order', () => {
  const bytes = Buffer.alloc(8)
  for (const value of [0, -1, 1, 2 ** 31, -(2 ** 31), 2 ** 32, -(2 ** 32) - 1, 2 ** 53 - 1, -(2 ** 53) + 1]) {
    putInt64(bytes, 0, value)
    expect([int64At(bytes, 0), bytes.readBigInt64BE(0)]).toEqual([value, BigInt(value)])
  }
  let before = -Infinity
  for (const value of [-(2n ** 63n), -(2n ** 62n), -(2n ** 53n) - 1n, 2n ** 53n + 1n, 2n ** 62n, 2n ** 63n - 1n]) {
    putInt64(bytes, 0, value)
    expect(bytes.readBigInt64BE(0)).toBe(value)
    expect(bigint64At(bytes, 0)).toBe(value)
    expect(int64At(bytes, 0)).toBe(Number(value))
    expect(int64At(bytes, 0)).toBeGreaterThan(before)
    before = int64At(bytes, 0)
  }
  expect(() => putInt64(bytes, 0, 2 ** 53)).toThrow(RangeError)
  expect(() => putInt64(bytes, 0, 0.5)).toThrow(RangeError)
})

test('int16: signed', () => {
  const bytes = Buffer.alloc(2)
  for (const value of [0, 1, -1, 32767, -32768, 255, 256]) {
    putInt16(bytes, 0, value)
    expect(int16At(bytes, 0)).toBe(value)
  }
})

test('sequences: past 2^31 - 1: go on at 0, and back', () => {
  const max = 2 ** 31 - 1
  expect([incrementSequence(max, 1), incrementSequence(max - 2, 4), incrementSequence(5, 3)]).toEqual([0, 1, 8])
  expect([decrementSequence(0, 1), decrementSequence(1, 4), decrementSequence(8, 3)]).toEqual([max, max - 2, 5])
  const batch = buildBatch([record, record, record], { producerId: 1, producerEpoch: 0, baseSequence: max - 1 })
  expect(lastSequenceAt(batch, 0)).toBe(0)
  expect(lastSequenceAt(buildBatch([record, record]), 0)).toBe(-1)
})

describe('patches', () => {
  test('base offset and leader epoch: outside of the checksum', () => {
    const batch = buildBatch([record, record])
    setBaseOffset(batch, 0, 2 ** 40)
    setPartitionLeaderEpoch(batch, 0, 12)
    const view = new RecordBatch(batch)
    expect([view.baseOffset, view.lastOffset, view.partitionLeaderEpoch]).toEqual([2 ** 40, 2 ** 40 + 1, 12])
    expect(view.isCrcValid).toBe(true)
  })

  test('max timestamp and its type: with a new checksum, in place in a larger buffer', () => {
    const batch = buildBatch([record])
    const buffer = Buffer.concat([Buffer.alloc(5, 1), batch, Buffer.alloc(5, 1)])
    setMaxTimestamp(buffer, 5, { timestampType: TimestampType.LogAppendTime, maxTimestamp: 5000 })
    expect([maxTimestampAt(buffer, 5), isCrcValidAt(buffer, 5)]).toEqual([5000, true])
    expect(new RecordBatch(buffer, 5).timestampType).toBe(TimestampType.LogAppendTime)
    expect(buffer.subarray(5, 5 + batch.length).equals(batch)).toBe(false)
    setMaxTimestamp(buffer, 5, { timestampType: TimestampType.CreateTime, maxTimestamp: 1000 })
    expect(buffer.subarray(5, 5 + batch.length).equals(batch)).toBe(true)
  })

  test('max timestamp: unchanged: not even the checksum is written', () => {
    const batch = buildBatch([record])
    batch[17]! ^= 1
    setMaxTimestamp(batch, 0, { timestampType: TimestampType.CreateTime, maxTimestamp: 1000 })
    expect(isCrcValidAt(batch, 0)).toBe(false)
  })

  test('max timestamp: 64 bits: exact', () => {
    const batch = buildBatch([record])
    setMaxTimestamp(batch, 0, { timestampType: TimestampType.CreateTime, maxTimestamp: 2n ** 62n + 1n })
    expect([exactMaxTimestampAt(batch, 0), maxTimestampAt(batch, 0)]).toEqual([2n ** 62n + 1n, 2 ** 62])
  })

  test('attributes: all 16 bits', () => {
    const batch = buildBatch([record])
    setAttributes(batch, 0, 0x7f80)
    expect([new RecordBatch(batch).attributes, isCrcValidAt(batch, 0)]).toEqual([0x7f80, true])
  })
})

test('checksum: any flipped bit from the attributes on: noticed', () => {
  const batch = buildBatch([record, record])
  for (let at = 17; at < batch.length; at++) {
    batch[at]! ^= 0x10
    expect([at, isCrcValidAt(batch, 0)]).toEqual([at, false])
    batch[at]! ^= 0x10
  }
  expect(isCrcValidAt(batch, 0)).toBe(true)
})

describe('cursor', () => {
  const first = buildBatch([record], { baseOffset: 5 })
  const second = buildBatch([record, record], { baseOffset: 6 })
  const both = Buffer.concat([Buffer.alloc(3), first, second])

  const walk = (buffer: Buffer, start = 0, end = buffer.length): { found: number[][]; cursor: BatchCursor } => {
    const cursor = new BatchCursor(buffer, start, end)
    const found: number[][] = []
    while (cursor.next()) found.push([cursor.position, cursor.size, cursor.magic])
    return { found, cursor }
  }

  test('whole batches: each once, and nothing remains', () => {
    const { found, cursor } = walk(both, 3)
    expect(found).toEqual([
      [3, first.length, 2],
      [3 + first.length, second.length, 2],
    ])
    expect([cursor.fault, cursor.remaining, cursor.next()]).toEqual([null, 0, false])
  })

  test('cut anywhere: whole batches only, the rest is incomplete and no fault', () => {
    for (let end = 3; end < both.length; end++) {
      const { found, cursor } = walk(both, 3, end)
      const whole = end >= 3 + first.length ? 1 : 0
      expect([end, found.length, cursor.fault]).toEqual([end, whole, null])
      expect(cursor.remaining).toBe(end - 3 - whole * first.length)
    }
  })

  test.each([
    ['length 13', 8, [0, 0, 0, 13], BatchFault.length],
    ['length -1', 8, [255, 255, 255, 255], BatchFault.length],
    ['length 48', 8, [0, 0, 0, 48], BatchFault.header],
    ['magic 3', 16, [3], BatchFault.magic],
    ['magic -1', 16, [255], BatchFault.magic],
    ['base offset -1', 0, [255, 255, 255, 255, 255, 255, 255, 255], BatchFault.offset],
    ['base offset 2^53', 0, [0, 32, 0, 0, 0, 0, 0, 0], BatchFault.offset],
  ])('second batch with %s: the first is found, then the fault at its place', (_what, at, bytes, fault) => {
    const broken = Buffer.from(both)
    broken.set(bytes, 3 + first.length + at)
    const { found, cursor } = walk(broken, 3)
    expect(found).toHaveLength(1)
    expect([cursor.fault, cursor.position, cursor.next()]).toEqual([fault, 3 + first.length, false])
    expect(cursor.reason).not.toBe('')
  })

  test('length 2^31 - 1: incomplete', () => {
    const huge = Buffer.from(both)
    huge.writeInt32BE(0x7fffffff, 3 + 8)
    expect(walk(huge, 3)).toMatchObject({ found: [], cursor: { fault: null } })
  })

  test('a batch without records: its header is all', () => {
    const empty = buildBatch([], { baseOffset: 300, lastOffset: 304, codec: 'gzip' })
    expect(walk(empty).found).toEqual([[0, BATCH_HEADER_SIZE, 2]])
    const { recordCount, baseOffset, lastOffset, codec, maxTimestamp } = new RecordBatch(empty)
    expect({ recordCount, baseOffset, lastOffset, codec, maxTimestamp }).toEqual({
      recordCount: 0,
      baseOffset: 300,
      lastOffset: 304,
      codec: 'none',
      maxTimestamp: -1,
    })
  })
})

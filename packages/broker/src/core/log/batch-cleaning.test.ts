import { describe, expect, test } from '@jest/globals'
import { buildBatch } from '@millrace/protocol/records/batch-builder'
import type { BatchOptions, NewRecord } from '@millrace/protocol/records/batch-builder'
import { ControlType, buildEndTransactionMarker } from '@millrace/protocol/records/control-record'
import { RecordBatch, TimestampType, isCrcValidAt, setBaseOffset } from '@millrace/protocol/records/record-batch'
import { readRecords } from '@millrace/protocol/records/record'
import { BatchCleaner } from './batch-cleaning.ts'
import { CleanedTransactions } from './cleaned-transactions.ts'
import { DamagedBatch } from './damaged-batch.ts'
import { KeyCollection } from './key-collection.ts'
import { OffsetMap } from './offset-map.ts'
import type { LastRecord } from './producer-state.ts'

const nowMs = Date.UTC(2026, 0, 1)
const hour = 3_600_000
const deleteRetentionMs = 24 * hour

const record = (key: string | null, value: string | null, timestamp = nowMs): NewRecord => ({
  timestamp,
  key: key === null ? null : Buffer.from(key),
  value: value === null ? null : Buffer.from(value),
})

interface World {
  readonly cleaner: BatchCleaner
  readonly transactions: CleanedTransactions
  readonly offsets: OffsetMap
}

/** A cleaner that has seen `log`, in which the keys of everything up to its end are noted. */
function worldOf(
  log: readonly Buffer[],
  options: {
    nowMs?: number
    lastRecords?: Map<number, LastRecord>
    gzipLaterBytes?: number
    firstOffset?: number
  } = {},
): World {
  const map = { bytesMax: 10_000, loadFactor: 0.9, keysMax: 1000, secret: Buffer.alloc(16, 7) }
  const offsets = new OffsetMap(options.firstOffset === undefined ? map : { ...map, firstOffset: options.firstOffset })
  const keys = new KeyCollection(offsets, new CleanedTransactions(), 0)
  for (const batch of log) expect(keys.add(batch, 0, 2)).toBe(true)
  const transactions = new CleanedTransactions()
  const { gzipLaterBytes = Infinity } = options
  const now = options.nowMs ?? nowMs
  const cleaner = new BatchCleaner({ offsets, transactions, nowMs: now, deleteRetentionMs, gzipLaterBytes })
  cleaner.beginSegment({ lastRecords: options.lastRecords ?? new Map(), keepsLegacyTombstones: true })
  return { cleaner, transactions, offsets }
}

const offsetsIn = (batch: Buffer): number[] => readRecords(batch, 0, 1 << 20).map(({ offset }) => offset)

describe('batch cleaning: records', () => {
  test.each([
    { codec: 'gzip', value: '4', gzipLaterBytes: 10, isPlain: true },
    { codec: 'gzip', value: null, gzipLaterBytes: 10, isPlain: true },
    { codec: 'gzip', value: '4', gzipLaterBytes: 100, isPlain: false },
    { codec: 'zstd', value: '4', gzipLaterBytes: 10, isPlain: false },
  ] as const)(
    'much is left of a batch with $codec: the caller compresses it: $isPlain (value $value, from $gzipLaterBytes B on)',
    ({ codec, value, gzipLaterBytes, isPlain }) => {
      const batch = buildBatch([record('a', '1'), record('b', value), record('a', '3'.repeat(20))], { codec })
      const { cleaner } = worldOf([batch], { gzipLaterBytes })
      expect(cleaner.clean(batch, 0, 2)).toBe('part')
      expect([cleaner.isToBeGzipped, new RecordBatch(cleaner.output).codec]).toEqual([
        isPlain,
        isPlain ? 'none' : codec,
      ])
      expect(isCrcValidAt(cleaner.output, 0)).toBe(true)
      expect(offsetsIn(cleaner.output)).toEqual([1, 2])
      // And it is forgotten with the next one.
      const last = buildBatch([record('c', '1')], { baseOffset: 3, codec: 'gzip' })
      expect([cleaner.clean(last, 0, 2), cleaner.isToBeGzipped]).toEqual(['all', false])
    },
  )

  const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const

  test.each(codecs)('every record is its last: the batch stays byte for byte (%s)', codec => {
    const batch = buildBatch([record('a', '1'), record('b', '2')], { baseOffset: 10, codec })
    expect(worldOf([batch]).cleaner.clean(batch, 0, 2)).toBe('all')
  })

  test.each(codecs)('all are known to be replaced: it goes without a look at its records (%s)', codec => {
    const producer = { producerId: 5, producerEpoch: 1, baseSequence: 70 }
    const batch = buildBatch([record('a', '1'), record('b', '2')], { baseOffset: 10, codec, ...producer })
    const later = buildBatch([record('b', '3'), record('a', '4')], { baseOffset: 12 })
    const log = [batch, later]
    const last: LastRecord = { dataOffset: 11, producerEpoch: 1 }
    const known = worldOf(log, { firstOffset: 10, lastRecords: new Map([[5, last]]) })
    expect([known.cleaner.clean(batch, 0, 2), known.cleaner.output.length]).toEqual(['part', 61])
    const { cleaner } = worldOf(log, { firstOffset: 10 })
    batch.fill(0xff, 61)
    expect(cleaner.clean(batch, 0, 2)).toBe('none')
    expect(cleaner.clean(later, 0, 2)).toBe('all')
    // Nothing is known of those in front of the first offset.
    expect(() => worldOf([later], { firstOffset: 12 }).cleaner.clean(batch, 0, 2)).toThrow()
  })

  test.each(codecs)(
    'some are replaced: the others stay, with offsets, headers, times, codec and sequence (%s)',
    codec => {
      const headers = [{ key: 'h', value: Buffer.from('x') }]
      const batch = buildBatch(
        [
          record('a', '1', nowMs + 9),
          { ...record('b', '2', nowMs + 1), headers },
          record('c', '3', nowMs + 2),
          record('a', '4'),
        ],
        { baseOffset: 10, codec, producerId: 5, producerEpoch: 1, baseSequence: 70, partitionLeaderEpoch: 3 },
      )
      const later = buildBatch([record('c', '5')], { baseOffset: 14 })
      const { cleaner } = worldOf([batch, later])
      expect(cleaner.clean(batch, 0, 2)).toBe('part')
      const left = new RecordBatch(cleaner.output)
      expect(left.isCrcValid).toBe(true)
      expect([left.baseOffset, left.lastOffset, left.baseSequence, left.lastSequence, left.recordCount]).toEqual([
        10, 13, 70, 73, 2,
      ])
      expect([left.codec, left.producerId, left.producerEpoch, left.partitionLeaderEpoch]).toEqual([codec, 5, 1, 3])
      expect([left.maxTimestamp, left.deleteHorizonMs]).toEqual([nowMs + 1, null])
      const records = readRecords(cleaner.output, 0, 1 << 20)
      expect(
        records.map(({ offset, timestamp, key, value }) => [offset, timestamp, key?.toString(), value?.toString()]),
      ).toEqual([
        [11, nowMs + 1, 'b', '2'],
        [13, nowMs, 'a', '4'],
      ])
      expect(records[0]!.headers).toEqual([{ key: 'h', value: Buffer.from('x') }])
    },
  )

  test('all are replaced: the batch goes', () => {
    const batch = buildBatch([record('a', '1')], { baseOffset: 0 })
    const later = buildBatch([record('a', '2')], { baseOffset: 1 })
    expect(worldOf([batch, later]).cleaner.clean(batch, 0, 2)).toBe('none')
  })

  test('no key: the record goes, but not behind what was looked at', () => {
    const batch = buildBatch([record(null, '1')], { baseOffset: 0 })
    expect(worldOf([batch]).cleaner.clean(batch, 0, 2)).toBe('none')
    expect(worldOf([]).cleaner.clean(batch, 0, 2)).toBe('all')
  })

  test('append time: what is left keeps the time of the batch', () => {
    const options = { baseOffset: 0, timestampType: TimestampType.LogAppendTime, maxTimestamp: nowMs + 77 }
    const batch = buildBatch([record('a', '1'), record('b', '2'), record('a', '3')], options)
    const { cleaner } = worldOf([batch])
    expect(cleaner.clean(batch, 0, 2)).toBe('part')
    expect(readRecords(cleaner.output, 0, 1 << 20).map(({ timestamp }) => timestamp)).toEqual([nowMs + 77, nowMs + 77])
  })

  test('times beyond what numbers hold: exact all the same', () => {
    const far = 2n ** 62n + 1n
    const batch = buildBatch([{ ...record('a', '1'), timestamp: far }, record('b', '2'), record('b', '3')], {
      baseOffset: 0,
    })
    const { cleaner } = worldOf([batch])
    expect(cleaner.clean(batch, 0, 2)).toBe('part')
    expect(readRecords(cleaner.output, 0, 1 << 20).map(({ exactTimestamp }) => exactTimestamp)).toEqual([far, nowMs])
  })

  test('a wrong checksum: nothing is made of it', () => {
    const batch = buildBatch([record('a', '1'), record('a', '2')], { baseOffset: 0 })
    const { cleaner } = worldOf([batch])
    batch[batch.length - 2]! ^= 1
    expect(() => cleaner.clean(batch, 0, 2)).toThrow(DamagedBatch)
    const keys = new KeyCollection(worldOf([]).offsets, new CleanedTransactions(), 0)
    expect(() => keys.add(batch, 0, 2)).toThrow(DamagedBatch)
  })

  test.each([
    { soundFrom: 4, lastKnown: 5, isLookedAt: false },
    { soundFrom: 3, lastKnown: 5, isLookedAt: false },
    { soundFrom: 5, lastKnown: 5, isLookedAt: true },
    { soundFrom: 4, lastKnown: 4, isLookedAt: true },
  ])(
    'sound from $soundFrom to $lastKnown: the checksum of a batch of 4 and 5 is looked at: $isLookedAt',
    ({ soundFrom, lastKnown, isLookedAt }) => {
      const batch = buildBatch([record('a', '1'), record('b', '2')], { baseOffset: 4 })
      const { cleaner, offsets } = worldOf([])
      const a = Buffer.from('a')
      offsets.put(a, 0, 1, 6)
      offsets.latestOffset = lastKnown
      // The one byte that only the checksum knows.
      batch[17]! ^= 1
      cleaner.soundFrom = soundFrom
      if (isLookedAt) expect(() => cleaner.clean(batch, 0, 2)).toThrow(DamagedBatch)
      else expect(cleaner.clean(batch, 0, 2)).toBe('part')
    },
  )

  test('what is left of a plain batch moves to the front of its buffer; what stood there is written over', () => {
    const first = buildBatch([record('a', '1'), record('b', 'x'.repeat(300)), record('a', '2')], { baseOffset: 0 })
    const second = buildBatch([record('c', '1'), record('b', '3'), record('d', null), record('a', '3')], {
      baseOffset: 3,
    })
    const { cleaner } = worldOf([first, second, buildBatch([record('c', '2')], { baseOffset: 7 })])
    const buffer = Buffer.concat([Buffer.alloc(100, 7), first, second])
    expect(cleaner.clean(buffer, 100, 2, 3)).toBe('none')
    const expected = Buffer.from(second)
    const alone = worldOf([first, second, buildBatch([record('c', '2')], { baseOffset: 7 })]).cleaner
    // A tombstone starts its time: that batch is built elsewhere, with the same bytes wherever its origin stood.
    expect([alone.clean(expected, 0, 2), alone.isInPlace]).toEqual(['part', false])
    expect([cleaner.clean(buffer, 100 + first.length, 2, 3), cleaner.isInPlace]).toEqual(['part', false])
    expect(cleaner.output.equals(alone.output)).toBe(true)
    const plain = buildBatch([record('e', '1'), record('f', 'y'.repeat(90)), record('e', '2'), record('g', '1')])
    const world = worldOf([plain])
    for (const target of [0, 5, 60, 100]) {
      const copy = Buffer.concat([Buffer.alloc(100, 7), plain])
      expect([world.cleaner.clean(copy, 100, 2, target), world.cleaner.isInPlace]).toEqual(['part', true])
      expect(copy.subarray(0, target).equals(Buffer.alloc(target, 7))).toBe(true)
      const left = copy.subarray(target, target + world.cleaner.output.length)
      expect(left.equals(world.cleaner.output)).toBe(true)
      expect(isCrcValidAt(copy, target)).toBe(true)
      expect(offsetsIn(left)).toEqual([1, 2, 3])
    }
  })
})

describe('batch cleaning: tombstones (KIP-534)', () => {
  const batch = buildBatch([record('a', null, nowMs - 5), record('b', '1', nowMs - 3)], {
    baseOffset: 7,
    codec: 'zstd',
  })

  /** As the first compaction over it leaves it. */
  function seen(): Buffer {
    const { cleaner } = worldOf([batch])
    expect(cleaner.clean(batch, 0, 2)).toBe('part')
    return cleaner.output
  }

  test('seen first: stays, and its time begins', () => {
    const left = new RecordBatch(seen())
    expect([left.isCrcValid, left.deleteHorizonMs, left.maxTimestamp, left.codec]).toEqual([
      true,
      nowMs + deleteRetentionMs,
      nowMs - 3,
      'zstd',
    ])
    expect(readRecords(seen(), 0, 1 << 20).map(({ timestamp }) => timestamp)).toEqual([nowMs - 5, nowMs - 3])
  })

  test.each([
    [deleteRetentionMs - 1, 'all'],
    [deleteRetentionMs, 'part'],
  ] as const)('seen again %d ms later: %s', (laterMs, kept) => {
    const again = seen()
    const { cleaner } = worldOf([again], { nowMs: nowMs + laterMs })
    expect(cleaner.clean(again, 0, 2)).toBe(kept)
    if (kept === 'all') return
    expect(offsetsIn(cleaner.output)).toEqual([8])
    expect(new RecordBatch(cleaner.output).deleteHorizonMs).toBe(nowMs + deleteRetentionMs)
    expect(readRecords(cleaner.output, 0, 1 << 20)[0]!.timestamp).toBe(nowMs - 3)
  })

  test('replaced: goes at once; behind what was looked at: stays, even when its time is over', () => {
    const later = buildBatch([record('a', '2'), record('b', '2')], { baseOffset: 9 })
    expect(worldOf([batch, later]).cleaner.clean(batch, 0, 2)).toBe('none')
    const again = seen()
    expect(worldOf([], { nowMs: nowMs + 2 * deleteRetentionMs }).cleaner.clean(again, 0, 2)).toBe('all')
  })

  test('delete.retention.ms without end: stays, and the horizon is a number that the format holds', () => {
    const offsets = new OffsetMap({ bytesMax: 1000, loadFactor: 0.9, keysMax: 10, secret: Buffer.alloc(16) })
    const options = {
      offsets,
      transactions: new CleanedTransactions(),
      nowMs,
      deleteRetentionMs: Number.MAX_SAFE_INTEGER,
    }
    const cleaner = new BatchCleaner(options)
    expect(cleaner.clean(batch, 0, 2)).toBe('part')
    expect(new RecordBatch(cleaner.output).deleteHorizonMs).toBe(Number.MAX_SAFE_INTEGER)
    expect(readRecords(cleaner.output, 0, 1 << 20).map(({ timestamp }) => timestamp)).toEqual([nowMs - 5, nowMs - 3])
  })
})

describe('batch cleaning: transactions and producers', () => {
  const transactional: BatchOptions = { producerId: 5, producerEpoch: 0, baseSequence: 0, isTransactional: true }
  const data = buildBatch([record('a', '1')], { ...transactional, baseOffset: 0 })
  const marker = (type: ControlType, baseOffset = 1): Buffer =>
    buildEndTransactionMarker({
      type,
      coordinatorEpoch: 2,
      producerId: 5,
      producerEpoch: 0,
      timestamp: nowMs,
      baseOffset,
    })
  const aborted = { producerId: 5, firstOffset: 0, lastOffset: 1, lastStableOffset: 2 }

  test('aborted data goes; its marker stays as it is while there was data, and its index entry too', () => {
    const { cleaner, transactions } = worldOf([])
    transactions.announce([aborted])
    expect(cleaner.clean(data, 0, 2)).toBe('none')
    expect(cleaner.clean(marker(ControlType.Abort), 0, 2)).toBe('all')
    expect(transactions.takeRetained()).toEqual([aborted])
    expect(transactions.takeRetained()).toEqual([])
  })

  test.each([ControlType.Abort, ControlType.Commit])(
    'a marker that nothing stands in front of: gets a horizon, goes after it (type %d)',
    type => {
      const first = worldOf([])
      if (type === ControlType.Abort) first.transactions.announce([aborted])
      expect(first.cleaner.clean(marker(type), 0, 2)).toBe('part')
      expect(first.transactions.takeRetained()).toEqual([])
      const left = Buffer.from(first.cleaner.output)
      expect(new RecordBatch(left)).toMatchObject({
        isCrcValid: true,
        isControl: true,
        deleteHorizonMs: nowMs + deleteRetentionMs,
      })
      expect(worldOf([], { nowMs: nowMs + deleteRetentionMs - 1 }).cleaner.clean(left, 0, 2)).toBe('all')
      expect(worldOf([], { nowMs: nowMs + deleteRetentionMs }).cleaner.clean(left, 0, 2)).toBe('none')
    },
  )

  test('a commit marker behind data of its transaction: stays as it is, whatever its horizon', () => {
    const { cleaner } = worldOf([])
    expect(cleaner.clean(data, 0, 2)).toBe('all')
    expect(cleaner.clean(marker(ControlType.Commit), 0, 2)).toBe('all')
  })

  test('announced twice, over two segments: aborted once', () => {
    const { cleaner, transactions } = worldOf([])
    transactions.announce([aborted])
    transactions.announce([aborted])
    expect(cleaner.clean(data, 0, 2)).toBe('none')
    expect(cleaner.clean(marker(ControlType.Abort), 0, 2)).toBe('all')
    const next = Buffer.from(data)
    setBaseOffset(next, 0, 2)
    expect(cleaner.clean(next, 0, 2)).toBe('all')
  })

  test('the last batch of a producer: stays, empty, for its sequence', () => {
    const batch = buildBatch([record('a', '1'), record('b', '1')], {
      producerId: 9,
      producerEpoch: 3,
      baseSequence: 4,
      baseOffset: 20,
      codec: 'gzip',
    })
    const later = buildBatch([record('a', '2'), record('b', '2')], { baseOffset: 22 })
    const { cleaner } = worldOf([batch, later], { lastRecords: new Map([[9, { dataOffset: 21, producerEpoch: 3 }]]) })
    expect(cleaner.clean(batch, 0, 2)).toBe('part')
    const left = Buffer.from(cleaner.output)
    expect(left).toHaveLength(61)
    expect(isCrcValidAt(left, 0)).toBe(true)
    expect(new RecordBatch(left)).toMatchObject({
      baseOffset: 20,
      lastOffset: 21,
      lastSequence: 5,
      producerEpoch: 3,
      recordCount: 0,
      codec: 'none',
      maxTimestamp: nowMs,
      baseTimestamp: -1,
    })
    // Once empty, it is left alone, until the producer goes on.
    expect(cleaner.clean(left, 0, 2)).toBe('all')
    expect(worldOf([left]).cleaner.clean(left, 0, 2)).toBe('none')
  })

  test('the last thing of a producer is a marker: stays, empty after its horizon, for the epoch', () => {
    const lastRecords = new Map([[5, { dataOffset: -1, producerEpoch: 0 }]])
    const first = worldOf([], { lastRecords })
    expect(first.cleaner.clean(marker(ControlType.Commit), 0, 2)).toBe('part')
    const dated = Buffer.from(first.cleaner.output)
    const later = worldOf([], { lastRecords, nowMs: nowMs + deleteRetentionMs })
    expect(later.cleaner.clean(dated, 0, 2)).toBe('part')
    expect(new RecordBatch(later.cleaner.output)).toMatchObject({
      isControl: true,
      recordCount: 0,
      producerEpoch: 0,
      deleteHorizonMs: null,
    })
  })
})

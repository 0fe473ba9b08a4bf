import { describe, expect, test } from '@jest/globals'
import {
  decodeLeaderEpochCheckpoint,
  decodeOffsetCheckpoint,
  encodeLeaderEpochCheckpoint,
  encodeOffsetCheckpoint,
} from './checkpoint.ts'
import {
  directoryName,
  fileName,
  isTooLongToMove,
  parseDirectoryName,
  parseFileName,
  transientDirectoryName,
} from './file-names.ts'
import { MalformedFile } from './malformed-file.ts'
import { decodeOffsetIndex, encodeOffsetIndex } from './offset-index.ts'
import { decodePartitionMetadata, encodePartitionMetadata } from './partition-metadata.ts'
import { decodeProducerSnapshot, encodeProducerSnapshot } from './producer-snapshot.ts'
import { decodeTimeIndex, encodeTimeIndex } from './time-index.ts'
import { decodeTransactionIndex, encodeTransactionIndex } from './transaction-index.ts'

// That Kafka writes the same bytes is shown by test/golden/check-log-dirs.ts; here is what its folders do not hold.

describe('names', () => {
  test('file names: written and parsed', () => {
    expect(fileName(42, '.log')).toBe('00000000000000000042.log')
    expect(parseFileName('00000000000000000042.timeindex.swap')).toEqual({
      baseOffset: 42,
      suffix: '.timeindex',
      transient: '.swap',
    })
    for (const name of [
      '42.log',
      '00000000000000000042.txt',
      '00000000000000000042.log.tmp',
      'partition.metadata',
      '99999999999999999999.log',
    ]) {
      expect(parseFileName(name)).toBeNull()
    }
  })

  test('folder names: topics with dashes and dots, states, and what is none', () => {
    expect(parseDirectoryName(directoryName('a-b.c_d', 12))).toEqual({
      topic: 'a-b.c_d',
      partition: 12,
      state: 'current',
      uniqueHex: '',
    })
    const hex = '0123456789abcdef0123456789abcdef'
    expect(parseDirectoryName(transientDirectoryName('a-b', 3, hex, 'delete'))).toEqual({
      topic: 'a-b',
      partition: 3,
      state: 'delete',
      uniqueHex: hex,
    })
    for (const name of ['lost+found', 'a-', '-1', 'a-1.tmp', 'a-99999999999', 'cleaner-offset-checkpoint'])
      expect(parseDirectoryName(name)).toBeNull()
  })

  test('folder names: a topic of 249 characters on its way out: 255 characters, still parsed', () => {
    const name = transientDirectoryName('t'.repeat(249), 7, 'f'.repeat(32), 'delete')
    expect(name.length).toBe(255)
    expect(parseDirectoryName(name)).toMatchObject({ partition: 7, state: 'delete' })
  })

  test('folder names: a future log: never cut, so topics of more than 213 characters cannot be moved', () => {
    const uncut = (topic: string, partition: number): boolean =>
      parseDirectoryName(transientDirectoryName(topic, partition, 'f'.repeat(32), 'future'))?.topic === topic
    for (const partition of [7, 77]) {
      for (const length of [1, 212, 213, 214, 249])
        expect(isTooLongToMove('t'.repeat(length), partition)).toBe(!uncut('t'.repeat(length), partition))
    }
    expect([isTooLongToMove('t'.repeat(213), 7), isTooLongToMove('t'.repeat(213), 77)]).toEqual([false, true])
  })
})

describe('indexes', () => {
  test('offset index: a preallocated file: unused space is not an entry', () => {
    const entries = [
      { offset: 105, position: 300 },
      { offset: 111, position: 900 },
    ]
    const bytes = Buffer.concat([encodeOffsetIndex(entries, 100), Buffer.alloc(800)])
    expect(decodeOffsetIndex(bytes, 100)).toEqual(entries)
    expect(decodeOffsetIndex(Buffer.alloc(80), 100)).toEqual([])
  })

  test('time index: a preallocated file, timestamp 0 and timestamps beyond 2^53', () => {
    const entries = [
      { timestamp: 5, offset: 100 },
      { timestamp: 2 ** 60, offset: 103 },
    ]
    expect(decodeTimeIndex(Buffer.concat([encodeTimeIndex(entries, 100), Buffer.alloc(120)]), 100)).toEqual(entries)
    expect(decodeTimeIndex(encodeTimeIndex([{ timestamp: 0, offset: 100 }], 100), 100)).toEqual([
      { timestamp: 0, offset: 100 },
    ])
    expect(encodeTimeIndex([{ timestamp: 2 ** 70, offset: 0 }], 0).readBigInt64BE(0)).toBe(2n ** 63n - 1n)
  })

  test.each([
    ['a part of an entry', (bytes: Buffer) => bytes.subarray(0, 40)],
    ['another version', (bytes: Buffer) => bytes.fill(1, 1, 2)],
    ['last offsets that do not grow', (bytes: Buffer) => Buffer.concat([bytes, bytes])],
  ])('transaction index: %s: malformed', (_, damage) => {
    const bytes = encodeTransactionIndex([
      { producerId: 1, firstOffset: 2, lastOffset: 5, lastStableOffset: 6 },
      { producerId: 2, firstOffset: 3, lastOffset: 9, lastStableOffset: 10 },
    ])
    expect(() => decodeTransactionIndex(damage(bytes))).toThrow(MalformedFile)
  })
})

describe('producer snapshot', () => {
  const entry = {
    producerId: 4000,
    producerEpoch: 3,
    lastSequence: 17,
    lastOffset: 99,
    offsetDelta: 4,
    timestamp: 1_700_000_000_000,
    coordinatorEpoch: -1,
    currentTransactionFirstOffset: -1,
  }

  test('producer snapshot: round trip', () => {
    expect(decodeProducerSnapshot(encodeProducerSnapshot([entry, { ...entry, producerId: 2 ** 40 }]))).toEqual([
      entry,
      { ...entry, producerId: 2 ** 40 },
    ])
  })

  test('producer snapshot: any byte changed, or cut anywhere: malformed', () => {
    const bytes = encodeProducerSnapshot([entry])
    for (let index = 0; index < bytes.length; index++) {
      const damaged = Buffer.from(bytes)
      damaged[index]! ^= 0x40
      expect(() => decodeProducerSnapshot(damaged)).toThrow(MalformedFile)
      expect(() => decodeProducerSnapshot(bytes.subarray(0, index))).toThrow(MalformedFile)
    }
  })
})

describe('text files', () => {
  test('checkpoints: an empty file holds nothing; a broken one says what is wrong', () => {
    expect(decodeOffsetCheckpoint(Buffer.alloc(0))).toEqual([])
    const entries = [{ topic: 'a-b.c', partition: 3, offset: 12 }]
    expect(decodeOffsetCheckpoint(encodeOffsetCheckpoint(entries))).toEqual(entries)
    expect(decodeLeaderEpochCheckpoint(encodeLeaderEpochCheckpoint([{ epoch: 1, startOffset: 5 }]))).toEqual([
      { epoch: 1, startOffset: 5 },
    ])
    for (const text of ['1\n0\n', '0\n2\na 0 1\n', '0\n1\na zero 1\n', '0', 'x\n']) {
      expect(() => decodeOffsetCheckpoint(Buffer.from(text))).toThrow(MalformedFile)
    }
  })

  test('partition.metadata: an id, or malformed', () => {
    const id = 'cVXPhGjBT8erN4aS7CGDSg'
    expect(decodePartitionMetadata(encodePartitionMetadata(id))).toBe(id)
    for (const text of ['', 'version: 1\ntopic_id: cVXPhGjBT8erN4aS7CGDSg', 'version: 0\ntopic_id: short']) {
      expect(() => decodePartitionMetadata(Buffer.from(text))).toThrow(MalformedFile)
    }
  })
})

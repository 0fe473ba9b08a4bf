import { describe, expect, test } from '@jest/globals'
import { ErrorCode } from '@millrace/protocol/errors'
import { buildBatch } from '@millrace/protocol/records/batch-builder'
import { readRecords } from '@millrace/protocol/records/record'
import { BatchCursor } from '@millrace/protocol/records/batch-cursor'
import { MemoryLogs } from '@millrace/testing/world/memory-logs'
import { DirectoryOffline, OffsetOutOfRange } from './log-errors.ts'
import type { AppendOutcome } from '../core/log/append-outcome.ts'
import type { PartitionLog } from './partition-log.ts'

/** Where virtual time begins. */
const startMs = Date.UTC(2026, 0, 1)

interface BatchSpec {
  readonly values?: readonly string[]
  readonly timestamp?: number
  readonly producerId?: number
  readonly producerEpoch?: number
  readonly baseSequence?: number
}

function batch(spec: BatchSpec = {}): Buffer {
  const { values = ['value'], timestamp = startMs, ...producer } = spec
  return buildBatch(
    values.map((value, index) => ({ timestamp: timestamp + index, key: null, value: Buffer.from(value) })),
    producer,
  )
}

function append(log: PartitionLog, records: Buffer, nowMs = startMs): AppendOutcome {
  return log.appendAsLeader(records, { leaderEpoch: 0, origin: 'client', apiVersion: 9, nowMs })
}

/** The values from `fetchOffset` on, as a consumer would read them. */
function valuesFrom(log: PartitionLog, fetchOffset = log.logStartOffset, maxBytes = 1024 * 1024): string[] {
  const values: string[] = []
  for (let offset = fetchOffset; ;) {
    const batches = log.read({ fetchOffset: offset, maxBytes, endOffset: log.logEndOffset, minOneBatch: true })
    if (batches === null) return values
    const cursor = new BatchCursor(batches.bytes)
    while (cursor.next()) {
      for (const record of readRecords(batches.bytes, cursor.position, 1024 * 1024)) {
        if (record.offset >= fetchOffset) values.push(`${record.offset}:${record.value?.toString()}`)
      }
    }
    expect(cursor.remaining).toBe(0)
    offset = batches.nextOffset
    batches.release()
  }
}

describe('append', () => {
  test('log: appended: nothing is visible before the end of the turn, then one announcement and one write', async () => {
    const logs = await MemoryLogs.open()
    const log = logs.log()
    const announced: number[] = []
    let writes = 0
    log.attach({ endOffsetAdvanced: offset => announced.push(offset), failed: () => {} })
    logs.files.onOperation = ({ kind, path }) => {
      if (kind === 'write' && path.endsWith('.log')) writes++
    }
    expect(append(log, batch({ values: ['a', 'b'] }))).toEqual({
      ok: true,
      baseOffset: 0,
      lastOffset: 1,
      logAppendTimeMs: -1,
      logStartOffset: 0,
      isDuplicate: false,
    })
    append(log, batch({ values: ['c'] }))
    expect([log.logEndOffset, announced, writes]).toEqual([0, [], 0])
    expect(valuesFrom(log)).toEqual([])
    logs.time.endTurn()
    expect([log.logEndOffset, announced, writes]).toEqual([3, [3], 1])
    expect(valuesFrom(log)).toEqual(['0:a', '1:b', '2:c'])
  })

  test('log: a large batch between small ones: order is kept, the large one is not gathered', async () => {
    const logs = await MemoryLogs.open()
    const log = logs.log()
    const sizes: number[] = []
    logs.files.onOperation = ({ kind, path, length }) => {
      if (kind === 'write' && path.endsWith('.log')) sizes.push(length)
    }
    append(log, batch({ values: ['a'] }))
    append(log, batch({ values: ['x'.repeat(300_000)] }))
    append(log, batch({ values: ['b'] }))
    logs.time.endTurn()
    expect(sizes).toHaveLength(3)
    expect(valuesFrom(log).map(value => value.slice(0, 4))).toEqual(['0:a', '1:xx', '2:b'])
  })

  test('log: a short write: nothing acknowledged, directory offline, the tail is cut', async () => {
    const logs = await MemoryLogs.open()
    const log = logs.log()
    append(log, batch({ values: ['kept'] }))
    logs.time.endTurn()
    const sizeBefore = logs.files.stat(`${log.path}/00000000000000000000.log`)!.size
    const failures: string[] = []
    const announced: number[] = []
    const directoryFailures: unknown[] = []
    log.attach({ endOffsetAdvanced: offset => announced.push(offset), failed: error => failures.push(error.name) })
    logs.attach({ directoryFailed: (directory, _error, isLast) => directoryFailures.push([directory, isLast]) })
    logs.files.onOperation = ({ kind, length }) => (kind === 'write' ? length - 1 : undefined)
    expect(append(log, batch({ values: ['lost'] })).ok).toBe(true)
    logs.time.endTurn()
    expect([announced, failures, directoryFailures]).toEqual([[], ['ShortWrite'], [['/data', true]]])
    expect(log.logEndOffset).toBe(1)
    expect(logs.files.stat(`${log.path}/00000000000000000000.log`)!.size).toBe(sizeBefore)
    expect(append(log, batch())).toMatchObject({ ok: false, errorCode: ErrorCode.KAFKA_STORAGE_ERROR })
    expect(() => log.read({ fetchOffset: 0, maxBytes: 1, endOffset: 1, minOneBatch: true })).toThrow(DirectoryOffline)
  })

  test('log: one directory of two fails: the logs of the other go on', async () => {
    const logs = await MemoryLogs.open({ directories: ['/one', '/two'] })
    const [first, second] = [logs.log('a', 0), logs.log('a', 1)]
    expect([first.directory, second.directory]).toEqual(['/one', '/two'])
    logs.files.onOperation = ({ kind, path }) => (kind === 'write' && path.startsWith('/one') ? 0 : undefined)
    append(first, batch())
    append(second, batch())
    logs.time.endTurn()
    expect([first.isOffline, second.isOffline, second.logEndOffset]).toEqual([true, false, 1])
    expect(() => logs.directories.create({ topic: 'b', partition: 0, topicId: null, isNew: false })).toThrow(
      DirectoryOffline,
    )
    expect(logs.log('b').directory).toBe('/two')
  })

  test('log: flush.messages=1: synced before it is visible, so a power cut loses nothing that was announced', async () => {
    const logs = await MemoryLogs.open({ settings: { flushMessages: 1 } })
    const log = logs.log()
    append(log, batch({ values: ['a'] }))
    logs.time.endTurn()
    expect(log.recoveryPoint).toBe(1)
    const after = await MemoryLogs.open({ files: logs.files.afterPowerCut() })
    expect(valuesFrom(after.log())).toEqual(['0:a'])
  })

  test('log: batch of the wrong form: refused, offsets not used up', async () => {
    const logs = await MemoryLogs.open()
    const log = logs.log()
    const broken = batch()
    broken[broken.length - 1]! ^= 1
    expect(append(log, broken)).toMatchObject({ ok: false, errorCode: ErrorCode.CORRUPT_MESSAGE })
    expect(append(log, batch())).toMatchObject({ ok: true, baseOffset: 0 })
  })
})

describe('producers', () => {
  test('log: retry of a batch that still waits for the end of the turn: the original offsets, once in the log', async () => {
    const logs = await MemoryLogs.open()
    const log = logs.log()
    const retry = { values: ['a', 'b'], producerId: 7, producerEpoch: 0, baseSequence: 0 }
    append(log, batch(retry))
    expect(append(log, batch(retry))).toMatchObject({ ok: true, isDuplicate: true, baseOffset: 0, lastOffset: 1 })
    logs.time.endTurn()
    expect(valuesFrom(log)).toEqual(['0:a', '1:b'])
  })

  test('log: restart after a clean stop and after a kill: producers are known as before', async () => {
    const logs = await MemoryLogs.open({ settings: { segmentBytes: 400 } })
    const log = logs.log()
    for (let sequence = 0; sequence < 10; sequence++) {
      append(log, batch({ values: [`v${sequence}`], producerId: 7, producerEpoch: 1, baseSequence: sequence }))
      append(log, batch({ values: [`w${sequence}`], producerId: 8, producerEpoch: 0, baseSequence: sequence }))
      logs.time.endTurn()
    }
    expect(log.segmentCount).toBeGreaterThan(3)
    const before = log.activeProducers()
    const killed = await MemoryLogs.open({ files: logs.files.afterKill(), settings: { segmentBytes: 400 } })
    expect(sorted(killed.log().activeProducers())).toEqual(sorted(before))
    expect(
      append(killed.log(), batch({ values: ['v9'], producerId: 7, producerEpoch: 1, baseSequence: 9 })),
    ).toMatchObject({ isDuplicate: true })
    await logs.close()
    const stopped = await MemoryLogs.open({ files: logs.files.afterKill(), settings: { segmentBytes: 400 } })
    expect(sorted(stopped.log().activeProducers())).toEqual(sorted(before))
    expect(
      append(stopped.log(), batch({ values: ['x'], producerId: 7, producerEpoch: 1, baseSequence: 12 })),
    ).toMatchObject({
      errorCode: ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
    })
  })

  const sorted = <T extends { producerId: number }>(rows: T[]): T[] =>
    rows.sort((left, right) => left.producerId - right.producerId)
})

describe('read', () => {
  test('log: fetch offset outside the log: OffsetOutOfRange; at its end: nothing', async () => {
    const logs = await MemoryLogs.open()
    const log = logs.log()
    append(log, batch({ values: ['a', 'b'] }))
    logs.time.endTurn()
    const read = (fetchOffset: number): unknown =>
      log.read({ fetchOffset, maxBytes: 1000, endOffset: 2, minOneBatch: true })
    expect(() => read(3)).toThrow(OffsetOutOfRange)
    expect(() => read(-1)).toThrow(OffsetOutOfRange)
    expect(read(2)).toBeNull()
  })

  test('log: fewer bytes than the first batch: nothing, or that batch when one is wanted (KIP-74)', async () => {
    const logs = await MemoryLogs.open()
    const log = logs.log()
    append(log, batch({ values: ['x'.repeat(5000)] }))
    append(log, batch({ values: ['y'] }))
    logs.time.endTurn()
    const options = { fetchOffset: 0, maxBytes: 100, endOffset: 2 }
    expect(log.read({ ...options, minOneBatch: false })).toBeNull()
    const one = log.read({ ...options, minOneBatch: true })!
    expect([one.firstOffset, one.nextOffset]).toEqual([0, 1])
    one.release()
    expect(valuesFrom(log).length).toBe(2)
  })

  test('log: a batch larger than a whole read: answered whole', async () => {
    const logs = await MemoryLogs.open({ settings: { maxMessageBytes: 10_000_000 } })
    const log = logs.log()
    append(log, batch({ values: ['x'.repeat(3_000_000)] }))
    append(log, batch({ values: ['y'] }))
    logs.time.endTurn()
    expect(valuesFrom(log).map(value => value.length)).toEqual([3_000_002, 3])
  })

  test('log: end offset below the log end (high watermark): batches behind it are not answered', async () => {
    const logs = await MemoryLogs.open()
    const log = logs.log()
    for (const value of ['a', 'b', 'c']) append(log, batch({ values: [value] }))
    logs.time.endTurn()
    const batches = log.read({ fetchOffset: 0, maxBytes: 10_000, endOffset: 2, minOneBatch: true })!
    expect(batches.nextOffset).toBe(2)
    batches.release()
  })
})

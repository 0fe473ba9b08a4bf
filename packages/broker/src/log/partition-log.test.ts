import { describe, expect, test } from '@jest/globals'
import { ErrorCode } from '@millrace/protocol/errors'
import { buildBatch } from '@millrace/protocol/records/batch-builder'
import { buildEndTransactionMarker, ControlType } from '@millrace/protocol/records/control-record'
import { RecordBatch } from '@millrace/protocol/records/record-batch'
import { appendTo, batchOf, startMs, valuesOf } from '@millrace/testing/world/log-records'
import { MemoryLogs } from '@millrace/testing/world/memory-logs'
import { DirectoryOffline, OffsetOutOfRange, UnexpectedAppendOffset } from './log-errors.ts'

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
    expect(appendTo(log, batchOf({ values: ['a', 'b'] }))).toEqual({
      ok: true,
      baseOffset: 0,
      lastOffset: 1,
      logAppendTimeMs: -1,
      logStartOffset: 0,
      isDuplicate: false,
    })
    appendTo(log, batchOf({ values: ['c'] }))
    expect([log.logEndOffset, announced, writes]).toEqual([0, [], 0])
    expect(valuesOf(log)).toEqual([])
    logs.time.endTurn()
    expect([log.logEndOffset, announced, writes]).toEqual([3, [3], 1])
    expect(valuesOf(log)).toEqual(['0:a', '1:b', '2:c'])
  })

  test('log: a large batch between small ones: order is kept, the large one is not gathered', async () => {
    const logs = await MemoryLogs.open()
    const log = logs.log()
    const sizes: number[] = []
    logs.files.onOperation = ({ kind, path, length }) => {
      if (kind === 'write' && path.endsWith('.log')) sizes.push(length)
    }
    appendTo(log, batchOf({ values: ['a'] }))
    appendTo(log, batchOf({ values: ['x'.repeat(300_000)] }))
    appendTo(log, batchOf({ values: ['b'] }))
    logs.time.endTurn()
    expect(sizes).toHaveLength(3)
    expect(valuesOf(log).map(value => value.slice(0, 4))).toEqual(['0:a', '1:xx', '2:b'])
  })

  test('log: a short write: nothing acknowledged, directory offline, the tail is cut', async () => {
    const logs = await MemoryLogs.open()
    const log = logs.log()
    appendTo(log, batchOf({ values: ['kept'] }))
    logs.time.endTurn()
    const sizeBefore = logs.files.stat(`${log.path}/00000000000000000000.log`)!.size
    const failures: string[] = []
    const announced: number[] = []
    const directoryFailures: unknown[] = []
    log.attach({ endOffsetAdvanced: offset => announced.push(offset), failed: error => failures.push(error.name) })
    logs.attach({ directoryFailed: (directory, _error, isLast) => directoryFailures.push([directory, isLast]) })
    logs.files.onOperation = ({ kind, length }) => (kind === 'write' ? length - 1 : undefined)
    expect(appendTo(log, batchOf({ values: ['lost'] })).ok).toBe(true)
    logs.time.endTurn()
    expect([announced, failures, directoryFailures]).toEqual([[], ['ShortWrite'], [['/data', true]]])
    expect(log.logEndOffset).toBe(1)
    expect(logs.files.stat(`${log.path}/00000000000000000000.log`)!.size).toBe(sizeBefore)
    expect(appendTo(log, batchOf())).toMatchObject({ ok: false, errorCode: ErrorCode.KAFKA_STORAGE_ERROR })
    expect(() => log.read({ fetchOffset: 0, maxBytes: 1, endOffset: 1, minOneBatch: true })).toThrow(DirectoryOffline)
  })

  test('log: one directory of two fails: the logs of the other go on', async () => {
    const logs = await MemoryLogs.open({ directories: ['/one', '/two'] })
    const [first, second] = [logs.log('a', 0), logs.log('a', 1)]
    expect([first.directory, second.directory]).toEqual(['/one', '/two'])
    logs.files.onOperation = ({ kind, path }) => (kind === 'write' && path.startsWith('/one') ? 0 : undefined)
    appendTo(first, batchOf())
    appendTo(second, batchOf())
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
    appendTo(log, batchOf({ values: ['a'] }))
    logs.time.endTurn()
    expect(log.recoveryPoint).toBe(1)
    const after = await MemoryLogs.open({ files: logs.files.afterPowerCut() })
    expect(valuesOf(after.log())).toEqual(['0:a'])
  })

  test('log: batch of the wrong form: refused, offsets not used up', async () => {
    const logs = await MemoryLogs.open()
    const log = logs.log()
    const broken = batchOf()
    broken[broken.length - 1]! ^= 1
    expect(appendTo(log, broken)).toMatchObject({ ok: false, errorCode: ErrorCode.CORRUPT_MESSAGE })
    expect(appendTo(log, batchOf())).toMatchObject({ ok: true, baseOffset: 0 })
  })
})

describe('producers', () => {
  test('log: retry of a batch that still waits for the end of the turn: the original offsets, once in the log', async () => {
    const logs = await MemoryLogs.open()
    const log = logs.log()
    const retry = { values: ['a', 'b'], producerId: 7, producerEpoch: 0, baseSequence: 0 }
    appendTo(log, batchOf(retry))
    expect(appendTo(log, batchOf(retry))).toMatchObject({ ok: true, isDuplicate: true, baseOffset: 0, lastOffset: 1 })
    logs.time.endTurn()
    expect(valuesOf(log)).toEqual(['0:a', '1:b'])
  })

  test('log: restart after a clean stop and after a kill: producers are known as before', async () => {
    const logs = await MemoryLogs.open({ settings: { segmentBytes: 400 } })
    const log = logs.log()
    for (let sequence = 0; sequence < 10; sequence++) {
      appendTo(log, batchOf({ values: [`v${sequence}`], producerId: 7, producerEpoch: 1, baseSequence: sequence }))
      appendTo(log, batchOf({ values: [`w${sequence}`], producerId: 8, producerEpoch: 0, baseSequence: sequence }))
      logs.time.endTurn()
    }
    expect(log.segmentCount).toBeGreaterThan(3)
    const before = log.activeProducers()
    const killed = await MemoryLogs.open({ files: logs.files.afterKill(), settings: { segmentBytes: 400 } })
    expect(sorted(killed.log().activeProducers())).toEqual(sorted(before))
    expect(
      appendTo(killed.log(), batchOf({ values: ['v9'], producerId: 7, producerEpoch: 1, baseSequence: 9 })),
    ).toMatchObject({ isDuplicate: true })
    await logs.close()
    const stopped = await MemoryLogs.open({ files: logs.files.afterKill(), settings: { segmentBytes: 400 } })
    expect(sorted(stopped.log().activeProducers())).toEqual(sorted(before))
    expect(
      appendTo(stopped.log(), batchOf({ values: ['x'], producerId: 7, producerEpoch: 1, baseSequence: 12 })),
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
    appendTo(log, batchOf({ values: ['a', 'b'] }))
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
    appendTo(log, batchOf({ values: ['x'.repeat(5000)] }))
    appendTo(log, batchOf({ values: ['y'] }))
    logs.time.endTurn()
    const options = { fetchOffset: 0, maxBytes: 100, endOffset: 2 }
    expect(log.read({ ...options, minOneBatch: false })).toBeNull()
    const one = log.read({ ...options, minOneBatch: true })!
    expect([one.firstOffset, one.nextOffset]).toEqual([0, 1])
    one.release()
    expect(valuesOf(log).length).toBe(2)
  })

  test('log: a batch larger than a whole read: answered whole', async () => {
    const logs = await MemoryLogs.open({ settings: { maxMessageBytes: 10_000_000 } })
    const log = logs.log()
    appendTo(log, batchOf({ values: ['x'.repeat(3_000_000)] }))
    appendTo(log, batchOf({ values: ['y'] }))
    logs.time.endTurn()
    expect(valuesOf(log).map(value => value.length)).toEqual([3_000_002, 3])
  })

  test('log: end offset below the log end (high watermark): batches behind it are not answered', async () => {
    const logs = await MemoryLogs.open()
    const log = logs.log()
    for (const value of ['a', 'b', 'c']) appendTo(log, batchOf({ values: [value] }))
    logs.time.endTurn()
    const batches = log.read({ fetchOffset: 0, maxBytes: 10_000, endOffset: 2, minOneBatch: true })!
    expect(batches.nextOffset).toBe(2)
    batches.release()
  })
})

describe('transactions', () => {
  const producer = { producerId: 7, producerEpoch: 0, isTransactional: true }

  test('log: aborted and committed transactions: the last stable offset follows, and readers are told what to hide, also after a kill', async () => {
    const logs = await MemoryLogs.open({ settings: { segmentBytes: 300 } })
    const log = logs.log()
    const end = (type: ControlType, producerId: number): unknown =>
      log.appendAsLeader(
        buildEndTransactionMarker({ type, coordinatorEpoch: 0, producerId, producerEpoch: 0, timestamp: startMs }),
        { leaderEpoch: 0, origin: 'coordinator', apiVersion: 9, nowMs: startMs },
      )
    appendTo(log, batchOf({ ...producer, values: ['a', 'b'], baseSequence: 0 }))
    appendTo(log, batchOf({ ...producer, producerId: 8, values: ['c'], baseSequence: 0 }))
    logs.time.endTurn()
    log.setHighWatermark(3)
    expect([log.lastStableOffset, log.firstUnstableOffset]).toEqual([0, 0])
    expect(end(ControlType.Abort, 7)).toMatchObject({ ok: true, baseOffset: 3 })
    appendTo(log, batchOf({ values: ['x'.repeat(200)] }))
    logs.time.endTurn()
    expect(log.segmentCount).toBeGreaterThan(1)
    log.setHighWatermark(5)
    expect(log.lastStableOffset).toBe(2)
    expect(log.abortedTransactions(0, 2)).toMatchObject([{ producerId: 7, firstOffset: 0 }])
    expect(log.abortedTransactions(4, 5)).toEqual([])
    expect(end(ControlType.Commit, 8)).toMatchObject({ ok: true, baseOffset: 5 })
    logs.time.endTurn()
    log.setHighWatermark(6)
    expect([log.lastStableOffset, log.firstUnstableOffset]).toEqual([6, null])
    const again = (await MemoryLogs.open({ files: logs.files.afterKill() })).log()
    expect(again.abortedTransactions(0, 6)).toMatchObject([{ producerId: 7, firstOffset: 0 }])
    again.setHighWatermark(6)
    expect(again.lastStableOffset).toBe(6)
  })

  test('log: killed with an open transaction: it is still open', async () => {
    const logs = await MemoryLogs.open()
    appendTo(logs.log(), batchOf({ ...producer, baseSequence: 0 }))
    logs.time.endTurn()
    const again = (await MemoryLogs.open({ files: logs.files.afterKill() })).log()
    again.setHighWatermark(1)
    expect([again.firstUnstableOffset, again.lastStableOffset]).toEqual([0, 0])
  })
})

describe('settings', () => {
  test('log: LogAppendTime: every record has the time of the append, in answer, log and lookup', async () => {
    const logs = await MemoryLogs.open({ settings: { messageTimestampType: 'LogAppendTime' } })
    const log = logs.log()
    expect(appendTo(log, batchOf({ values: ['a', 'b'], timestamp: 5 }), { nowMs: startMs + 77 })).toMatchObject({
      logAppendTimeMs: startMs + 77,
    })
    logs.time.endTurn()
    expect(log.offsetForTimestamp(startMs, 2)).toMatchObject({ offset: 0, timestamp: startMs + 77 })
    expect(log.offsetOfMaxTimestamp()).toMatchObject({ offset: 1, timestamp: startMs + 77 })
  })

  test.each(['gzip', 'snappy', 'lz4', 'zstd', 'uncompressed'] as const)(
    'log: compression.type=%s: stored so, read as sent',
    async compressionType => {
      const logs = await MemoryLogs.open({ settings: { compressionType } })
      const log = logs.log()
      const values = ['first', 'second'.repeat(50)]
      appendTo(log, batchOf({ values }))
      appendTo(log, buildBatch([{ timestamp: startMs, key: null, value: Buffer.from('third') }], { codec: 'lz4' }))
      logs.time.endTurn()
      expect(valuesOf(log)).toEqual([`0:${values[0]}`, `1:${values[1]}`, '2:third'])
      const read = log.read({ fetchOffset: 0, maxBytes: 10_000, endOffset: 3, minOneBatch: true })!
      expect(new RecordBatch(read.bytes).codec).toBe(compressionType === 'uncompressed' ? 'none' : compressionType)
    },
  )

  test('log: preallocate: the file has its final size, its unused end is cut when it closes, a kill costs nothing', async () => {
    const logs = await MemoryLogs.open({ settings: { preallocate: true, segmentBytes: 1000 } })
    const log = logs.log()
    const path = `${log.path}/00000000000000000000.log`
    appendTo(log, batchOf({ values: ['a'] }))
    logs.time.endTurn()
    expect(logs.files.stat(path)!.size).toBe(1000)
    const killed = (
      await MemoryLogs.open({ files: logs.files.afterKill(), settings: { preallocate: true, segmentBytes: 1000 } })
    ).log()
    expect([valuesOf(killed), killed.logEndOffset]).toEqual([['0:a'], 1])
    await logs.close()
    expect(logs.files.stat(path)!.size).toBe(log.size)
  })

  test('log: segment.ms, changed while it runs: the next append of that age starts a segment', async () => {
    const logs = await MemoryLogs.open()
    const log = logs.log()
    appendTo(log, batchOf())
    log.reconfigure({ ...log.settings, segmentMs: 1000 })
    appendTo(log, batchOf({ timestamp: startMs + 1000 }))
    expect(log.segmentCount).toBe(1)
    appendTo(log, batchOf({ timestamp: startMs + 1001 }))
    expect(log.segmentCount).toBe(2)
  })

  test('log: flush.ms: flushed when due, by the task, not by the append', async () => {
    const logs = await MemoryLogs.open({ settings: { flushMs: 5000 } })
    logs.directories.start()
    const log = logs.log()
    appendTo(log, batchOf())
    await logs.time.run(4000)
    expect(log.recoveryPoint).toBe(0)
    await logs.time.run(2000)
    expect(log.recoveryPoint).toBe(1)
  })
})

describe('log start', () => {
  test('log: records deleted: gone for readers at once, their segments with the next retention, files after their delay', async () => {
    const logs = await MemoryLogs.open({ settings: { segmentBytes: 150, retentionMs: -1 } })
    const log = logs.log()
    for (const value of ['a', 'b', 'c', 'd', 'e', 'f']) appendTo(log, batchOf({ values: [value.repeat(20)] }))
    logs.time.endTurn()
    const files = log.segmentCount
    log.setHighWatermark(5)
    log.deleteRecordsBefore(99)
    expect([log.logStartOffset, log.segmentCount]).toEqual([5, files])
    expect(() => log.read({ fetchOffset: 4, maxBytes: 1, endOffset: 6, minOneBatch: true })).toThrow(OffsetOutOfRange)
    expect(log.applyRetention(startMs)).toBeGreaterThan(0)
    expect(logs.files.list(log.path).filter(name => name.endsWith('.deleted')).length).toBeGreaterThan(0)
    await logs.time.run(60_001)
    expect(logs.files.list(log.path).filter(name => name.endsWith('.deleted'))).toEqual([])
    expect(valuesOf(log)).toEqual([`5:${'f'.repeat(20)}`])
    await logs.close()
    const again = (await MemoryLogs.open({ files: logs.files })).log()
    expect([again.logStartOffset, again.logEndOffset]).toEqual([5, 6])
  })

  test('log: everything is too old: an empty segment follows, offsets go on', async () => {
    const logs = await MemoryLogs.open({ settings: { retentionMs: 1000 } })
    const log = logs.log()
    appendTo(log, batchOf({ values: ['a', 'b'] }))
    logs.time.endTurn()
    log.setHighWatermark(1)
    expect(log.applyRetention(startMs + 10_000)).toBe(0)
    log.setHighWatermark(2)
    expect(log.applyRetention(startMs + 10_000)).toBe(1)
    expect([log.logStartOffset, log.logEndOffset, log.size]).toEqual([2, 2, 0])
    expect(appendTo(log, batchOf())).toMatchObject({ baseOffset: 2 })
  })

  test('log: retention in the middle of a turn: what waits to be written is not lost', async () => {
    const logs = await MemoryLogs.open({ settings: { retentionMs: 1000 } })
    const log = logs.log()
    appendTo(log, batchOf({ values: ['old'] }))
    logs.time.endTurn()
    log.setHighWatermark(1)
    appendTo(log, batchOf({ values: ['new'] }))
    log.applyRetention(startMs + 10_000)
    logs.time.endTurn()
    expect(valuesOf(log).at(-1)).toBe('1:new')
  })
})

describe('replica', () => {
  test('log: batches of a leader: offsets and epochs stay, gaps too; what begins too low throws, what is damaged is refused', async () => {
    const logs = await MemoryLogs.open()
    const log = logs.log()
    const sent = (baseOffset: number, partitionLeaderEpoch: number): Buffer =>
      buildBatch([{ timestamp: startMs, key: null, value: Buffer.from('v') }], { baseOffset, partitionLeaderEpoch })
    const both = Buffer.concat([sent(5, 1), sent(9, 2)])
    const torn = sent(10, 2).subarray(0, 30)
    expect(log.appendAsFollower(Buffer.concat([both, torn]), startMs)).toMatchObject({
      ok: true,
      baseOffset: 5,
      lastOffset: 9,
    })
    logs.time.endTurn()
    expect([log.logEndOffset, log.leaderEpochs.entries]).toEqual([
      10,
      [
        { epoch: 1, startOffset: 5 },
        { epoch: 2, startOffset: 9 },
      ],
    ])
    expect(() => log.appendAsFollower(sent(9, 2), startMs)).toThrow(UnexpectedAppendOffset)
    const damaged = sent(10, 2)
    damaged[62]! ^= 1
    expect(log.appendAsFollower(damaged, startMs)).toMatchObject({ ok: false, errorCode: ErrorCode.CORRUPT_MESSAGE })
    expect(valuesOf(log, 0)).toEqual(['5:v', '9:v'])
    log.truncateTo(9)
    expect([log.logEndOffset, log.leaderEpochs.latest]).toEqual([9, 1])
    log.truncateFullyAndStartAt(100)
    expect([log.logStartOffset, log.logEndOffset, log.leaderEpochs.isEmpty]).toEqual([100, 100, true])
  })
})

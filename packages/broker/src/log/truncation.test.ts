import { describe, expect, test } from '@jest/globals'
import { buildEndTransactionMarker, ControlType } from '@millrace/protocol/records/control-record'
import { decodeLeaderEpochCheckpoint } from '@millrace/protocol/storage/checkpoint'
import { appendTo, batchOf, startMs, valuesOf } from '@millrace/testing/world/log-records'
import { MemoryLogs } from '@millrace/testing/world/memory-logs'
import type { PartitionLog } from './partition-log.ts'

// Lines of the bug ledger about logs that are cut: docs/internals/bug-ledger.md.

const stored = (logs: MemoryLogs, log: PartitionLog): unknown =>
  decodeLeaderEpochCheckpoint(logs.files.readFile(`${log.path}/leader-epoch-checkpoint`))

describe('leader epochs', () => {
  test('truncation: at the very end of the log: an epoch that began there and wrote nothing is forgotten (KAFKA-10706)', async () => {
    const logs = await MemoryLogs.open()
    const log = logs.log()
    appendTo(log, batchOf({ values: ['a'] }), { leaderEpoch: 1 })
    logs.time.endTurn()
    log.assignLeaderEpoch(2, 1)
    await logs.time.run(1_100)
    expect(stored(logs, log)).toEqual([
      { epoch: 1, startOffset: 0 },
      { epoch: 2, startOffset: 1 },
    ])
    log.truncateTo(1)
    expect(log.leaderEpochs.entries).toEqual([{ epoch: 1, startOffset: 0 }])
    expect(stored(logs, log)).toEqual([{ epoch: 1, startOffset: 0 }])
  })

  test('kill before new epochs are written down: found again in the batches; one without any is forgotten', async () => {
    const logs = await MemoryLogs.open()
    const log = logs.log()
    appendTo(log, batchOf({ values: ['a', 'b'] }), { leaderEpoch: 1 })
    appendTo(log, batchOf({ values: ['c'] }), { leaderEpoch: 4 })
    logs.time.endTurn()
    log.assignLeaderEpoch(6)
    expect(logs.files.stat(`${log.path}/leader-epoch-checkpoint`)).toBeNull()
    const again = (await MemoryLogs.open({ files: logs.files.afterKill() })).log()
    expect(again.leaderEpochs.entries).toEqual([
      { epoch: 1, startOffset: 0 },
      { epoch: 4, startOffset: 2 },
    ])
  })

  test('a flush, after which a start reads no batches below it: new epochs are on the disk before the recovery point passes them', async () => {
    const logs = await MemoryLogs.open()
    const log = logs.log()
    for (const [flush, epoch] of [
      [() => log.flush(), 1],
      [() => log.flushAsync(), 2],
    ] as const) {
      appendTo(log, batchOf({ values: ['a'] }), { leaderEpoch: epoch })
      logs.time.endTurn()
      await flush()
      expect(log.recoveryPoint).toBe(epoch)
      const files = logs.files.afterPowerCut()
      const text = files.readFile(`${log.path}/leader-epoch-checkpoint`)
      expect(decodeLeaderEpochCheckpoint(text).at(-1)).toEqual({ epoch, startOffset: epoch - 1 })
    }
  })

  test('a segment that is closed: new epochs are written down before compaction may take their batches', async () => {
    const logs = await MemoryLogs.open()
    const log = logs.log()
    appendTo(log, batchOf({ values: ['a'] }), { leaderEpoch: 3 })
    log.roll()
    expect(stored(logs, log)).toEqual([{ epoch: 3, startOffset: 0 }])
  })

  test('truncation while a new epoch waits to be written down: what is left of it is written', async () => {
    const logs = await MemoryLogs.open()
    const log = logs.log()
    appendTo(log, batchOf({ values: ['a'] }), { leaderEpoch: 1 })
    appendTo(log, batchOf({ values: ['b'] }), { leaderEpoch: 2 })
    logs.time.endTurn()
    log.truncateTo(1)
    expect(stored(logs, log)).toEqual([{ epoch: 1, startOffset: 0 }])
    await logs.time.run(1_100)
    expect(stored(logs, log)).toEqual([{ epoch: 1, startOffset: 0 }])
  })

  test('epochs that begin in many logs: none is written at once, all are in time', async () => {
    const logs = await MemoryLogs.open()
    const all = Array.from({ length: 50 }, (_, partition) => logs.log('t', partition))
    for (const log of all) log.assignLeaderEpoch(1)
    await logs.time.run(900)
    expect(all.some(log => logs.files.stat(`${log.path}/leader-epoch-checkpoint`) !== null)).toBe(false)
    await logs.time.run(5_000)
    for (const log of all) expect(stored(logs, log)).toEqual([{ epoch: 1, startOffset: 0 }])
  })

  test.each([
    ['empty', ''],
    ['half a line', '0\n2\n1 0\n2'],
    ['zeros', '\0'.repeat(12)],
  ])('power cut: the checkpoint is %s: epochs are found again in the batches (KAFKA-16541)', async (_what, text) => {
    const logs = await MemoryLogs.open()
    const log = logs.log()
    appendTo(log, batchOf({ values: ['a', 'b'] }), { leaderEpoch: 1 })
    appendTo(log, batchOf({ values: ['c'] }), { leaderEpoch: 4 })
    logs.time.endTurn()
    const files = logs.files.afterKill()
    const file = files.open(`${log.path}/leader-epoch-checkpoint`, 'create')
    file.truncate(0)
    file.write(Buffer.from(text), 0, text.length, 0)
    file.close()
    const again = (await MemoryLogs.open({ files })).log()
    expect(valuesOf(again)).toEqual(['0:a', '1:b', '2:c'])
    expect(again.leaderEpochs.entries).toEqual([
      { epoch: 1, startOffset: 0 },
      { epoch: 4, startOffset: 2 },
    ])
  })
})

test('truncation below the recovery point: the checkpoint says so soon, once for all logs of a turn: else nobody would check what is appended since', async () => {
  const logs = await MemoryLogs.open()
  for (const partition of [0, 1]) {
    const log = logs.log('t', partition)
    for (const value of ['a', 'b', 'c', 'd']) appendTo(log, batchOf({ values: [value] }))
    logs.time.endTurn()
    log.flush()
  }
  await logs.close()
  const files = logs.files.afterKill()
  const again = await MemoryLogs.open({ files })
  const text = (): string => files.afterPowerCut().readFile('/data/recovery-point-offset-checkpoint').toString()
  expect(text()).toBe('0\n2\nt 0 4\nt 1 4\n')
  let writes = 0
  files.onOperation = ({ kind, path }) => {
    if (kind === 'rename' && path.includes('recovery-point')) writes++
  }
  for (const partition of [0, 1]) again.log('t', partition).truncateTo(1 + partition)
  await again.time.run()
  expect(text()).toBe('0\n2\nt 0 1\nt 1 2\n')
  expect(writes).toBe(1)
  again.log('t').truncateTo(1)
  await again.time.run()
  expect(writes).toBe(1)
})

describe('transactions', () => {
  const producer = { producerId: 7, producerEpoch: 0, isTransactional: true }

  /** Offsets: 0 a plain record, 1 and 2 of a transaction, 3 its marker, 4 of another one. */
  async function transactional(): Promise<PartitionLog> {
    const logs = await MemoryLogs.open()
    const log = logs.log()
    appendTo(log, batchOf({ values: ['plain'] }))
    appendTo(log, batchOf({ ...producer, values: ['a'], baseSequence: 0 }))
    appendTo(log, batchOf({ ...producer, values: ['b'], baseSequence: 1 }))
    log.appendAsLeader(
      buildEndTransactionMarker({
        ...{ type: ControlType.Commit, coordinatorEpoch: 0, producerId: 7, producerEpoch: 0, timestamp: startMs },
      }),
      { leaderEpoch: 0, origin: 'coordinator', apiVersion: 9, nowMs: startMs },
    )
    appendTo(log, batchOf({ ...producer, producerId: 8, values: ['c'], baseSequence: 0 }))
    logs.time.endTurn()
    log.setHighWatermark(4)
    expect(log.lastStableOffset).toBe(4)
    return log
  }

  test.each([
    { cutTo: 4, firstUnstableOffset: null, what: 'the open one is gone, the committed one stands' },
    { cutTo: 3, firstUnstableOffset: 1, what: 'the marker is gone: its transaction is open again' },
    { cutTo: 2, firstUnstableOffset: 1, what: 'half of it is gone: it is open' },
    { cutTo: 1, firstUnstableOffset: null, what: 'all of it is gone' },
    { cutTo: 0, firstUnstableOffset: null, what: 'everything is gone' },
  ])('truncation to $cutTo: $what (KAFKA-12153)', async ({ cutTo, firstUnstableOffset }) => {
    const log = await transactional()
    log.truncateTo(cutTo)
    expect(log.logEndOffset).toBe(cutTo)
    expect(log.firstUnstableOffset).toBe(firstUnstableOffset)
    expect(log.lastStableOffset).toBe(firstUnstableOffset ?? log.highWatermark)
    expect(log.highWatermark).toBeLessThanOrEqual(log.logEndOffset)
  })

  test('truncation to nothing, and begun anew elsewhere: high watermark and last stable offset are there (KAFKA-9491)', async () => {
    const log = await transactional()
    log.truncateFullyAndStartAt(100)
    expect([log.logStartOffset, log.lastStableOffset, log.highWatermark, log.logEndOffset]).toEqual([
      100, 100, 100, 100,
    ])
    expect(log.firstUnstableOffset).toBeNull()
    appendTo(log, batchOf({ values: ['new'] }))
  })
})

import { describe, expect, test } from '@jest/globals'
import { appendTo, batchOf, startMs, valuesOf } from '@millrace/testing/world/log-records'
import type { FileOperation, MemoryFiles } from '@millrace/testing/world/memory-files'
import { MemoryLogs } from '@millrace/testing/world/memory-logs'
import { FileSystemError } from '@millrace/runtime/file-system-error'
import { DuplicateLog } from './log-errors.ts'
import type { PartitionLog } from './partition-log.ts'

// The copy of a log in another directory, and the moment when it takes the log's place.

const directories = ['/a', '/b']
const id = 'cVXPhGjBT8erN4aS7CGDSg'
const settings = { segmentBytes: 300, fileDeleteDelayMs: 1000 }
const partition = { topic: 't', partition: 0 }

function records(log: PartitionLog, count: number, leaderEpoch = 0): void {
  for (let index = 0; index < count; index++) appendTo(log, batchOf({ values: [`${log.nextOffset}`] }), { leaderEpoch })
  log.commit()
}

function copyAll(from: PartitionLog, to: PartitionLog): void {
  for (;;) {
    const batches = from.read({
      ...{ fetchOffset: to.nextOffset, endOffset: from.logEndOffset },
      ...{ maxBytes: 200, minOneBatch: true },
    })
    if (batches === null) return
    to.appendAsFollower(batches.bytes, startMs)
    batches.release()
    to.commit()
  }
}

/** `/a t-0 10`: where its current log is, and how many records it has. */
async function stateOf(files: MemoryFiles): Promise<string[]> {
  const logs = await MemoryLogs.open({ files, directories, settings })
  const states = logs.directories.all().map(log => {
    const values = valuesOf(log)
    expect(values).toEqual(values.map((_, index) => `${index}:${index}`))
    expect(log.highWatermark).toBeLessThanOrEqual(log.logEndOffset)
    return `${log.directory} ${values.length}`
  })
  await logs.time.run(1)
  logs.directories.abandon()
  return states
}

async function moving(count = 10): Promise<{ logs: MemoryLogs; from: PartitionLog; to: PartitionLog }> {
  const logs = await MemoryLogs.open({ directories, settings })
  const from = logs.directories.create({ ...partition, topicId: id, isNew: true })
  records(from, count)
  from.setHighWatermark(count - 2)
  const to = logs.directories.createFuture('/b', { ...partition, topicId: id })
  return { logs, from, to }
}

const folders = (files: MemoryFiles, directory: string): string[] =>
  files
    .list(directory)
    .filter(name => name.startsWith('t-'))
    .map(name => name.replace(/[0-9a-f]{32}/, 'HEX'))

/** A move prepares its swap, so that the turn in which it happens waits for the disk once. */
const ways = [
  { way: 'at once', prepare: async (): Promise<void> => {} },
  {
    way: 'prepared',
    prepare: (logs: MemoryLogs): Promise<void> => logs.whileRunning(logs.directories.prepareFuture('t', 0)),
  },
]

describe('swap', () => {
  test('future log: takes the place of its log: path, bytes, epochs, high watermark, log start, producers; the old one goes later', async () => {
    const { logs, from, to } = await moving()
    records(from, 3, 2)
    from.assignLeaderEpoch(5)
    appendTo(from, batchOf({ values: ['13'], producerId: 7, producerEpoch: 0, baseSequence: 0 }), { leaderEpoch: 5 })
    from.commit()
    from.assignLeaderEpoch(6)
    from.setHighWatermark(12)
    from.deleteRecordsBefore(4)
    const before = { epochs: [...from.leaderEpochs.entries], values: valuesOf(from), producers: from.activeProducers() }
    from.compaction.cleanedOffset = 9
    to.truncateFullyAndStartAt(4)
    copyAll(from, to)
    expect(folders(logs.files, '/b')).toEqual(['t-0.HEX-future'])
    expect(logs.directories.promoteFuture('t', 0)).toBe(to)
    expect(logs.directories.get('t', 0)).toBe(to)
    expect(logs.directories.futureOf('t', 0)).toBeUndefined()
    expect([to.path, to.topicId, to.logStartOffset, to.highWatermark, to.logEndOffset]).toEqual([
      '/b/t-0',
      id,
      4,
      12,
      14,
    ])
    expect(to.leaderEpochs.entries).toEqual(before.epochs)
    expect(before.epochs.at(-1)).toEqual({ epoch: 6, startOffset: 14 })
    expect(to.activeProducers()).toEqual(before.producers)
    expect(valuesOf(to)).toEqual(before.values)
    expect([folders(logs.files, '/a'), folders(logs.files, '/b')]).toEqual([['t-0.HEX-delete'], ['t-0']])
    const text = (path: string): string => logs.files.readFile(path).toString()
    // Behind the loop's back: the log is not there any more, whatever they say.
    await logs.time.run()
    expect(text('/a/recovery-point-offset-checkpoint')).toBe('0\n0\n')
    expect(text('/a/replication-offset-checkpoint')).toBe('0\n0\n')
    expect(text('/b/replication-offset-checkpoint')).toBe('0\n1\nt 0 12\n')
    expect(text('/a/cleaner-offset-checkpoint')).toBe('0\n0\n')
    expect(text('/b/cleaner-offset-checkpoint')).toBe('0\n1\nt 0 9\n')
    expect([to.compaction.cleanedOffset, to.compaction.isPaused]).toEqual([9, false])
    records(to, 2, 6)
    await logs.time.run(1001)
    expect(folders(logs.files, '/a')).toEqual([])
    await logs.close()
    const again = await MemoryLogs.open({ files: logs.files, directories, settings })
    expect(again.log('t').leaderEpochs.entries).toEqual(before.epochs)
    expect(valuesOf(again.log('t'))).toEqual([...before.values, '14:14', '15:15'])
  })

  test('future log: a producer whose records retention took: still known after the swap', async () => {
    const { logs, from, to } = await moving(0)
    appendTo(from, batchOf({ values: ['0'], producerId: 7, producerEpoch: 3, baseSequence: 0 }))
    records(from, 9)
    from.setHighWatermark(10)
    from.deleteRecordsBefore(5)
    to.truncateFullyAndStartAt(5)
    copyAll(from, to)
    logs.directories.promoteFuture('t', 0)
    const zombie = batchOf({ values: ['x'], producerId: 7, producerEpoch: 2, baseSequence: 1 })
    expect(appendTo(to, zombie)).toMatchObject({ ok: false })
  })

  test.each(ways)(
    '$way, killed before any file operation of a move: one current log with all records, and a copy that may go on',
    async ({ prepare }) => {
      const { logs, from, to } = await moving()
      const snapshots: { operation: string; files: MemoryFiles }[] = []
      logs.files.onOperation = ({ kind, path }: FileOperation) => {
        snapshots.push({ operation: `${kind} ${path}`, files: logs.files.afterKill() })
      }
      copyAll(from, to)
      const copied = snapshots.length
      await prepare(logs)
      logs.directories.promoteFuture('t', 0)
      await logs.time.run(1001)
      logs.files.onOperation = null
      snapshots.push({ operation: 'end', files: logs.files.afterKill() })
      const seen: string[] = []
      for (const { operation, files } of snapshots) {
        const states = await stateOf(files)
        expect({ operation, states: states.length }).toEqual({ operation, states: 1 })
        expect({ operation, states }).toEqual({ operation, states: [expect.stringMatching(/ 10$/)] })
        seen.push(states[0]!)
      }
      // The copy becomes the log with the first rename, which is one of several operations.
      const flip = seen.indexOf('/b 10')
      expect(flip).toBeGreaterThan(copied)
      expect(seen.slice(flip)).toEqual(seen.slice(flip).map(() => '/b 10'))
      expect(snapshots.filter(({ operation }) => operation.startsWith('rename /')).length).toBeGreaterThan(2)
    },
  )

  test.each(ways)(
    '$way, power cut at any file operation of a swap, the copy was flushed: all records are there',
    async ({ prepare }) => {
      const { logs, from, to } = await moving()
      from.flush()
      copyAll(from, to)
      to.flush()
      const snapshots: MemoryFiles[] = []
      logs.files.onOperation = () => void snapshots.push(logs.files.afterPowerCut())
      await prepare(logs)
      logs.directories.promoteFuture('t', 0)
      await logs.time.run()
      logs.files.onOperation = null
      for (const files of [...snapshots, logs.files.afterPowerCut()]) {
        expect(await stateOf(files)).toEqual([expect.stringMatching(/ 10$/)])
      }
    },
  )

  test.each(['/a', '/b'].flatMap(failing => ways.map(way => ({ failing, ...way }))))(
    '$way, $failing fails at any file operation of a swap: one log goes on or is offline, and none is lost',
    async ({ failing, prepare }) => {
      for (let failAt = 0; ; failAt++) {
        const { logs, from, to } = await moving()
        copyAll(from, to)
        await prepare(logs)
        const failures: string[] = []
        logs.attach({ directoryFailed: path => void failures.push(path) })
        let count = 0
        logs.files.onOperation = ({ path, kind }) => {
          if (!path.startsWith(`${failing}/`) || count++ < failAt) return
          throw new FileSystemError({ code: 'EIO', syscall: kind, path })
        }
        const promoted = logs.directories.promoteFuture('t', 0)
        await logs.time.run()
        logs.files.onOperation = null
        if (failures.length === 0) {
          expect(failAt).toBeGreaterThan(0)
          return
        }
        expect(failures).toEqual([failing])
        const log = logs.directories.get('t', 0)!
        expect(log).toBe(promoted ?? from)
        expect(log.isOffline).toBe(log.directory === failing)
        expect(await stateOf(logs.files.afterKill())).toEqual([expect.stringMatching(/ 10$/)])
        if (log.isOffline) continue
        records(log, 1)
        expect(valuesOf(log)).toHaveLength(11)
        expect(await stateOf(logs.files.afterKill())).toEqual([expect.stringMatching(/ 11$/)])
      }
    },
  )
})

test('swap: the name that is given up is on the disk before the other is taken: a power cut never finds both', async () => {
  const { logs, from, to } = await moving()
  copyAll(from, to)
  const seen: string[] = []
  const { files } = logs
  const sync = files.syncDirectory.bind(files)
  files.syncDirectory = path => {
    seen.push(`sync ${path}`)
    sync(path)
  }
  files.onOperation = ({ kind, path }) => {
    if (kind === 'rename' && !path.includes('.tmp')) seen.push(`rename ${path.replace(/[0-9a-f]{32}/, 'HEX')}`)
  }
  logs.directories.promoteFuture('t', 0)
  expect(seen).toEqual(['rename /a/t-0', 'sync /a', 'rename /b/t-0.HEX-future', 'sync /b'])
})

test('swap: prepared: in its turn nothing is synced but the name that is given up; not so if the log start moved since', async () => {
  for (const isMoved of [false, true]) {
    const { logs, from, to } = await moving()
    copyAll(from, to)
    await ways[1]!.prepare(logs)
    from.setHighWatermark(10)
    if (isMoved) from.deleteRecordsBefore(5)
    const seen: string[] = []
    logs.files.onOperation = ({ kind, path }) => {
      if (kind === 'replace' || kind === 'datasync') seen.push(path)
    }
    logs.directories.promoteFuture('t', 0)
    const inTurn = seen.length
    await logs.time.run()
    expect(inTurn).toBe(isMoved ? 4 : 0)
    expect(seen.length - inTurn).toBe(4)
    const again = await MemoryLogs.open({ files: logs.files.afterKill(), directories, settings })
    expect([again.log('t').directory, again.log('t').logStartOffset]).toEqual(['/b', isMoved ? 5 : 0])
  }
})

test('deletions: of ten logs in a turn: one writing of the checkpoints; what is made anew under such a name begins without them', async () => {
  const logs = await MemoryLogs.open({ directories: ['/a'] })
  for (let partition = 0; partition < 10; partition++) {
    const log = logs.log('t', partition)
    records(log, 5)
    log.setHighWatermark(5)
    log.deleteRecordsBefore(4)
  }
  await logs.whileRunning(logs.directories.checkpointHighWatermarks())
  const seen: string[] = []
  logs.files.onOperation = ({ kind, path }) => {
    if ((kind === 'rename' || kind === 'replace') && path.includes('checkpoint'))
      seen.push(`${kind} ${path.split('/').at(-1)!}`)
  }
  for (let partition = 0; partition < 10; partition++) logs.directories.delete('t', partition)
  expect(seen).toEqual([])
  await logs.time.run()
  expect(seen).toHaveLength(4)
  logs.log('u')
  const log = logs.log('t')
  records(log, 5)
  log.setHighWatermark(5)
  log.deleteRecordsBefore(4)
  await logs.close()
  const files = logs.files.afterKill()
  const again = await MemoryLogs.open({ files, directories: ['/a'] })
  expect(again.log('t').logStartOffset).toBe(4)
  again.directories.delete('t', 0)
  const anew = again.log('t')
  records(anew, 2)
  // Killed before the turn in which the checkpoints would have been written.
  const killed = await MemoryLogs.open({ files: again.files.afterKill(), directories: ['/a'] })
  expect(valuesOf(killed.log('t'))).toEqual(['0:0', '1:1'])
})

describe('future log', () => {
  test('restarted, in order and after a kill: found again, with what it had', async () => {
    for (const isOrderly of [true, false]) {
      const { logs, from, to } = await moving()
      const batches = from.read({ fetchOffset: 0, endOffset: 10, maxBytes: 300, minOneBatch: true })!
      to.appendAsFollower(batches.bytes, startMs)
      to.commit()
      if (isOrderly) await logs.close()
      const again = await MemoryLogs.open({ files: logs.files.afterKill(), directories, settings })
      const future = again.directories.futureOf('t', 0)!
      expect([future.directory, future.logEndOffset, future.topicId]).toEqual(['/b', batches.nextOffset, id])
      expect(again.directories.get('t', 0)!.directory).toBe('/a')
      expect(again.directories.describe().map(({ logs: rows }) => rows.map(({ isFuture }) => isFuture))).toEqual([
        [false],
        [true],
      ])
    }
  })

  test('discarded: its folder goes, and the log stays', async () => {
    const { logs, from } = await moving()
    logs.directories.discardFuture('t', 0)
    expect(folders(logs.files, '/b')).toEqual(['t-0.HEX-delete'])
    expect(logs.directories.futureOf('t', 0)).toBeUndefined()
    expect(logs.directories.get('t', 0)).toBe(from)
    await logs.time.run(1001)
    expect(folders(logs.files, '/b')).toEqual([])
    expect(await stateOf(logs.files.afterKill())).toEqual(['/a 10'])
  })

  test('its log is deleted: both go; killed between: no copy is taken for a log', async () => {
    const { logs, from, to } = await moving()
    copyAll(from, to)
    const snapshots: MemoryFiles[] = []
    logs.files.onOperation = () => void snapshots.push(logs.files.afterKill())
    logs.directories.delete('t', 0)
    logs.files.onOperation = null
    for (const files of snapshots) {
      const states = await stateOf(files)
      expect(['/a 10', undefined]).toContain(states[0])
    }
    expect(await stateOf(logs.files.afterKill())).toEqual([])
    await logs.time.run(1001)
    expect([folders(logs.files, '/a'), folders(logs.files, '/b')]).toEqual([[], []])
  })

  test('retention: keeps what its log keeps, whatever its age; drops what lies below the log start', async () => {
    const { logs, from, to } = await moving(0)
    logs.settings = { ...logs.settings, retentionMs: 3_600_000 }
    logs.directories.reconfigure('t')
    records(from, 12)
    from.setHighWatermark(12)
    copyAll(from, to)
    to.setHighWatermark(12)
    to.deleteRecordsBefore(5)
    const count = to.segmentCount
    logs.time.advance(7_200_000)
    await logs.directories.applyRetention()
    expect([from.logStartOffset, from.logEndOffset]).toEqual([12, 12])
    expect([to.logStartOffset, to.logEndOffset]).toEqual([5, 12])
    expect(to.segmentCount).toBeLessThan(count)
    to.truncateFullyAndStartAt(12)
    logs.directories.promoteFuture('t', 0)
    expect(to.settings.cleanupPolicy.delete).toBe(true)
  })

  test('the end of its log holds no batch: skipped, and found again', async () => {
    const { logs, from, to } = await moving()
    copyAll(from, to)
    to.skipTo(20)
    expect([to.nextOffset, to.logEndOffset]).toEqual([20, 20])
    appendTo(to, batchOf({ values: ['20'] }))
    to.commit()
    expect(valuesOf(to).at(-1)).toBe('20:20')
    to.truncateTo(20)
    const again = await MemoryLogs.open({ files: logs.files.afterKill(), directories, settings })
    expect(again.directories.futureOf('t', 0)!.logEndOffset).toBe(20)
  })

  test('compaction: pauses while there is a copy, whichever of the two was made first, and goes on without', async () => {
    const { logs, from } = await moving()
    expect(from.compaction.isPaused).toBe(true)
    logs.directories.discardFuture('t', 0)
    expect(from.compaction.isPaused).toBe(false)
    logs.directories.createFuture('/b', { ...partition, topicId: id })
    const again = await MemoryLogs.open({ files: logs.files.afterKill(), directories, settings })
    expect(again.log('t').compaction.isPaused).toBe(true)
    const files = logs.files.afterKill()
    await files.removeTree('/a/t-0')
    const alone = await MemoryLogs.open({ files, directories, settings })
    expect(alone.log('t').compaction.isPaused).toBe(true)
  })

  test('where a log is wished: made there; a wish for a directory that is offline is passed over', async () => {
    const logs = await MemoryLogs.open({ directories })
    logs.directories.prefer('t', 0, '/b')
    expect(logs.log('t', 0).directory).toBe('/b')
    logs.directories.delete('t', 0)
    expect(logs.log('t', 0).directory).toBe('/a')
    logs.directories.prefer('t', 1, '/c')
    expect(logs.log('t', 1).directory).toBe('/b')
  })

  test('two current logs of one partition: refused with both paths, and no lock is kept', async () => {
    const { logs } = await moving()
    await logs.close()
    logs.files.makeDirectory('/b/t-0')
    await expect(MemoryLogs.open({ files: logs.files, directories })).rejects.toThrow(DuplicateLog)
    await expect(MemoryLogs.open({ files: logs.files, directories })).rejects.toThrow('/a/t-0 and /b/t-0')
  })
})

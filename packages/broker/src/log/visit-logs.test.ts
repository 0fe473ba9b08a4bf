import { expect, test } from '@jest/globals'
import { appendTo, batchOf } from '@millrace/testing/world/log-records'
import { MemoryLogs } from '@millrace/testing/world/memory-logs'
import { FileSystemError } from '@millrace/runtime/file-system-error'

const settings = { segmentBytes: 150, retentionMs: 1000, fileDeleteDelayMs: 1000 }

/** Logs with two segments each, the first of which retention drops. */
async function logsWithOldSegments(count: number): Promise<MemoryLogs> {
  const logs = await MemoryLogs.open({ settings })
  for (let partition = 0; partition < count; partition++) {
    const log = logs.log('t', partition)
    for (const value of ['old', 'new']) appendTo(log, batchOf({ values: [value.repeat(20)] }))
    log.commit()
    log.setHighWatermark(2)
  }
  await logs.time.run(60_000)
  return logs
}

const startsOf = (logs: MemoryLogs): number[] => logs.directories.all().map(log => log.logStartOffset)

test('retention: of many logs: over several turns of some milliseconds, and all of them in the end', async () => {
  const logs = await logsWithOldSegments(40)
  const { time } = logs
  const monotonicMs = time.monotonicMs.bind(time)
  let spentMs = 0
  time.monotonicMs = () => monotonicMs() + spentMs++
  const done = logs.directories.applyRetention()
  const inFirstTurn = startsOf(logs).filter(offset => offset > 0).length
  expect(inFirstTurn).toBeGreaterThan(0)
  expect(inFirstTurn).toBeLessThan(10)
  // A log that goes, and one whose disk does, are passed over.
  logs.directories.delete('t', 39)
  await logs.whileRunning(done)
  expect(startsOf(logs).filter(offset => offset > 0)).toHaveLength(39)
})

test('retention: a disk fails meanwhile: its logs are offline, those of another go on', async () => {
  const logs = await MemoryLogs.open({ settings, directories: ['/one', '/two'] })
  for (const partition of [0, 1, 2, 3]) {
    const log = logs.log('t', partition)
    for (const value of ['old', 'new']) appendTo(log, batchOf({ values: [value.repeat(20)] }))
    log.commit()
    log.setHighWatermark(2)
  }
  await logs.time.run(60_000)
  logs.files.onOperation = ({ kind, path }) => (kind === 'rename' && path.startsWith('/one') ? fail() : undefined)
  await logs.whileRunning(logs.directories.applyRetention())
  expect(logs.directories.all().map(log => [log.directory, log.isOffline, log.logStartOffset > 0])).toEqual([
    ['/one', true, false],
    ['/two', false, true],
    ['/one', true, false],
    ['/two', false, true],
  ])
})

function fail(): never {
  throw new FileSystemError({ code: 'EIO', syscall: 'rename', path: '/one' })
}

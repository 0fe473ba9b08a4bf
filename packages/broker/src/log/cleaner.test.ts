import { describe, expect, test } from '@jest/globals'
import { buildBatch } from '@millrace/protocol/records/batch-builder'
import type { NewRecord } from '@millrace/protocol/records/batch-builder'
import { RecordBatch } from '@millrace/protocol/records/record-batch'
import { encodeOffsetCheckpoint } from '@millrace/protocol/storage/checkpoint'
import { FileSystemError } from '@millrace/runtime/file-system-error'
import { silentLogger } from '@millrace/runtime/logger'
import type { Logger } from '@millrace/runtime/logger'
import { appendTo, startMs, valuesOf } from '@millrace/testing/world/log-records'
import { MemoryFiles } from '@millrace/testing/world/memory-files'
import { MemoryLogs } from '@millrace/testing/world/memory-logs'
import type { MemoryLogsOptions } from '@millrace/testing/world/memory-logs'
import type { PartitionLog } from './partition-log.ts'

const second = 1000
const minute = 60 * second
const settings = { segmentBytes: 300, cleanupPolicy: { delete: false, compact: true }, minCleanableDirtyRatio: 0 }

/** One record, `key=value`, of about 100 bytes. */
function put(log: PartitionLog, text: string, nowMs = startMs): void {
  const [key, value] = text.split('=')
  const record = {
    timestamp: nowMs,
    key: Buffer.from(key!),
    value: value === undefined ? null : Buffer.from(value.padEnd(30)),
  }
  expect(appendTo(log, buildBatch([record]), { nowMs })).toMatchObject({ ok: true })
}

function putAll(logs: MemoryLogs, texts: readonly string[], log = logs.log()): void {
  for (const text of texts) put(log, text, logs.time.wallMs())
  logs.time.endTurn()
  log.setHighWatermark(log.logEndOffset)
}

const numbered = (from: number, to: number, keys = 3): string[] =>
  Array.from({ length: to - from }, (_, index) => `key-${(from + index) % keys}=${from + index}`)
const filesOf = (logs: MemoryLogs, log = 'topic-0'): string[] => logs.files.list(`/data/${log}`)
const offsetsOf = (log: PartitionLog): number[] => valuesOf(log).map(text => parseInt(text, 10))
const checkpointOf = (logs: MemoryLogs): string => logs.files.readFile('/data/cleaner-offset-checkpoint').toString()
const count = (logs: MemoryLogs, name: string): number =>
  (logs.metrics.samples().find(({ row }) => row.name === `log_cleaner_${name}`)!.metric as { value: number }).value

/** 30 records under three keys: all segments but the active one are dirty. */
async function dirtyLogs(options: MemoryLogsOptions = {}): Promise<MemoryLogs> {
  const logs = await MemoryLogs.open({ cleaner: {}, ...options, settings: { ...settings, ...options.settings } })
  putAll(logs, numbered(0, 30))
  expect(logs.log().segmentCount).toBeGreaterThan(8)
  return logs
}

/** In the middle of a compaction that a throttle holds up, with some output already. */
async function compacting(options: MemoryLogsOptions = {}): Promise<MemoryLogs> {
  const logs = await dirtyLogs({ cleaner: { maxBytesPerSecond: 1000 }, ...options })
  logs.directories.cleaner!.start()
  for (let seconds = 0; seconds < 60 && !filesOf(logs).some(name => name.endsWith('.cleaned')); seconds++)
    await logs.time.run(200)
  expect(logs.directories.cleaner!.runningCount).toBe(1)
  expect(filesOf(logs).some(name => name.endsWith('.cleaned'))).toBe(true)
  return logs
}

function recording(): { logger: Logger; lines: string[] } {
  const lines: string[] = []
  const note = (message: string): void => void lines.push(message)
  return { logger: { ...silentLogger, error: note, warn: note, info: note }, lines }
}

describe('cleaner: what a compaction leaves', () => {
  test('the last record of each key below the active segment; files as Kafka has them; the checkpoint', async () => {
    const logs = await dirtyLogs()
    const log = logs.log()
    const active = log.activeSegmentOffset
    logs.files.nowMs = 77_000
    const epochs = logs.files.readFile('/data/topic-0/leader-epoch-checkpoint').toString()
    await logs.compact()
    expect(offsetsOf(log)).toEqual([
      active - 3,
      active - 2,
      active - 1,
      ...numbered(active, 30).map((_, index) => active + index),
    ])
    expect(checkpointOf(logs)).toBe(`0\n1\ntopic 0 ${active}\n`)
    expect(log.compaction.cleanedOffset).toBe(active)
    expect(filesOf(logs).filter(name => /\.(cleaned|swap)$/.test(name))).toEqual([])
    expect(logs.files.readFile('/data/topic-0/leader-epoch-checkpoint').toString()).toBe(epochs)
    // As old as the records that it has, whenever it was written.
    expect(logs.files.stat('/data/topic-0/00000000000000000000.log')!.modifiedMs).toBe(0)
    expect([count(logs, 'runs_total'), count(logs, 'failures_total'), count(logs, 'uncleanable_partitions')]).toEqual([
      1, 0, 0,
    ])
    expect(count(logs, 'read_bytes_total')).toBeGreaterThan(count(logs, 'written_bytes_total'))
    // The old files wait for file.delete.delay.ms.
    expect(filesOf(logs).filter(name => name.endsWith('.deleted')).length).toBeGreaterThan(10)
    await logs.time.run(2 * minute)
    expect(filesOf(logs).filter(name => name.endsWith('.deleted'))).toEqual([])
    const bases = (suffix: string): string[] =>
      filesOf(logs)
        .filter(name => name.endsWith(suffix))
        .map(name => name.slice(0, 20))
    expect(bases('.snapshot').filter(base => !bases('.log').includes(base))).toEqual([])
    expect(bases('.index')).toEqual(bases('.log'))
  })

  test('a large batch with gzip: what is left of it is there, under gzip', async () => {
    const large = { segmentBytes: 400_000, maxMessageBytes: 2_000_000 }
    const logs = await MemoryLogs.open({ settings: { ...settings, ...large }, cleaner: {} })
    const log = logs.log()
    const records = (keys: readonly number[], text: string): NewRecord[] =>
      keys.map(key => ({
        timestamp: startMs,
        key: Buffer.from(`key-${key}`),
        value: Buffer.from(`${text}-${key} `.repeat(60)),
      }))
    const keys = Array.from({ length: 2000 }, (_, key) => key)
    expect(appendTo(log, buildBatch(records(keys, 'old'), { codec: 'gzip' }))).toMatchObject({ ok: true })
    expect(appendTo(log, buildBatch(records(keys.slice(0, 500), 'new'), { codec: 'gzip' }))).toMatchObject({ ok: true })
    log.roll()
    putAll(logs, ['last=1'])
    await logs.compact()
    const values = valuesOf(log)
    expect(values).toHaveLength(2001)
    expect(values.slice(0, 1500)).toEqual(keys.slice(500).map(key => `${key}:${`old-${key} `.repeat(60)}`))
    expect(new RecordBatch(logs.files.readFile('/data/topic-0/00000000000000000000.log'))).toMatchObject({
      ...{ codec: 'gzip', recordCount: 1500, isCrcValid: true },
    })
  })

  test('nothing to do: no file is touched', async () => {
    const logs = await MemoryLogs.open({ settings, cleaner: {} })
    putAll(logs, ['a=1'])
    // Its leader epoch is written down.
    await logs.time.run(2_000)
    let operations = 0
    logs.files.onOperation = () => void operations++
    await logs.compact()
    await logs.time.run(10 * minute)
    expect(operations).toBe(count(logs, 'runs_total'))
    expect(filesOf(logs).some(name => name.endsWith('.cleaned'))).toBe(false)
  })

  test('a batch larger than the buffers, and than max.message.bytes: compacted like any other', async () => {
    const logs = await MemoryLogs.open({
      settings: { ...settings, segmentBytes: 100_000 },
      cleaner: { ioBufferBytes: 4096 },
    })
    const log = logs.log()
    const large = Array.from({ length: 50 }, (_, index) => ({
      timestamp: startMs,
      key: Buffer.from(`key-${index % 10}`),
      value: Buffer.alloc(500, index),
    }))
    appendTo(log, buildBatch(large))
    appendTo(log, buildBatch(large.slice(0, 5)))
    log.reconfigure({ ...logs.settings, maxMessageBytes: 1000 })
    logs.time.endTurn()
    log.setHighWatermark(log.logEndOffset)
    log.roll()
    await logs.compact()
    expect(logs.directories.cleaner!.isUncleanable(log.compaction)).toBe(false)
    expect(offsetsOf(log)).toEqual([45, 46, 47, 48, 49, 50, 51, 52, 53, 54])
    // And one that stays as it is.
    appendTo(log, buildBatch(large.map((record, index) => ({ ...record, key: Buffer.from(`other-${index}`) }))), {
      nowMs: startMs,
    })
    log.reconfigure(logs.settings)
    appendTo(log, buildBatch(large.map((record, index) => ({ ...record, key: Buffer.from(`other-${index}`) }))), {
      nowMs: startMs,
    })
    logs.time.endTurn()
    log.setHighWatermark(log.logEndOffset)
    log.roll()
    await logs.compact()
    expect(offsetsOf(log)).toHaveLength(60)
  })

  test('compact,delete: old segments go besides', async () => {
    const logs = await dirtyLogs({ settings: { cleanupPolicy: { delete: true, compact: true }, retentionMs: minute } })
    logs.directories.start()
    await logs.time.run(10 * minute)
    putAll(logs, ['key-0=x', 'key-1=x', 'key-2=x'])
    await logs.time.run(6 * minute)
    expect([logs.log().logStartOffset, offsetsOf(logs.log())]).toEqual([33, []])
    expect(count(logs, 'runs_total')).toBeGreaterThan(0)
  })
})

describe('cleaner: which log', () => {
  test('the one with the largest dirty part first', async () => {
    const { logger, lines } = recording()
    const logs = await MemoryLogs.open({
      settings,
      cleaner: {},
      logger: {
        ...logger,
        info: (message, fields) => message === 'log compacted' && lines.push(String(fields!['topic'])),
      },
    })
    putAll(logs, numbered(0, 30, 25), logs.log('a'))
    await logs.compact()
    putAll(logs, numbered(0, 12, 25), logs.log('a'))
    putAll(logs, numbered(0, 12, 25), logs.log('b'))
    lines.length = 0
    await logs.compact()
    expect(lines).toEqual(['b', 'a'])
  })

  test('the log start passed the end of the last compaction: from there, and the checkpoint says so', async () => {
    const { logger, lines } = recording()
    const logs = await dirtyLogs({ logger })
    await logs.compact()
    const log = logs.log()
    const before = log.compaction.cleanedOffset!
    putAll(logs, numbered(30, 60))
    log.deleteRecordsBefore(before + 20)
    await logs.compact()
    expect(lines).toContain('the log does not reach the end of its last compaction: all of it is dirty')
    expect(log.compaction.cleanedOffset).toBe(log.activeSegmentOffset)
    expect(checkpointOf(logs)).toContain(`topic 0 ${log.activeSegmentOffset}`)
    expect(offsetsOf(log).filter(offset => offset < log.activeSegmentOffset)).toHaveLength(3)
  })

  test('the checkpoint lies beyond the end of the log: everything is dirty, and the file says so before anything is appended', async () => {
    const logs = await dirtyLogs()
    await logs.compact()
    await logs.close()
    const files = logs.files.afterKill()
    files.replaceFile(
      '/data/cleaner-offset-checkpoint',
      encodeOffsetCheckpoint([{ topic: 'topic', partition: 0, offset: 5000 }]),
    )
    const again = await MemoryLogs.open({ files, settings, cleaner: {} })
    expect(again.log().compaction.cleanedOffset).toBe(0)
    expect(checkpointOf(again)).toBe('0\n1\ntopic 0 0\n')
  })

  test.each(['nonsense', '0\n1\n'])('a broken checkpoint (%j): everything is dirty', async text => {
    const files = new MemoryFiles()
    files.makeDirectory('/data')
    files.replaceFile('/data/cleaner-offset-checkpoint', Buffer.from(text))
    const logs = await dirtyLogs({ files })
    await logs.compact()
    expect(offsetsOf(logs.log()).length).toBeLessThan(8)
  })

  test('deleted: no trace in the checkpoint for the next topic of the name', async () => {
    const logs = await dirtyLogs()
    await logs.compact()
    logs.directories.delete('topic', 0)
    // At the latest when there is another log of that name: else soon.
    expect(logs.log().compaction.cleanedOffset).toBeNull()
    expect(checkpointOf(logs)).toBe('0\n0\n')
  })
})

describe('cleaner: the log changes under it', () => {
  test('appends and new segments: go on, and are compacted next', async () => {
    const logs = await compacting()
    const log = logs.log()
    const active = log.activeSegmentOffset
    putAll(logs, numbered(30, 45))
    logs.cleanerSettings = { ...logs.cleanerSettings, maxBytesPerSecond: Number.MAX_VALUE }
    await logs.time.run(2 * second)
    await logs.compact()
    expect(active).toBeLessThan(log.activeSegmentOffset)
    expect(log.compaction.cleanedOffset).toBe(log.activeSegmentOffset)
    expect(offsetsOf(log).filter(offset => offset < log.activeSegmentOffset)).toHaveLength(3)
    expect(log.logEndOffset).toBe(45)
  })

  test.each<[string, (log: PartitionLog, logs: MemoryLogs) => void]>([
    ['cut at its end', log => log.truncateTo(20)],
    ['cut before what was compacted', log => log.truncateTo(4)],
    ['emptied', log => log.truncateFullyAndStartAt(100)],
    [
      'not to be compacted any more',
      (log, logs) => log.reconfigure({ ...logs.settings, cleanupPolicy: { delete: false, compact: false } }),
    ],
    ['paused for a move', log => (log.compaction.isPaused = true)],
  ])('%s: given up, no output is left, the records are what they were', async (_, change) => {
    const logs = await compacting()
    const log = logs.log()
    change(log, logs)
    logs.time.endTurn()
    const before = valuesOf(log)
    await logs.time.run(5 * minute)
    expect(logs.directories.onlineDirectories).toEqual(['/data'])
    expect(logs.directories.cleaner!.isUncleanable(log.compaction)).toBe(false)
    if (log.compaction.isCompactable) return
    expect(valuesOf(log)).toEqual(before)
    expect(filesOf(logs).filter(name => name.endsWith('.cleaned'))).toEqual([])
  })

  test('cut below the end of its last compaction: the file says so at once', async () => {
    const logs = await dirtyLogs()
    await logs.compact()
    expect(logs.log().compaction.cleanedOffset).toBeGreaterThan(26)
    logs.log().truncateTo(24)
    expect(checkpointOf(logs)).toBe('0\n1\ntopic 0 24\n')
    putAll(logs, numbered(24, 40))
    await logs.compact()
    const { activeSegmentOffset } = logs.log()
    expect(offsetsOf(logs.log()).filter(offset => offset < activeSegmentOffset)).toHaveLength(3)
  })

  test('deleted, and made anew: the new one is compacted', async () => {
    const logs = await compacting()
    logs.directories.delete('topic', 0)
    putAll(logs, numbered(0, 30))
    logs.cleanerSettings = { ...logs.cleanerSettings, maxBytesPerSecond: Number.MAX_VALUE }
    await logs.time.run(5 * minute)
    expect(logs.directories.onlineDirectories).toEqual(['/data'])
    expect(offsetsOf(logs.log()).length).toBeLessThan(8)
    expect(logs.files.list('/data').filter(name => name.includes('-delete'))).toEqual([])
  })

  test('retention takes its oldest segments: the rest is compacted', async () => {
    const logs = await compacting()
    const log = logs.log()
    log.deleteRecordsBefore(10)
    expect(log.applyRetention(logs.time.wallMs())).toBeGreaterThan(0)
    expect(log.firstSegmentOffset).toBeGreaterThan(5)
    logs.cleanerSettings = { ...logs.cleanerSettings, maxBytesPerSecond: Number.MAX_VALUE }
    await logs.time.run(5 * minute)
    expect(logs.directories.onlineDirectories).toEqual(['/data'])
    expect(log.compaction.cleanedOffset).toBe(log.activeSegmentOffset)
    expect(offsetsOf(log).filter(offset => offset < log.activeSegmentOffset)).toHaveLength(3)
  })

  test('the broker stops: at once, and the next start throws the output away', async () => {
    const logs = await compacting()
    await logs.close()
    expect(logs.files.openCount).toBe(0)
    const again = await MemoryLogs.open({ files: logs.files.afterKill(), settings, cleaner: {} })
    expect(filesOf(again).filter(name => name.endsWith('.cleaned'))).toEqual([])
    expect(offsetsOf(again.log())).toEqual(numbered(0, 30).map((_, index) => index))
    await again.compact()
    expect(offsetsOf(again.log()).length).toBeLessThan(8)
  })

  test.each([1, 4096])(
    'readers: what they hold stays, and they go on where they were (%d open files)',
    async openFilesMax => {
      const logs = await dirtyLogs({ openFilesMax, tailBytesMax: 10_000 })
      const log = logs.log()
      const read = (fetchOffset: number) =>
        log.read({ fetchOffset, maxBytes: 250, endOffset: log.logEndOffset, minOneBatch: true })!
      const held = [0, 2, 10].map(read)
      const before = held.map(({ bytes }) => Buffer.from(bytes))
      await logs.compact()
      held.forEach(({ bytes }, index) => expect(bytes.equals(before[index]!)).toBe(true))
      const { activeSegmentOffset } = log
      for (const batches of held) {
        const next = read(batches.nextOffset)
        expect(next.firstOffset).toBe(activeSegmentOffset - 3)
        next.release()
        batches.release()
      }
      expect(log.offsetForTimestamp(0, log.logEndOffset)).toMatchObject({ offset: activeSegmentOffset - 3 })
      expect(logs.directories.openFileCount).toBeLessThanOrEqual(Math.max(openFilesMax, 1) + 1)
    },
  )
})

describe('cleaner: failures', () => {
  /** A byte of the value in the first batch, as a dying disk may return it. */
  function damage(logs: MemoryLogs): void {
    const file = logs.files.open('/data/topic-0/00000000000000000000.log', 'read-write')
    file.write(Buffer.from('!'), 0, 1, 85)
    file.close()
  }

  test('a damaged batch: that partition is left alone, and said; the others go on', async () => {
    const { logger, lines } = recording()
    const logs = await dirtyLogs({ logger })
    putAll(logs, numbered(0, 30), logs.log('topic', 1))
    damage(logs)
    await logs.compact()
    expect(lines.filter(line => line === 'compaction failed: the partition is not compacted any more')).toHaveLength(1)
    expect([count(logs, 'failures_total'), count(logs, 'uncleanable_partitions'), count(logs, 'runs_total')]).toEqual([
      1, 1, 1,
    ])
    expect(logs.directories.onlineDirectories).toEqual(['/data'])
    expect(logs.log().segmentCount).toBeGreaterThan(8)
    expect(offsetsOf(logs.log('topic', 1)).length).toBeLessThan(8)
    // It is not tried again, but deleted it is forgotten.
    await logs.time.run(60 * minute)
    expect(count(logs, 'failures_total')).toBe(1)
    logs.directories.delete('topic', 0)
    putAll(logs, numbered(0, 30))
    await logs.time.run(minute)
    expect([count(logs, 'uncleanable_partitions'), offsetsOf(logs.log()).length < 8]).toEqual([0, true])
  })

  test('bytes that are no batch: the same', async () => {
    const logs = await dirtyLogs()
    const file = logs.files.open('/data/topic-0/00000000000000000000.log', 'read-write')
    file.write(Buffer.alloc(20), 0, 20, 0)
    file.close()
    await logs.compact()
    expect([count(logs, 'failures_total'), logs.directories.hasOffline]).toEqual([1, false])
    expect(filesOf(logs).filter(name => name.endsWith('.cleaned'))).toEqual([])
  })

  test('a full disk: tried again after ten minutes', async () => {
    const logs = await dirtyLogs()
    logs.files.onOperation = ({ kind, path, length }) => {
      if (kind === 'write' && path.endsWith('.cleaned'))
        throw new FileSystemError({ code: 'ENOSPC', syscall: 'write', path })
      return length
    }
    await logs.compact()
    expect([logs.directories.hasOffline, count(logs, 'uncleanable_partitions')]).toEqual([false, 1])
    logs.files.onOperation = null
    await logs.time.run(9 * minute)
    expect(count(logs, 'uncleanable_partitions')).toBe(1)
    await logs.time.run(2 * minute)
    expect([count(logs, 'uncleanable_partitions'), offsetsOf(logs.log()).length < 8]).toEqual([0, true])
  })

  test('a failing disk: its directory is offline, as with any other failure of it', async () => {
    const logs = await dirtyLogs()
    logs.files.onOperation = ({ kind, path, length }) => {
      if (kind === 'datasync' && path.endsWith('.log.cleaned'))
        throw new FileSystemError({ code: 'EIO', syscall: 'fdatasync', path })
      return length
    }
    await logs.compact()
    expect(logs.directories.onlineDirectories).toEqual([])
  })
})

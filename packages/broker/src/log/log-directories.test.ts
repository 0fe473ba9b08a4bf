import { describe, expect, test } from '@jest/globals'
import { encodeOffsetCheckpoint } from '@millrace/protocol/storage/checkpoint'
import { FileLocked } from '@millrace/runtime/file-system-error'
import { appendTo, batchOf, startMs, valuesOf } from '@millrace/testing/world/log-records'
import { MemoryFiles } from '@millrace/testing/world/memory-files'
import { MemoryLogs } from '@millrace/testing/world/memory-logs'
import { TopicIdMismatch } from './log-errors.ts'

const id = 'cVXPhGjBT8erN4aS7CGDSg'

async function withRecords(count: number, settings = {}): Promise<MemoryLogs> {
  const logs = await MemoryLogs.open({ settings })
  for (let index = 0; index < count; index++) appendTo(logs.log(), batchOf({ values: [`value ${index}`] }))
  logs.time.endTurn()
  return logs
}

describe('directories', () => {
  test('log directories: new logs: spread to the directory with the fewest, the first of several', async () => {
    const logs = await MemoryLogs.open({ directories: ['/a', '/b', '/c'] })
    const directories = [0, 1, 2, 3].map(partition => logs.log('t', partition).directory)
    expect(directories).toEqual(['/a', '/b', '/c', '/a'])
    expect(
      logs.directories.describe().map(({ directory, isOffline, logs: rows }) => [directory, isOffline, rows.length]),
    ).toEqual([
      ['/a', false, 2],
      ['/b', false, 1],
      ['/c', false, 1],
    ])
  })

  test('log directories: locked by another broker: says so, and keeps no lock of its own', async () => {
    const files = new MemoryFiles()
    files.makeDirectory('/b')
    const lock = files.lock('/b/.lock')
    await expect(MemoryLogs.open({ files, directories: ['/a', '/b'] })).rejects.toThrow(FileLocked)
    lock.release()
    const logs = await MemoryLogs.open({ files, directories: ['/a', '/b'] })
    expect(logs.directories.onlineDirectories).toEqual(['/a', '/b'])
  })

  test('log directories: a broken high watermark checkpoint: that directory is offline, the other serves', async () => {
    const files = new MemoryFiles()
    files.makeDirectory('/a')
    files.replaceFile('/a/replication-offset-checkpoint', Buffer.from('nonsense'))
    const logs = await MemoryLogs.open({ files, directories: ['/a', '/b'] })
    expect([logs.directories.hasOffline, logs.directories.onlineDirectories]).toEqual([true, ['/b']])
    files.makeDirectory('/b')
    await expect(MemoryLogs.open({ files: files.afterKill(), directories: ['/a'] })).rejects.toThrow(
      'offset checkpoint',
    )
  })

  test('log directories: broken recovery point and log start checkpoints: more is checked, nothing is lost', async () => {
    const logs = await withRecords(5)
    const files = logs.files.afterKill()
    for (const name of ['recovery-point-offset-checkpoint', 'log-start-offset-checkpoint'])
      files.replaceFile(`/data/${name}`, Buffer.from('x'))
    expect(valuesOf((await MemoryLogs.open({ files })).log())).toHaveLength(5)
  })

  test('log directories: a log deleted: its name is free at once, its folder goes after file.delete.delay.ms, at the latest with the next start', async () => {
    const logs = await withRecords(3, { fileDeleteDelayMs: 1000 })
    logs.directories.delete('topic', 0)
    expect(logs.directories.get('topic', 0)).toBeUndefined()
    const [folder] = logs.files.list('/data').filter(name => name.endsWith('-delete'))
    expect(folder).toMatch(/^topic-0\.[0-9a-f]{32}-delete$/)
    const files = logs.files.afterKill()
    expect(valuesOf(logs.log())).toEqual([])
    await logs.time.run(1001)
    expect(logs.files.list('/data').filter(name => name.endsWith('-delete'))).toEqual([])
    const again = await MemoryLogs.open({ files })
    await again.time.run(1)
    expect(files.list('/data').filter(name => name.startsWith('topic'))).toEqual([])
  })

  test('log directories: topic id: kept on disk, another one is refused', async () => {
    const logs = await MemoryLogs.open()
    logs.directories.create({ topic: 't', partition: 0, topicId: id, isNew: true })
    expect(logs.files.readFile('/data/t-0/partition.metadata').toString()).toBe(`version: 0\ntopic_id: ${id}`)
    const again = await MemoryLogs.open({ files: logs.files.afterKill() })
    expect(again.directories.get('t', 0)?.topicId).toBe(id)
    const other = { topic: 't', partition: 0, topicId: 'AAAAAAAAAAAAAAAAAAAAAQ', isNew: false }
    expect(() => again.directories.create(other)).toThrow(TopicIdMismatch)
  })

  test('log directories: folders of others: left alone', async () => {
    const files = new MemoryFiles()
    for (const folder of ['/data/lost+found', '/data/__cluster_metadata']) files.makeDirectory(folder)
    files.replaceFile('/data/meta.properties', Buffer.from('x'))
    const logs = await MemoryLogs.open({ files })
    await logs.close()
    expect(files.list('/data')).toEqual(expect.arrayContaining(['lost+found', '__cluster_metadata', 'meta.properties']))
    expect(logs.directories.all()).toEqual([])
  })
})

describe('checkpoints', () => {
  test('log directories: stopped in order: marker and checkpoints as Kafka writes them; the marker goes with the next start', async () => {
    const logs = await withRecords(3)
    logs.log().setHighWatermark(3)
    logs.log().deleteRecordsBefore(2)
    await logs.close()
    const text = (name: string): string => logs.files.readFile(`/data/${name}`).toString()
    expect(text('.kafka_cleanshutdown')).toBe('{"version":0,"brokerEpoch":-1}')
    expect(text('recovery-point-offset-checkpoint')).toBe('0\n1\ntopic 0 3\n')
    expect(text('replication-offset-checkpoint')).toBe('0\n1\ntopic 0 3\n')
    expect(text('log-start-offset-checkpoint')).toBe('0\n1\ntopic 0 2\n')
    expect(logs.files.openCount).toBe(0)
    const again = await MemoryLogs.open({ files: logs.files })
    expect(logs.files.stat('/data/.kafka_cleanshutdown')).toBeNull()
    expect(again.log().highWatermark).toBe(3)
  })

  test('log directories: killed at any step of a start after a clean stop: the next start does not take it for clean (KAFKA-10471)', async () => {
    const logs = await withRecords(3, { segmentBytes: 120 })
    await logs.close()
    const marker = '/data/.kafka_cleanshutdown'
    // Something to do for the start: an index has to be built.
    const indexes = [...logs.files.snapshot().keys()].filter(path => path.endsWith('.timeindex'))
    for (const path of indexes) logs.files.remove(path)
    let steps = 1
    for (let step = 0; step < steps; step++) {
      const files = logs.files.afterKill()
      let count = 0
      let killed: MemoryFiles | null = null
      files.onOperation = ({ kind, path }) => {
        if (kind === 'read' || kind === 'open') return
        // What changes anything but the marker comes after the marker is gone.
        if (path !== marker && path.startsWith('/data/topic-0/')) expect(files.stat(marker)).toBeNull()
        if (count++ === step) killed = files.afterKill()
      }
      await MemoryLogs.open({ files })
      steps = count
      expect(killed).not.toBeNull()
      expect(valuesOf((await MemoryLogs.open({ files: killed! })).log())).toEqual([
        '0:value 0',
        '1:value 1',
        '2:value 2',
      ])
    }
    expect(steps).toBeGreaterThan(3)
  })

  test('log directories: while it runs: checkpoints are written at their intervals', async () => {
    const logs = await withRecords(3)
    logs.directories.start()
    const text = (name: string): string => logs.files.readFile(`/data/${name}-offset-checkpoint`).toString()
    logs.log().setHighWatermark(2)
    logs.log().flush()
    await logs.time.run(5001)
    // The recovery points stand there since the start, which found nothing.
    expect([text('replication'), text('recovery-point')]).toEqual(['0\n1\ntopic 0 2\n', '0\n0\n'])
    await logs.time.run(55_000)
    expect(text('recovery-point')).toBe('0\n1\ntopic 0 3\n')
    expect((await MemoryLogs.open({ files: logs.files.afterKill() })).log().highWatermark).toBe(2)
  })

  test('log directories: high watermark checkpoint beyond the log: kept within it', async () => {
    const logs = await withRecords(3)
    const files = logs.files.afterKill()
    files.replaceFile(
      '/data/replication-offset-checkpoint',
      encodeOffsetCheckpoint([{ topic: 'topic', partition: 0, offset: 99 }]),
    )
    expect((await MemoryLogs.open({ files })).log().highWatermark).toBe(3)
  })

  test('log directories: retention: the first look comes after 30 s', async () => {
    const logs = await withRecords(20, { segmentBytes: 200, retentionBytes: 500 })
    logs.directories.start()
    logs.log().setHighWatermark(20)
    const before = logs.log().segmentCount
    await logs.time.run(29_000)
    expect(logs.log().segmentCount).toBe(before)
    await logs.time.run(1001)
    expect(logs.log().size).toBeLessThan(800)
    expect(logs.log().size).toBeGreaterThanOrEqual(500)
  })

  test('log directories: producers: forgotten after producer.id.expiration.ms', async () => {
    const logs = await MemoryLogs.open({ producerIdExpirationMs: 1_000_000 })
    logs.directories.start()
    appendTo(logs.log(), batchOf({ producerId: 1, producerEpoch: 0, baseSequence: 0, timestamp: startMs }))
    await logs.time.run(600_001)
    expect(logs.log().activeProducers()).toHaveLength(1)
    await logs.time.run(600_000)
    expect(logs.log().activeProducers()).toHaveLength(0)
  })
})

describe('open files', () => {
  test('log directories: more logs than files may be open: all of them work', async () => {
    const logs = await MemoryLogs.open({ openFilesMax: 10, settings: { segmentBytes: 300 } })
    for (let round = 0; round < 5; round++) {
      for (let partition = 0; partition < 40; partition++)
        appendTo(logs.log('t', partition), batchOf({ values: [`${partition}.${round}`] }))
      await logs.time.run()
      expect(logs.files.openCount).toBeLessThanOrEqual(11)
    }
    for (let partition = 0; partition < 40; partition++) {
      expect(valuesOf(logs.log('t', partition))).toEqual([0, 1, 2, 3, 4].map(round => `${round}:${partition}.${round}`))
    }
  })
})

describe('leftovers', () => {
  const segment = (baseOffset: number, suffix: string): string =>
    `/data/topic-0/${String(baseOffset).padStart(20, '0')}${suffix}`

  test('log: .deleted files and indexes without a segment: removed at the start', async () => {
    const logs = await withRecords(1)
    const files = logs.files.afterKill()
    for (const path of [segment(0, '.log.deleted'), segment(50, '.index'), segment(50, '.timeindex')])
      files.replaceFile(path, Buffer.alloc(0))
    await MemoryLogs.open({ files })
    expect(files.list('/data/topic-0').filter(name => name.includes('deleted') || name.includes('50'))).toEqual([])
  })

  test('log: a compaction that had finished (.swap): its output replaces what it was made of', async () => {
    const { files, inside } = await compacted()
    for (const suffix of ['.log', '.index', '.timeindex'])
      files.rename(segment(0, suffix), segment(0, `${suffix}.swap`))
    // Its inputs were not removed yet: the first, renamed above, and the one behind it, which its offsets cover.
    const again = (await MemoryLogs.open({ files })).log()
    expect(valuesOf(again)).toEqual(inside)
    expect(files.list('/data/topic-0').filter(name => name.endsWith('.swap'))).toEqual([])
  })

  test('log: a compaction that had not finished (.cleaned): thrown away, with the .swap files that belong to it', async () => {
    const { files, inside } = await compacted()
    files.replaceFile(segment(0, '.log.cleaned'), Buffer.from('half'))
    files.replaceFile(segment(3, '.log.swap'), Buffer.from('half'))
    expect(valuesOf((await MemoryLogs.open({ files })).log())).toEqual(inside)
    expect(files.list('/data/topic-0').filter(name => /cleaned|swap/.test(name))).toEqual([])
  })

  async function compacted(): Promise<{ files: MemoryFiles; inside: string[] }> {
    const logs = await withRecords(8, { segmentBytes: 300 })
    expect(logs.log().segmentCount).toBeGreaterThan(1)
    const inside = valuesOf(logs.log())
    await logs.close()
    return { files: logs.files.afterKill(), inside }
  }

  test('log: an index of half an entry, a missing one, a broken transaction index after a clean stop: built anew', async () => {
    const logs = await withRecords(30, { segmentBytes: 1000, indexIntervalBytes: 100 })
    const before = valuesOf(logs.log())
    await logs.close()
    const original = logs.files.afterKill()
    const damages: ((files: MemoryFiles) => void)[] = [
      files => files.replaceFile(segment(0, '.index'), Buffer.from('half!')),
      files => files.remove(segment(0, '.timeindex')),
      files => files.replaceFile(segment(0, '.txnindex'), Buffer.from('broken')),
    ]
    for (const damage of damages) {
      const files = original.afterKill()
      damage(files)
      const log = (await MemoryLogs.open({ files, settings: { indexIntervalBytes: 100 } })).log()
      expect(valuesOf(log, 0, 1)).toEqual(before)
      for (const suffix of ['.index', '.timeindex']) {
        expect(files.readFile(segment(0, suffix))).toEqual(original.readFile(segment(0, suffix)))
      }
    }
  })
})

import { expect, test } from '@jest/globals'
import { BatchCursor } from '@millrace/protocol/records/batch-cursor'
import { lastOffsetAt } from '@millrace/protocol/records/record-batch'
import { FileSystemError } from '@millrace/runtime/file-system-error'
import { CompactedLogModel, committedState, storedRecords } from '@millrace/testing/world/compacted-log-model'
import type { MemoryFiles } from '@millrace/testing/world/memory-files'
import { MemoryLogs } from '@millrace/testing/world/memory-logs'
import { SeededRandom } from '@millrace/testing/world/seeded-random'
import type { TopicSettings } from '../settings/topic-settings.ts'

const hour = 3_600_000
const settings: Partial<TopicSettings> = {
  segmentBytes: 1200,
  indexIntervalBytes: 200,
  cleanupPolicy: { delete: false, compact: true },
  minCleanableDirtyRatio: 0,
  deleteRetentionMs: hour,
}
const cleaner = { ioBufferBytes: 4096, dedupeBufferBytes: 100_000 }
const seeds = Array.from({ length: 25 }, (_, index) => index + 1)
const pointsPerSeed = 8

interface Prepared {
  readonly logs: MemoryLogs
  readonly model: CompactedLogModel
}

/** A log that was compacted before and has new records to compact; everything is on the disk. The same for the same seed. */
async function prepare(seed: number): Promise<Prepared> {
  const model = new CompactedLogModel(seed, 0)
  const logs = await MemoryLogs.open({ settings, seed, cleaner })
  for (const count of [60, 60]) {
    await logs.time.run(2 * hour)
    model.write(logs.log(), count, logs.time.wallMs())
    logs.time.endTurn()
    logs.log().roll(logs.time.wallMs())
    if (count === 60) model.endTransactions(logs.log())
    logs.time.endTurn()
    logs.log().setHighWatermark(logs.log().logEndOffset)
    await logs.directories.checkpointHighWatermarks()
    if (model.records.length < 250) await logs.compact()
  }
  model.write(logs.log(), 40, logs.time.wallMs())
  logs.time.endTurn()
  logs.log().roll(logs.time.wallMs())
  logs.log().setHighWatermark(logs.log().logEndOffset)
  await logs.directories.checkpointHighWatermarks()
  logs.log().flush()
  return { logs, model }
}

/** Compacts; from the operation `failAt` on nothing reaches the files. The number of operations that there were. */
async function compactUntil(files: MemoryFiles, logs: MemoryLogs, failAt: number): Promise<number> {
  let count = 0
  files.onOperation = ({ path, length }) => {
    if (count++ < failAt) return length
    throw new FileSystemError({ code: 'EIO', syscall: 'write', path })
  }
  await logs.compact()
  return count
}

async function expectWhole(files: MemoryFiles, { logs, model }: Prepared, seed: number): Promise<void> {
  const again = await MemoryLogs.open({ files, time: logs.time, settings, seed, cleaner })
  const log = again.log()
  log.setHighWatermark(log.logEndOffset)
  expect(files.list('/data/topic-0').filter(name => /\.(cleaned|swap)$/.test(name))).toEqual([])
  expectNoOverlap(files)
  expect(log.logEndOffset).toBe(model.endOffset)
  expect(committedState(log)).toEqual(model.stateAt(log.lastStableOffset))
  const sequences = new Map(log.activeProducers().map(({ producerId, lastSequence }) => [producerId, lastSequence]))
  for (const { producerId, nextSequence } of model.producers)
    if (nextSequence > 0) expect([producerId, sequences.get(producerId)]).toEqual([producerId, nextSequence - 1])
  // And it can be compacted as if nothing had been.
  await again.compact()
  expect(again.directories.cleaner!.isUncleanable(log.compaction)).toBe(false)
  expect(committedState(log)).toEqual(model.stateAt(log.lastStableOffset))
  const cleanedOffset = log.compaction.cleanedOffset!
  expect(cleanedOffset).toBeGreaterThan(0)
  const last = model.lastRecords(cleanedOffset)
  const clutter = storedRecords(log).filter(
    ({ offset, key, isControl }) => !isControl && offset < cleanedOffset && last.get(key!)?.offset !== offset,
  )
  expect(clutter).toEqual([])
  await again.close()
}

/** Segments follow each other: none of those that were replaced is left beside what replaced it. */
function expectNoOverlap(files: MemoryFiles): void {
  let nextOffset = 0
  for (const name of files.list('/data/topic-0').filter(each => each.endsWith('.log'))) {
    expect(parseInt(name, 10)).toBeGreaterThanOrEqual(nextOffset)
    const bytes = files.readFile(`/data/topic-0/${name}`)
    const cursor = new BatchCursor(bytes)
    while (cursor.next()) nextOffset = lastOffsetAt(bytes, cursor.position) + 1
    expect(cursor.remaining).toBe(0)
  }
}

test.each(seeds)('compaction: killed at 8 points, and the power cut there: nothing is lost (seed %d)', async seed => {
  const whole = await prepare(seed)
  const operations = await compactUntil(whole.logs.files, whole.logs, Infinity)
  expect(operations).toBeGreaterThan(30)
  expect(whole.logs.log().compaction.cleanedOffset).toBeGreaterThan(0)
  const random = new SeededRandom(seed)
  for (let point = 0; point < pointsPerSeed; point++) {
    // Half of them in the last third, where files are renamed.
    const failAt =
      point % 2 === 0
        ? random.below(operations)
        : Math.floor((operations * 2) / 3) + random.below(Math.ceil(operations / 3))
    const prepared = await prepare(seed)
    const { files } = prepared.logs
    expect(await compactUntil(files, prepared.logs, failAt)).toBeGreaterThan(failAt)
    await expectWhole(files.afterKill(), prepared, seed)
    await expectWhole(files.afterPowerCut(), prepared, seed)
  }
})

import { describe, expect, test } from '@jest/globals'
import { CompactedLogModel, committedState, storedRecords } from '@millrace/testing/world/compacted-log-model'
import { MemoryLogs } from '@millrace/testing/world/memory-logs'
import type { TopicSettings } from '../settings/topic-settings.ts'

const seeds = Array.from({ length: 40 }, (_, index) => index + 1)
const hour = 3_600_000
const settings: Partial<TopicSettings> = {
  segmentBytes: 1500,
  indexIntervalBytes: 200,
  cleanupPolicy: { delete: false, compact: true },
  minCleanableDirtyRatio: 0,
  deleteRetentionMs: hour,
  fileDeleteDelayMs: 0,
}

describe('compaction: random history', () => {
  test.each(seeds)('readers learn the same, keys stand once, nobody is forgotten (seed %d)', async seed => {
    const model = new CompactedLogModel(seed, 0)
    const { random } = model
    let logs = await MemoryLogs.open({
      settings,
      seed,
      cleaner: {
        ioBufferBytes: 2048 + random.below(100_000),
        dedupeBufferBytes: random.below(3) === 0 ? 600 : 100_000,
      },
    })
    const tombstonesSeen = new Map<number, number>()
    for (let round = 0; round < 6; round++) {
      const log = logs.log()
      model.write(log, 10 + random.below(60), logs.time.wallMs())
      if (round === 4) model.endTransactions(log)
      logs.time.endTurn()
      log.setHighWatermark(model.boundaries.at(round === 5 ? -1 : -1 - random.below(4))!)
      if (random.below(3) === 0) log.roll(logs.time.wallMs())
      await logs.compact()
      expect(logs.directories.cleaner!.isUncleanable(log.compaction)).toBe(false)
      check(log, model, tombstonesSeen, logs.time.wallMs())
      await logs.time.run(random.below(hour))
      if (random.below(3) > 0) continue
      // A new process, orderly or not.
      const isKill = random.below(2) === 0
      if (!isKill) await logs.close()
      logs = await MemoryLogs.open({
        files: logs.files.afterKill(),
        time: logs.time,
        settings,
        seed,
        cleaner: { ioBufferBytes: 4096 },
      })
      logs.log().setHighWatermark(logs.log().logEndOffset)
      check(logs.log(), model, tombstonesSeen, logs.time.wallMs())
    }
    // Long after: every tombstone that was compacted over goes, in two steps.
    for (let step = 0; step < 3; step++) {
      await logs.time.run(2 * hour)
      model.write(logs.log(), 3, logs.time.wallMs())
      logs.time.endTurn()
      logs.log().setHighWatermark(logs.log().logEndOffset)
      logs.log().roll(logs.time.wallMs())
      await logs.compact()
      check(logs.log(), model, tombstonesSeen, logs.time.wallMs())
    }
    expect(logs.directories.onlineDirectories).toEqual(['/data'])
  })
})

function check(
  log: ReturnType<MemoryLogs['log']>,
  model: CompactedLogModel,
  tombstonesSeen: Map<number, number>,
  nowMs: number,
): void {
  expect(log.logEndOffset).toBe(model.endOffset)
  expect(committedState(log)).toEqual(model.stateAt(log.lastStableOffset))
  const stored = storedRecords(log)
  const data = stored.filter(({ isControl }) => !isControl)
  const history = new Map(model.records.map(record => [record.offset, record]))
  for (const { offset, key, value, timestamp } of data)
    expect(history.get(offset)).toMatchObject({ key, value, timestamp })
  const cleanedOffset = log.compaction.cleanedOffset ?? 0
  const last = model.lastRecords(cleanedOffset)
  const clean = data.filter(({ offset }) => offset < cleanedOffset)
  // Each key once below the end of the compaction; aborted records are gone.
  const clutter = clean.filter(({ offset, key }) => last.get(key!)?.offset !== offset)
  expect(clutter).toEqual([])
  const kept = new Set(clean.map(({ offset }) => offset))
  for (const record of last.values()) {
    if (kept.has(record.offset)) continue
    // Only a tombstone may be missing, and only after its time.
    expect(record.value).toBeNull()
    expect(tombstonesSeen.get(record.offset) ?? Infinity).toBeLessThanOrEqual(nowMs)
  }
  for (const { offset, value, deleteHorizonMs } of data) {
    if (value !== null || deleteHorizonMs === null) continue
    tombstonesSeen.set(offset, deleteHorizonMs)
    expect(deleteHorizonMs).toBeGreaterThan(0)
  }
  // Everything above is as it was written.
  const above = model.records.filter(({ offset }) => offset >= log.activeSegmentOffset).map(({ offset }) => offset)
  expect(data.filter(({ offset }) => offset >= log.activeSegmentOffset).map(({ offset }) => offset)).toEqual(above)
  const sequences = new Map(log.activeProducers().map(({ producerId, lastSequence }) => [producerId, lastSequence]))
  for (const { producerId, nextSequence } of model.producers) {
    if (nextSequence > 0) expect([producerId, sequences.get(producerId)]).toEqual([producerId, nextSequence - 1])
  }
}

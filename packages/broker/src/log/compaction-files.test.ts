import { afterAll, expect, test } from '@jest/globals'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BufferPool } from '@millrace/runtime/buffer-pool'
import { silentLogger } from '@millrace/runtime/logger'
import { nodeWorld } from '@millrace/runtime/node/world'
import { CompactedLogModel, committedState } from '@millrace/testing/world/compacted-log-model'
import { topicSettings } from '@millrace/testing/world/topic-settings'
import { LogDirectories } from './log-directories.ts'
import { noTimers } from '@millrace/testing/data-path/no-timers'

/* Compaction of real files on the real event loop; compaction-crash.test.ts has the many points, this the file system. */

const folder = mkdtempSync(join(tmpdir(), 'millrace-compaction-files-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const never = 1e9
const bufferPool = new BufferPool()
const world = nodeWorld({ bufferPool })
const settings = topicSettings({
  segmentBytes: 20_000,
  cleanupPolicy: { delete: false, compact: true },
  minCleanableDirtyRatio: 0,
})
const cleaner = {
  threads: 1,
  dedupeBufferBytes: 2_000_000,
  ioBufferBytes: 16_384,
  loadFactor: 0.9,
  maxBytesPerSecond: Number.MAX_VALUE,
  backoffMs: never,
}

async function open(path: string): Promise<LogDirectories> {
  const logs = new LogDirectories({
    ...{ world, logger: silentLogger, bufferPool, directories: [path] },
    settingsOf: () => settings,
    ...noTimers,
    cleaner: () => cleaner,
  })
  await logs.load()
  return logs
}

const pause = (ms: number): Promise<void> => new Promise(resolve => void world.timers.after(ms, resolve))

test.each([1, 2, 3, 4, 5, 6])(
  'compaction: real files, abandoned amid the work and begun again: nothing is lost (seed %d)',
  async seed => {
    const path = join(folder, String(seed))
    let logs = await open(path)
    const model = new CompactedLogModel(seed, world.clock.wallMs())
    const log = logs.create({ topic: 't', partition: 0, topicId: null, isNew: true })
    model.write(log, 1500, world.clock.wallMs())
    model.endTransactions(log)
    log.roll()
    log.flush()
    log.setHighWatermark(log.logEndOffset)
    for (let kills = 0; kills < 4; kills++) {
      logs.cleaner!.start()
      await pause(model.random.below(25))
      logs.abandon()
      // What was under way in the thread pool ends before the next process would begin.
      await pause(50)
      logs = await open(path)
      const again = logs.get('t', 0)!
      again.setHighWatermark(again.logEndOffset)
      expect(again.logEndOffset).toBe(model.endOffset)
      expect(committedState(again)).toEqual(model.stateAt(model.endOffset))
    }
    logs.cleaner!.start()
    await pause(5)
    while (logs.cleaner!.runningCount > 0) await pause(5)
    const last = logs.get('t', 0)!
    expect(last.compaction.cleanedOffset).toBe(last.activeSegmentOffset)
    expect(committedState(last)).toEqual(model.stateAt(model.endOffset))
    await logs.close()
    expect(readdirSync(join(path, 't-0')).filter(name => /\.(cleaned|swap)$/.test(name))).toEqual([])
  },
)

import { expect, test } from '@jest/globals'
import { buildBatch } from '@millrace/protocol/records/batch-builder'
import { BatchCursor } from '@millrace/protocol/records/batch-cursor'
import { isCrcValidAt, lastOffsetAt, baseOffsetAt } from '@millrace/protocol/records/record-batch'
import { FileSystemError } from '@millrace/runtime/file-system-error'
import type { MemoryFiles } from '@millrace/testing/world/memory-files'
import { MemoryLogs } from '@millrace/testing/world/memory-logs'
import { SeededRandom } from '@millrace/testing/world/seeded-random'
import type { TopicSettings } from '../settings/topic-settings.ts'
import type { PartitionLog } from './partition-log.ts'

const seeds = Array.from({ length: 40 }, (_, index) => index + 1)
const settings: Partial<TopicSettings> = { segmentBytes: 3000, indexIntervalBytes: 200, fileDeleteDelayMs: 0 }
const startMs = Date.UTC(2026, 0, 1)

interface Batch {
  readonly baseOffset: number
  readonly lastOffset: number
  readonly timestamp: number
  readonly hex: string
}

/** Appends random batches to one log and keeps what must be in it. */
class Model {
  readonly random: SeededRandom
  readonly batches: Batch[] = []
  readonly sequences = new Map<number, number>()
  /** Batches that are announced: nobody may lose them. */
  announcedEnd = 0

  constructor(seed: number) {
    this.random = new SeededRandom(seed)
  }

  append(log: PartitionLog): boolean {
    const { random } = this
    const count = 1 + random.below(5)
    const timestamp = startMs + random.below(100_000)
    const producerId = random.below(2) === 0 ? -1 : random.below(4)
    const baseSequence = producerId < 0 ? -1 : (this.sequences.get(producerId) ?? 0)
    const records = Array.from({ length: count }, (_, index) => ({
      timestamp: timestamp + index,
      key: null,
      value: Buffer.alloc(random.below(200), 'v'),
    }))
    const producer = producerId < 0 ? {} : { producerId, producerEpoch: 0, baseSequence }
    const outcome = log.appendAsLeader(buildBatch(records, producer), {
      leaderEpoch: this.batches.length >> 4,
      origin: 'client',
      apiVersion: 9,
      nowMs: timestamp,
    })
    if (!outcome.ok) return false
    if (producerId >= 0) this.sequences.set(producerId, baseSequence + count)
    this.batches.push({
      baseOffset: outcome.baseOffset,
      lastOffset: outcome.lastOffset,
      timestamp: timestamp + count - 1,
      hex: '',
    })
    return true
  }

  get announced(): Batch[] {
    return this.batches.filter(({ lastOffset }) => lastOffset < this.announcedEnd)
  }
}

function readAll(log: PartitionLog, maxBytes = 700): Batch[] {
  const batches: Batch[] = []
  for (let fetchOffset = log.logStartOffset; ;) {
    const read = log.read({ fetchOffset, maxBytes, endOffset: log.logEndOffset, minOneBatch: true })
    if (read === null) return batches
    const cursor = new BatchCursor(read.bytes)
    while (cursor.next()) {
      const { position, size } = cursor
      expect(isCrcValidAt(read.bytes, position)).toBe(true)
      const hex = read.bytes.toString('hex', position, position + size)
      batches.push({
        baseOffset: baseOffsetAt(read.bytes, position),
        lastOffset: lastOffsetAt(read.bytes, position),
        timestamp: 0,
        hex,
      })
    }
    expect(cursor.remaining).toBe(0)
    fetchOffset = read.nextOffset
    read.release()
  }
}

const ranges = (batches: readonly Batch[]): string[] =>
  batches.map(({ baseOffset, lastOffset }) => `${baseOffset}..${lastOffset}`)

async function fill(
  seed: number,
  changes: Partial<TopicSettings> = {},
): Promise<{ logs: MemoryLogs; log: PartitionLog; model: Model }> {
  // Read from files, from memory, and from both.
  const tailBytesMax = [0, 1_000_000, 16 * 1024][seed % 3]!
  const logs = await MemoryLogs.open({ settings: { ...settings, ...changes }, seed, tailBytesMax })
  const log = logs.log()
  const model = new Model(seed)
  log.attach({ endOffsetAdvanced: end => (model.announcedEnd = end), failed: () => {} })
  const steps = 20 + model.random.below(120)
  for (let step = 0; step < steps; step++) {
    if (model.random.below(4) === 0) logs.time.endTurn()
    else model.append(log)
  }
  return { logs, log, model }
}

const reopen = (files: MemoryFiles): Promise<MemoryLogs> => MemoryLogs.open({ files, settings })
const producersOf = (log: PartitionLog): unknown[] =>
  log.activeProducers().sort((left, right) => left.producerId - right.producerId)

test.each(seeds)('log: killed at any moment: everything announced is there, nothing is torn (seed %i)', async seed => {
  const { logs, log, model } = await fill(seed)
  const before = readAll(log)
  expect(ranges(before)).toEqual(ranges(model.announced))
  const again = (await reopen(logs.files.afterKill())).log()
  const found = readAll(again)
  expect(found.slice(0, before.length)).toEqual(before)
  expect(ranges(found)).toEqual(ranges(model.batches).slice(0, found.length))
  expect(again.logEndOffset).toBe(found.length === 0 ? 0 : found.at(-1)!.lastOffset + 1)
})

test.each(seeds)(
  'log: stopped in order: reopened without a change, and no batch is read to do so (seed %i)',
  async seed => {
    const { logs, log, model } = await fill(seed)
    logs.time.endTurn()
    const producers = producersOf(log)
    const before = readAll(log)
    await logs.close()
    const again = await reopen(logs.files)
    expect(readAll(again.log())).toEqual(before)
    expect(ranges(before)).toEqual(ranges(model.batches))
    // A snapshot keeps the last batch of each producer only, which is all that is compared here.
    expect(producersOf(again.log())).toEqual(producers)
    expect(again.log().recoveryPoint).toBe(again.log().logEndOffset)
  },
)

test.each(seeds)(
  'log: end of the last segment lost or damaged: a whole prefix is left, and the log goes on (seed %i)',
  async seed => {
    const { logs, log, model } = await fill(seed)
    logs.time.endTurn()
    const files = logs.files.afterKill()
    const path = `${log.path}/${String(log.activeSegmentOffset).padStart(20, '0')}.log`
    const file = files.open(path, 'read-write')
    const size = file.size()
    const at = model.random.below(Math.max(1, size))
    if (model.random.below(2) === 0) file.truncate(at)
    else file.write(Buffer.from([model.random.below(256)]), 0, size === 0 ? 0 : 1, at)
    file.close()
    const again = (await reopen(files)).log()
    const found = ranges(readAll(again))
    const expected = ranges(model.batches)
    // A byte of base offset or leader epoch is not covered by the checksum: the ranges may then differ in that one batch, never its size.
    expect(found.slice(0, -1)).toEqual(expected.slice(0, Math.max(0, found.length - 1)))
    const start = again.logEndOffset
    expect(
      again.appendAsLeader(buildBatch([{ timestamp: startMs, key: null, value: null }]), {
        leaderEpoch: 99,
        origin: 'client',
        apiVersion: 9,
        nowMs: startMs,
      }),
    ).toMatchObject({ ok: true, baseOffset: start })
  },
)

test.each(seeds)('log: producer state after a kill: what its batches make of it (seed %i)', async seed => {
  const { logs, log } = await fill(seed)
  logs.time.endTurn()
  const expected = producersOf(log)
  const files = logs.files.afterKill()
  expect(producersOf((await reopen(files)).log())).toEqual(expected)
  const without = logs.files.afterKill()
  for (const name of without.list(log.path)) if (name.endsWith('.snapshot')) without.remove(`${log.path}/${name}`)
  expect(producersOf((await reopen(without)).log())).toEqual(expected)
})

test.each(seeds)('log: power cut with flush.messages=1: everything announced is there (seed %i)', async seed => {
  const { logs, model } = await fill(seed, { flushMessages: 1 })
  const after = logs.files.afterPowerCut(unsynced => model.random.below(unsynced + 1))
  const found = ranges(readAll((await reopen(after)).log()))
  expect(found.slice(0, model.announced.length)).toEqual(ranges(model.announced))
})

test.each(seeds)(
  'log: disk fails or is full at any operation: nothing acknowledged is lost, nothing lost is acknowledged (seed %i)',
  async seed => {
    const logs = await MemoryLogs.open({ settings, seed })
    const log = logs.log()
    const model = new Model(seed)
    let failures = 0
    log.attach({ endOffsetAdvanced: end => (model.announcedEnd = end), failed: () => failures++ })
    let operations = 10 + model.random.below(200)
    const isShort = model.random.below(2) === 0
    logs.files.onOperation = ({ kind, path, length }) => {
      if (kind === 'read' || operations-- > 0) return length
      if (isShort && kind === 'write') return Math.max(0, length - 1 - model.random.below(50))
      throw new FileSystemError({ code: 'ENOSPC', syscall: kind, path })
    }
    for (let step = 0; step < 300; step++) {
      if (model.random.below(3) === 0) logs.time.endTurn()
      else model.append(log)
    }
    await logs.time.run()
    logs.files.onOperation = null
    expect([log.isOffline, failures]).toEqual([true, 1])
    expect(log.logEndOffset).toBe(model.announcedEnd)
    const found = ranges(readAll((await reopen(logs.files.afterKill())).log()))
    expect(found.slice(0, model.announced.length)).toEqual(ranges(model.announced))
  },
)

test.each(seeds)(
  'log: fetch at every offset and lookup of every timestamp: as a scan of all batches finds them (seed %i)',
  async seed => {
    const { logs, log, model } = await fill(seed)
    logs.time.endTurn()
    for (let fetchOffset = 0; fetchOffset < log.logEndOffset; fetchOffset++) {
      const read = log.read({ fetchOffset, maxBytes: 1, endOffset: log.logEndOffset, minOneBatch: true })!
      expect(read.firstOffset).toBe(model.batches.find(({ lastOffset }) => lastOffset >= fetchOffset)!.baseOffset)
      read.release()
    }
    for (const { timestamp } of model.batches) {
      // Records of a batch are a millisecond apart; the first batch that reaches the timestamp holds the answer.
      const batch = model.batches.find(each => each.timestamp >= timestamp)!
      const count = batch.lastOffset - batch.baseOffset
      const first = batch.timestamp - count
      const offset = batch.baseOffset + Math.max(0, timestamp - first)
      expect(log.offsetForTimestamp(timestamp, log.logEndOffset)).toMatchObject({
        offset,
        timestamp: Math.max(timestamp, first),
      })
    }
    const newest = Math.max(...model.batches.map(({ timestamp }) => timestamp))
    expect(log.offsetOfMaxTimestamp()).toMatchObject({
      timestamp: newest,
      offset: model.batches.find(({ timestamp }) => timestamp === newest)!.lastOffset,
    })
    expect(log.offsetForTimestamp(newest + 1, log.logEndOffset)).toBeNull()
  },
)

test.each(seeds)(
  'log: cut anywhere: ends there, and all of it is as if the rest had never been (seed %i)',
  async seed => {
    const { logs, log, model } = await fill(seed)
    logs.time.endTurn()
    const cut = model.batches[model.random.below(model.batches.length)]!.baseOffset
    const kept = readAll(log).filter(({ lastOffset }) => lastOffset < cut)
    log.setHighWatermark(log.logEndOffset)
    log.truncateTo(cut)
    expect([log.logEndOffset, log.highWatermark]).toEqual([cut, cut])
    expect(readAll(log)).toEqual(kept)
    expect(log.leaderEpochs.entries.every(({ startOffset }) => startOffset < cut)).toBe(true)
    const reopened = (await reopen(logs.files.afterKill())).log()
    expect(readAll(reopened)).toEqual(kept)
    expect(producersOf(reopened)).toEqual(producersOf(log))
  },
)

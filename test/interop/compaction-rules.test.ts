import { afterAll, expect, jest, test } from '@jest/globals'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { BatchCursor } from '@millrace/protocol/records/batch-cursor'
import { buildMessageSet } from '@millrace/protocol/records/message-set-builder'
import { messageTimestampAt, readMessage } from '@millrace/protocol/records/message-set'
import { RecordBatch, TimestampType, baseOffsetAt } from '@millrace/protocol/records/record-batch'
import { readRecords } from '@millrace/protocol/records/record'
import type { ReadRecord } from '@millrace/protocol/records/record'
import { encodeOffsetCheckpoint } from '@millrace/protocol/storage/checkpoint'
import { fileName } from '@millrace/protocol/storage/file-names'
import { decodeTransactionIndex } from '@millrace/protocol/storage/transaction-index'
import { CompactedLogModel } from '@millrace/testing/world/compacted-log-model'
import { MemoryFiles } from '@millrace/testing/world/memory-files'
import { MemoryLogs } from '@millrace/testing/world/memory-logs'
import { SeededRandom } from '@millrace/testing/world/seeded-random'
import { describeWith } from '../oracles/describe-with.ts'
import { javaSource } from '../oracles/kafka.ts'

jest.setTimeout(120_000)
const hour = 3_600_000
const folder = mkdtempSync(join(tmpdir(), 'millrace-compaction-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const topic = {
  segmentBytes: 1500,
  indexIntervalBytes: 200,
  cleanupPolicy: { delete: false, compact: true },
  minCleanableDirtyRatio: 0,
  deleteRetentionMs: hour,
  fileDeleteDelayMs: 0,
}
const topicOfKafka =
  'segment.bytes=1500,index.interval.bytes=200,cleanup.policy=compact,delete.retention.ms=3600000,file.delete.delay.ms=0'

interface Case {
  readonly name: string
  /** As an orderly stop left it. */
  readonly files: MemoryFiles
  readonly nowMs: number
  readonly cleanedOffset: number
  readonly dedupeBytes: number
  readonly ioBytes: number
}

/** A random history, written and compacted in turn; the last part waits to be compacted. */
async function historyOf(seed: number): Promise<Case> {
  // Where a map without room stops amid transactions, Kafka takes committed records for aborted (it announces transactions whose marker it does
  // not read) and keeps what they replace for another time: harmless, and not worth imitating.
  const isTight = seed % 3 === 0
  const model = new CompactedLogModel(seed, 0, { hasTransactions: !isTight })
  const { random } = model
  const ioBytes = 4096 + random.below(100_000)
  const dedupeBytes = isTight ? 600 : 1_000_000
  const logs = await MemoryLogs.open({
    settings: topic,
    seed,
    cleaner: { ioBufferBytes: ioBytes, dedupeBufferBytes: dedupeBytes },
  })
  const rounds = 1 + random.below(5)
  for (let round = 0; round < rounds; round++) {
    if (round > 0) await logs.compact()
    await logs.time.run(random.below(2 * hour))
    const log = logs.log()
    model.write(log, 20 + random.below(80), logs.time.wallMs())
    if (random.below(2) === 0) model.endTransactions(log)
    logs.time.endTurn()
    log.setHighWatermark(log.logEndOffset)
    if (random.below(2) === 0) log.roll(logs.time.wallMs())
  }
  const cleanedOffset = logs.log().compaction.cleanedOffset ?? -1
  await logs.close()
  return {
    name: `t-${seed}`,
    files: logs.files.afterKill(),
    nowMs: logs.time.wallMs(),
    cleanedOffset,
    dedupeBytes,
    ioBytes,
  }
}

/** Segments as brokers before 0.11 wrote them: messages, alone or wrapped, some without a key. */
function legacyOf(seed: number): Case {
  const random = new SeededRandom(seed)
  const files = new MemoryFiles()
  files.makeDirectory('/data/topic-0')
  const nowMs = new MemoryLogs().time.wallMs()
  let offset = 0
  for (let segment = 0; segment < 6; segment++) {
    const magic = (segment % 2) as 0 | 1
    const first = offset
    const sets: Buffer[] = []
    for (let set = 0; set < 6; set++) {
      const messages = Array.from({ length: 1 + random.below(6) }, () => ({
        offset: offset++,
        timestamp: nowMs - 1000 + offset,
        key: random.below(10) === 0 ? null : Buffer.from(`key-${random.below(12)}`),
        value: random.below(4) === 0 ? null : Buffer.from(`value ${random.uint32()}`),
      }))
      const codec = (['none', 'gzip', 'snappy', 'lz4'] as const)[random.below(4)]!
      const timestampType =
        random.below(3) === 0 && codec !== 'none' ? TimestampType.LogAppendTime : TimestampType.CreateTime
      sets.push(buildMessageSet(messages, { magic, codec, timestampType }))
    }
    const path = `/data/topic-0/${fileName(first, '.log')}`
    // Old enough, for the first ones, that their tombstones go.
    files.nowMs = nowMs - (6 - segment) * hour
    const file = files.open(path, 'create')
    const bytes = Buffer.concat(sets)
    file.write(bytes, 0, bytes.length, 0)
    file.close()
  }
  files.nowMs = nowMs
  // Two segments are clean already: their age is what tombstones are judged by.
  const cleanedOffset = parseInt(files.list('/data/topic-0')[3]!, 10)
  files.replaceFile('/data/.kafka_cleanshutdown', Buffer.from('{"version":0,"brokerEpoch":-1}'))
  files.replaceFile(
    '/data/cleaner-offset-checkpoint',
    encodeOffsetCheckpoint([{ topic: 'topic', partition: 0, offset: cleanedOffset }]),
  )
  return { name: `legacy-${seed}`, files, nowMs, cleanedOffset, dedupeBytes: 1_000_000, ioBytes: 4096 }
}

interface Outcome {
  /** Where the first compaction began, where it could have ended, where the last one ended; empty when there was nothing to do. */
  readonly range: readonly number[]
  readonly segments: Record<string, unknown>
}

/** What our cleaner makes of it. */
async function cleanedByUs(which: Case): Promise<Outcome> {
  const files = which.files.afterKill()
  const logs = await MemoryLogs.open({
    files,
    settings: topic,
    cleaner: { ioBufferBytes: which.ioBytes, dedupeBufferBytes: which.dedupeBytes },
  })
  await logs.time.run(which.nowMs - logs.time.wallMs())
  const log = logs.log()
  log.setHighWatermark(log.logEndOffset)
  const first = log.compaction.range(which.nowMs)
  await logs.compact()
  expect(logs.directories.cleaner!.isUncleanable(log.compaction)).toBe(false)
  const isDue = first?.isDue === true
  const outcome = {
    range: isDue ? [first.firstDirtyOffset, first.firstUncleanableOffset, log.compaction.cleanedOffset!] : [],
    segments: segmentsIn(files.list('/data/topic-0'), name => files.readFile(`/data/topic-0/${name}`)),
  }
  await logs.close()
  return outcome
}

function textOf({ offset, key, value, timestamp, headers }: ReadRecord): string {
  return `${offset} ${key?.toString()}=${value?.toString()} @${timestamp} ${JSON.stringify(headers)}`
}

function batchesOf(bytes: Buffer): unknown[] {
  const batches: unknown[] = []
  const cursor = new BatchCursor(bytes)
  while (cursor.next()) {
    const { position, magic } = cursor
    if (magic < 2) {
      const records = readMessage(bytes, position, 1 << 24).map(textOf)
      batches.push({
        magic,
        offset: baseOffsetAt(bytes, position),
        timestamp: messageTimestampAt(bytes, position),
        records,
      })
      continue
    }
    const batch = new RecordBatch(bytes, position)
    expect(batch.isCrcValid).toBe(true)
    batches.push({
      offsets: [batch.baseOffset, batch.lastOffset],
      attributes: batch.attributes,
      leaderEpoch: batch.partitionLeaderEpoch,
      producer: [batch.producerId, batch.producerEpoch, batch.baseSequence],
      maxTimestamp: batch.maxTimestamp,
      deleteHorizonMs: batch.deleteHorizonMs,
      records: readRecords(bytes, position, 1 << 24).map(textOf),
    })
  }
  expect(cursor.remaining).toBe(0)
  return batches
}

function segmentsIn(names: readonly string[], read: (name: string) => Buffer): Record<string, unknown> {
  const segments: Record<string, unknown> = {}
  for (const name of names) {
    if (name.endsWith('.log')) segments[name] = batchesOf(read(name))
    // Kafka leaves a file without entries behind sometimes.
    if (name.endsWith('.txnindex') && read(name).length > 0) segments[name] = decodeTransactionIndex(read(name))
  }
  return segments
}

/** Of several compactions in a row. */
const outline = (said: readonly number[]): readonly number[] =>
  said.length === 0 ? [] : [said[0]!, said[1]!, said.at(-1)!]

async function cleanedByKafka(cases: readonly Case[]): Promise<Map<string, Outcome>> {
  const lines: string[] = []
  for (const { name, files, nowMs, cleanedOffset, dedupeBytes, ioBytes } of cases) {
    const partition = join(folder, name, 'topic-0')
    for (const [path, bytes] of files.snapshot()) {
      if (!path.startsWith('/data/topic-0/')) continue
      const target = join(partition, path.slice('/data/topic-0/'.length))
      mkdirSync(dirname(target), { recursive: true })
      writeFileSync(target, bytes)
      const modified = files.stat(path)!.modifiedMs / 1000
      utimesSync(target, modified, modified)
    }
    lines.push([partition, nowMs, cleanedOffset, dedupeBytes, ioBytes, topicOfKafka].join(' '))
  }
  const { stdout } = await javaSource(join(import.meta.dirname, 'java', 'CleanLogs.java'), [], {
    input: lines.join('\n'),
  })
  const said = new Map(
    stdout
      .toString()
      .trim()
      .split('\n')
      .map(line => [line.split(' ')[0]!, line.split(' ').slice(1).map(Number)]),
  )
  return new Map(
    cases.map(({ name }) => {
      const partition = join(folder, name, 'topic-0')
      const names = readdirSync(partition).filter(each => statSync(join(partition, each)).isFile())
      return [
        name,
        {
          range: outline(said.get(partition)!),
          segments: segmentsIn(names, each => readFileSync(join(partition, each))),
        },
      ]
    }),
  )
}

describeWith(['kafka'], "compaction, beside Kafka's own cleaner", () => {
  test('the same segments, cleaned by both: the same range, batches, records, horizons and transaction indexes (48 seeds)', async () => {
    const cases: Case[] = []
    for (let seed = 1; seed <= 48; seed++) cases.push(await historyOf(seed))
    for (let seed = 1; seed <= 8; seed++) cases.push(legacyOf(seed))
    const byKafka = await cleanedByKafka(cases)
    let cleaned = 0
    for (const each of cases) {
      const ours = await cleanedByUs(each)
      const theirs = byKafka.get(each.name)!
      if (theirs.range.length > 0) cleaned++
      expect({ name: each.name, ...ours }).toEqual({ name: each.name, ...theirs })
    }
    expect(cleaned).toBeGreaterThan(40)
  })
})

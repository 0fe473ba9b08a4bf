// What compaction costs: MB of log per second of CPU, files and thread pool included, and how long it holds up the loop.
// npm run bench -- micro/compaction [--folder DIR]
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { LogDirectories } from '@millrace/broker/log/log-directories'
import type { PartitionLog } from '@millrace/broker/log/partition-log'
import type { CodecName } from '@millrace/protocol/compression/codec'
import { buildBatch } from '@millrace/protocol/records/batch-builder'
import { BufferPool } from '@millrace/runtime/buffer-pool'
import { silentLogger } from '@millrace/runtime/logger'
import { nodeWorld } from '@millrace/runtime/node/world'
import { SeededRandom } from '@millrace/testing/world/seeded-random'
import { topicSettings } from '@millrace/testing/world/topic-settings'
import { noTimers } from '@millrace/testing/data-path/no-timers'
import { sampleEvents } from './sample-events.ts'

const never = 1e9
const option = process.argv.indexOf('--folder')
const parent = option < 0 ? tmpdir() : process.argv[option + 1]!
const folder = fs.mkdtempSync(join(parent, 'millrace-compaction-bench-'))
const bufferPool = new BufferPool()
const world = nodeWorld({ bufferPool })
const settings = topicSettings({
  segmentBytes: 32 * 1024 * 1024,
  maxMessageBytes: 2_000_000,
  cleanupPolicy: { delete: false, compact: true },
  minCleanableDirtyRatio: 0,
  fileDeleteDelayMs: 0,
})
const logs = new LogDirectories({
  world,
  logger: silentLogger,
  bufferPool,
  directories: [join(folder, 'logs')],
  settingsOf: () => settings,
  ...noTimers,
  cleaner: () => ({
    threads: 1,
    dedupeBufferBytes: 134_217_728,
    ioBufferBytes: 524_288,
    loadFactor: 0.9,
    maxBytesPerSecond: Number.MAX_VALUE,
    backoffMs: never,
  }),
})
await logs.load()

interface Shape {
  readonly name: string
  readonly records: number
  readonly valueBytes: number
  readonly keys: number
  readonly codec: CodecName
  readonly bytes: number
}
const megabyte = 1024 * 1024
/** What codecs find in it is what they find in topics; one value again and again would cost them nothing. */
const text = sampleEvents(megabyte)
const only = process.argv.includes('--only') ? process.argv[process.argv.indexOf('--only') + 1]! : ''
const allShapes: readonly Shape[] = [
  {
    name: '100 x 100 B, 1 M keys',
    records: 100,
    valueBytes: 100,
    keys: 1_000_000,
    codec: 'none',
    bytes: 256 * megabyte,
  },
  { name: '100 x 100 B, 10 k keys', records: 100, valueBytes: 100, keys: 10_000, codec: 'none', bytes: 256 * megabyte },
  {
    name: '15 x 1 KiB, 100 k keys',
    records: 15,
    valueBytes: 1024,
    keys: 100_000,
    codec: 'none',
    bytes: 512 * megabyte,
  },
  { name: '1 x 100 B, 10 k keys', records: 1, valueBytes: 100, keys: 10_000, codec: 'none', bytes: 64 * megabyte },
  {
    name: '100 x 100 B lz4, 100 k keys',
    records: 100,
    valueBytes: 100,
    keys: 100_000,
    codec: 'lz4',
    bytes: 60 * megabyte,
  },
  {
    name: '100 x 100 B zstd, 100 k keys',
    records: 100,
    valueBytes: 100,
    keys: 100_000,
    codec: 'zstd',
    bytes: 60 * megabyte,
  },
  // Large batches: what is left of each takes gzip 50 ms and more.
  {
    name: '3000 x 1 KiB gzip, 30 k keys',
    records: 3000,
    valueBytes: 1024,
    keys: 30_000,
    codec: 'gzip',
    bytes: 40 * megabyte,
  },
]

const shapes = allShapes.filter(({ name }) => name.includes(only))
console.log(['shape'.padEnd(30), 'MB/CPU-s', 'MB/s', 'left MB', 'delay p99 ms', 'max ms'].join('  '))
for (const [index, shape] of shapes.entries()) {
  // Once to warm the code, then measured.
  for (const isMeasured of [false, true]) {
    const log = logs.create({ topic: `bench-${index}-${isMeasured}`, partition: 0, topicId: null, isNew: true })
    await fill(log, shape, isMeasured ? shape.bytes : shape.bytes / 8)
    const bytes = log.size
    const delay = monitorEventLoopDelay({ resolution: 1 })
    delay.enable()
    const startedMs = performance.now()
    const cpu = process.cpuUsage()
    logs.cleaner!.start()
    do await sleep(5)
    while (logs.cleaner!.runningCount > 0)
    const { user, system } = process.cpuUsage(cpu)
    const elapsedMs = performance.now() - startedMs
    delay.disable()
    if (isMeasured) {
      const column = (value: number, digits = 0): string => value.toFixed(digits).padStart(9)
      console.log(
        [
          shape.name.padEnd(30),
          column(bytes / 1e6 / ((user + system) / 1e6)),
          column(bytes / 1e6 / (elapsedMs / 1e3)),
          column(log.size / 1e6, 1),
          column(delay.percentile(99) / 1e6, 1),
          column(delay.max / 1e6, 1),
        ].join(' '),
      )
    }
    logs.delete(log.topic, 0)
    await sleep(200)
  }
}
await logs.close()
fs.rmSync(folder, { recursive: true })

async function fill(log: PartitionLog, shape: Shape, bytes: number): Promise<void> {
  const random = new SeededRandom(1)
  const nowMs = Date.now()
  const valueOf = (): Buffer => {
    const start = random.below(text.length - shape.valueBytes)
    return text.subarray(start, start + shape.valueBytes)
  }
  for (let written = 0; written < bytes;) {
    const records = Array.from({ length: shape.records }, () => ({
      timestamp: nowMs,
      key: Buffer.from(`user-${String(random.below(shape.keys)).padStart(12, '0')}`),
      value: valueOf(),
    }))
    const batch = buildBatch(records, { codec: shape.codec })
    const outcome = log.appendAsLeader(batch, { leaderEpoch: 0, origin: 'client', apiVersion: 9, nowMs })
    if (!outcome.ok) throw new Error(`refused: ${outcome.errorCode}`)
    written += batch.length
    if (written % 64 === 0) await sleep(0)
  }
  await sleep(1)
  log.setHighWatermark(log.logEndOffset)
  log.roll()
  log.flush()
}

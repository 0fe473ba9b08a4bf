/**
 * Compaction by one Millrace broker and by one Apache Kafka 3.9.1 broker in one run, on the same ZooKeeper, each pinned to core 0, in turn:
 * the same records, waiting dirty in a topic; then min.cleanable.dirty.ratio lets the cleaner at it. MB of log per second of the broker's CPU,
 * until cleaner-offset-checkpoint says that it is done. Then: p99 of produce requests with and without a compaction beside them.
 *   npm run bench -- macro/compaction [--part NAME,…] [--quick] [--only millrace|kafka]
 * Parts: distinct, repeated, large, lz4, zstd (what is compacted), latency. Each is kept in bench/results/compaction.json, so that they may be
 * run one by one; --quick and --only leave compaction-partial.json.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Kafka, logLevel } from 'kafkajs'
import { Connection } from '@millrace/client/connection/connection'
import type { CodecName } from '@millrace/protocol/compression/codec'
import { produceRequest, produceResponse } from '@millrace/protocol/messages/00-produce'
import { buildBatch } from '@millrace/protocol/records/batch-builder'
import { decodeOffsetCheckpoint } from '@millrace/protocol/storage/checkpoint'
import { nodeWorld } from '@millrace/runtime/node/world'
import { SeededRandom } from '@millrace/testing/world/seeded-random'
import { nodeFlags, root } from '../../scripts/pinned-node.js'
import { startKafka } from '../../test/oracles/kafka.ts'
import { freePorts, startProcess, untilListening } from '../../test/oracles/processes.ts'
import { setUpOracles } from '../../test/oracles/setup.ts'
import { startZooKeeper } from '../../test/oracles/zookeeper-server.ts'
import { sampleEvents } from '../micro/sample-events.ts'
import { LoadGenerator, preheatMemory, processCpuSeconds, untilQuiet, type LoadTarget } from './load-generator.ts'

const has = (flag: string): boolean => process.argv.includes(flag)
const valueOf = (flag: string): string | undefined =>
  has(flag) ? process.argv[process.argv.indexOf(flag) + 1] : undefined
const isQuick = has('--quick')
const only = valueOf('--only')
const runs = isQuick ? 1 : 3
const scale = isQuick ? 0.4 : 1
const wanted = valueOf('--part')?.split(',')
const isWanted = (part: string): boolean => wanted === undefined || wanted.includes(part)

interface Shape {
  readonly part: string
  readonly name: string
  readonly records: number
  readonly valueBytes: number
  readonly keys: number
  readonly codec: CodecName
  readonly megabytes: number
}
/** Batches of about 16 KB, as producers send them by default. */
const shapes: readonly Shape[] = [
  {
    part: 'distinct',
    name: '100 B, 1 M keys',
    records: 120,
    valueBytes: 100,
    keys: 1_000_000,
    codec: 'none',
    megabytes: 200,
  },
  {
    part: 'repeated',
    name: '100 B, 20 k keys',
    records: 120,
    valueBytes: 100,
    keys: 20_000,
    codec: 'none',
    megabytes: 200,
  },
  {
    part: 'large',
    name: '1 KiB, 100 k keys',
    records: 15,
    valueBytes: 1024,
    keys: 100_000,
    codec: 'none',
    megabytes: 300,
  },
  {
    part: 'lz4',
    name: '100 B, 100 k keys, lz4',
    records: 120,
    valueBytes: 100,
    keys: 100_000,
    codec: 'lz4',
    megabytes: 60,
  },
  {
    part: 'zstd',
    name: '100 B, 100 k keys, zstd',
    records: 120,
    valueBytes: 100,
    keys: 100_000,
    codec: 'zstd',
    megabytes: 40,
  },
]

/** The last segment is never compacted: of little data it is to be a small part. */
const segmentBytesOf = ({ megabytes }: Shape): number => (megabytes < 100 ? 4 << 20 : 32 << 20)

interface BrokerUnderTest {
  readonly name: 'millrace' | 'kafka'
  readonly port: number
  readonly pid: number
  readonly logDirs: string
  stop(): Promise<void>
}
const targetOf = ({ port, pid }: BrokerUnderTest): LoadTarget => ({ ports: [port], pids: [pid], isPinned: true })

// kafkajs arms timers with negative delays, and Node says so each time.
process.removeAllListeners('warning')
const work = mkdtempSync(join(tmpdir(), 'millrace-bench-'))
process.on('exit', () => rmSync(work, { recursive: true, force: true }))
const { transport, clock, timers } = nodeWorld()
const text = sampleEvents(1 << 20)
let topicCount = 0

const cleanerProperties = {
  'log.cleaner.backoff.ms': '200',
  'log.segment.delete.delay.ms': '1000',
  'log.cleaner.dedupe.buffer.size': '134217728',
}

async function startMillrace(zookeeper: string): Promise<BrokerUnderTest> {
  const [port = 0] = await freePorts(1)
  const logDirs = join(work, 'millrace-data')
  const config = join(work, 'millrace.properties')
  const properties = {
    'broker.id': '1',
    listeners: `PLAINTEXT://127.0.0.1:${port}`,
    'zookeeper.connect': zookeeper,
    'log.dirs': logDirs,
    ...cleanerProperties,
  }
  writeFileSync(config, Object.entries(properties).map(([key, value]) => `${key}=${value}\n`).join('')) // prettier-ignore
  const starter = join(root, 'packages', 'broker', 'dist', 'bundle', 'start.cjs')
  const running = startProcess({
    name: 'millrace',
    command: 'taskset',
    args: ['-c', '0', process.execPath, starter, config],
  })
  await untilListening(port, 20_000, running)
  return { name: 'millrace', port, pid: running.pid, logDirs, stop: () => running.stop() }
}

async function startOfKafka(zookeeper: string): Promise<BrokerUnderTest> {
  const kafka = await startKafka({
    zookeeper,
    brokerId: 1,
    java: ['-Xms1g', '-Xmx1g', '-XX:+UseG1GC'],
    taskset: '0',
    properties: cleanerProperties,
  })
  return { name: 'kafka', port: kafka.port, pid: kafka.process.pid, logDirs: kafka.logDirs, stop: () => kafka.stop() }
}

const clientOf = (broker: BrokerUnderTest): Kafka =>
  new Kafka({ brokers: [`127.0.0.1:${broker.port}`], logLevel: logLevel.NOTHING })

/** A topic full of records that no cleaner may touch yet, and how many bytes they are. */
async function dirtyTopic(
  broker: BrokerUnderTest,
  shape: Shape,
  megabytes: number,
): Promise<{ topic: string; bytes: number }> {
  const topic = `compacted-${topicCount++}`
  const admin = clientOf(broker).admin()
  await admin.connect()
  const configEntries = [
    { name: 'cleanup.policy', value: 'compact' },
    { name: 'min.cleanable.dirty.ratio', value: '1' },
    { name: 'segment.bytes', value: String(segmentBytesOf(shape)) },
  ]
  await admin.createTopics({
    topics: [{ topic, numPartitions: 1, replicationFactor: 1, configEntries }],
    waitForLeaders: true,
  })
  await admin.disconnect()
  const connection = await Connection.open(
    {
      host: '127.0.0.1',
      port: broker.port,
      clientId: 'bench',
      versions: 'negotiate',
      connectTimeoutMs: 5000,
      requestTimeoutMs: 30_000,
    },
    { transport, clock, timers },
  )
  let bytes = 0
  const inFlight = new Set<Promise<void>>()
  for (const batch of batchesOf(shape, megabytes)) {
    bytes += batch.length
    const sent = send(connection, topic, batch).finally(() => inFlight.delete(sent))
    inFlight.add(sent)
    if (inFlight.size >= 8) await Promise.race(inFlight)
  }
  await Promise.all(inFlight)
  await connection.close()
  return { topic, bytes }
}

/** Batches of the shape that was asked for last: making them takes longer than sending them. */
const made: { shape: Shape | null; random: SeededRandom; batches: Buffer[] } = {
  shape: null,
  random: new SeededRandom(7),
  batches: [],
}

/** The same ones each time, for both brokers. */
function* batchesOf(shape: Shape, megabytes: number): Generator<Buffer> {
  if (made.shape !== shape) Object.assign(made, { shape, random: new SeededRandom(7), batches: [] })
  let bytes = 0
  for (let index = 0; bytes < megabytes * 1e6; index++) {
    const batch = (made.batches[index] ??= batchOf(shape, made.random))
    bytes += batch.length
    yield batch
  }
}

function batchOf(shape: Shape, random: SeededRandom): Buffer {
  const timestamp = Date.now()
  const records = Array.from({ length: shape.records }, () => {
    const from = random.below(text.length - shape.valueBytes)
    return {
      timestamp,
      key: Buffer.from(`user-${String(random.below(shape.keys)).padStart(12, '0')}`),
      value: text.subarray(from, from + shape.valueBytes),
    }
  })
  return buildBatch(records, { codec: shape.codec })
}

async function send(connection: Connection, topic: string, records: Buffer): Promise<void> {
  const request = {
    transactionalId: null,
    acks: 1,
    timeoutMs: 10_000,
    topicData: [{ name: topic, partitionData: [{ index: 0, records }] }],
  }
  const { responses } = await connection.request(produceRequest, produceResponse, request)
  const { errorCode } = responses[0]!.partitionResponses[0]!
  if (errorCode !== 0) throw new Error(`refused with ${errorCode}`)
}

async function letClean(broker: BrokerUnderTest, topic: string, shape: Shape): Promise<void> {
  const admin = clientOf(broker).admin()
  await admin.connect()
  // RESOURCE_TYPES.TOPIC is 2; AlterConfigs names all that is to stay.
  const configEntries = [
    { name: 'cleanup.policy', value: 'compact' },
    { name: 'min.cleanable.dirty.ratio', value: '0.001' },
    { name: 'segment.bytes', value: String(segmentBytesOf(shape)) },
  ]
  await admin.alterConfigs({ validateOnly: false, resources: [{ type: 2, name: topic, configEntries }] })
  await admin.disconnect()
}

/** How far the topic is compacted, as the broker's checkpoint says; 0 for not at all. */
function cleanedOffset(broker: BrokerUnderTest, topic: string): number {
  const path = join(broker.logDirs, 'cleaner-offset-checkpoint')
  if (!existsSync(path)) return 0
  return decodeOffsetCheckpoint(readFileSync(path)).find(entry => entry.topic === topic)?.offset ?? 0
}

async function remove(broker: BrokerUnderTest, topic: string): Promise<void> {
  const admin = clientOf(broker).admin()
  await admin.connect()
  await admin.deleteTopics({ topics: [topic] })
  await admin.disconnect()
  await sleep(1500)
}

interface Rates {
  /** MB of dirty log per second of the broker's CPU. */
  readonly perCpu: number
  readonly perSecond: number
}

/** Compactions of a part of it, until one brings nothing better: compilers take their time. */
async function warm(broker: BrokerUnderTest, shape: Shape): Promise<number> {
  let best = 0
  let runsDone = 0
  for (let stale = 0; stale < 1 && runsDone < 6; runsDone++) {
    const { perCpu } = await measure(broker, shape, shape.megabytes * 0.5)
    if (perCpu > best * 1.03) {
      best = perCpu
      stale = 0
    } else stale++
  }
  return runsDone
}

async function measure(broker: BrokerUnderTest, shape: Shape, megabytes: number): Promise<Rates> {
  const { topic, bytes } = await dirtyTopic(broker, shape, megabytes)
  await sleep(500)
  await untilQuiet(isQuick ? 2 : 10)
  preheatMemory(work, 2 * megabytes)
  const idleFrom = processCpuSeconds(broker.pid)
  await sleep(1000)
  const idlePerSecond = processCpuSeconds(broker.pid) - idleFrom
  const fromMs = performance.now()
  const from = processCpuSeconds(broker.pid)
  await letClean(broker, topic, shape)
  while (cleanedOffset(broker, topic) === 0) {
    if (performance.now() - fromMs > 120_000) throw new Error(`${broker.name} does not clean ${topic}`)
    await sleep(20)
  }
  const seconds = (performance.now() - fromMs) / 1000
  const cpu = processCpuSeconds(broker.pid) - from - idlePerSecond * seconds
  await remove(broker, topic)
  return { perCpu: bytes / 1e6 / cpu, perSecond: bytes / 1e6 / seconds }
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN

/** p99 of single-record requests on 16 connections, with and without a compaction beside them. */
async function latencies(broker: BrokerUnderTest, generator: LoadGenerator) {
  const admin = clientOf(broker).admin()
  await admin.connect()
  await admin.createTopics({
    topics: [{ topic: 'load', numPartitions: 4, replicationFactor: 1 }],
    waitForLeaders: true,
  })
  const p99 = { alone: [] as number[], beside: [] as number[] }
  const rates = { alone: [] as number[], beside: [] as number[] }
  const shape = shapes[0]!
  const args = ['16', '1', '1', '100', isQuick ? '2' : '3', 'load', '4']
  for (let run = 0; run < runs; run++) {
    const { topic } = await dirtyTopic(broker, shape, 400)
    await untilQuiet(isQuick ? 2 : 10)
    preheatMemory(work, 1000)
    const alone = await generator.run('produce', targetOf(broker), args)
    preheatMemory(work, 1000)
    await letClean(broker, topic, shape)
    await sleep(500)
    const beside = await generator.run('produce', targetOf(broker), args)
    if (cleanedOffset(broker, topic) > 0)
      console.log(`${broker.name}: the compaction ended before the load: too little to clean`)
    p99.alone.push(alone.p99Micros!)
    p99.beside.push(beside.p99Micros!)
    rates.alone.push(alone.requestsPerSecond!)
    rates.beside.push(beside.requestsPerSecond!)
    for (const untilMs = Date.now() + 60_000; cleanedOffset(broker, topic) === 0 && Date.now() < untilMs;)
      await sleep(50)
    await remove(broker, topic)
  }
  await admin.deleteTopics({ topics: ['load'] })
  await admin.disconnect()
  return {
    p99AloneMicros: median(p99.alone),
    p99BesideMicros: median(p99.beside),
    requestsPerSecondAlone: median(rates.alone),
    requestsPerSecondBeside: median(rates.beside),
  }
}

if (!has('--no-bundle'))
  execFileSync(process.execPath, [...nodeFlags, join(root, 'scripts', 'build.ts'), 'bundle'], { stdio: 'inherit' })
setUpOracles()
const zookeeper = await startZooKeeper()
const brokers: BrokerUnderTest[] = []
if (only !== 'millrace') brokers.push(await startOfKafka(`${zookeeper.connectString}/kafka`))
if (only !== 'kafka') brokers.push(await startMillrace(`${zookeeper.connectString}/millrace`))
const folder = join(root, 'bench', 'results')
mkdirSync(folder, { recursive: true })
const file = join(folder, `compaction${isQuick || only !== undefined ? '-partial' : ''}.json`)
const report = (existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}) as Record<string, unknown>
Object.assign(report, { node: process.version, kafka: '3.9.1' })
const keep = (part: string, results: object): void => {
  report[part] = { ...results, date: new Date().toISOString() }
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`)
}
try {
  console.log(
    '| compaction, MB per CPU-second | Millrace | Kafka | ratio | MB/s: Millrace | Kafka |\n|---|---|---|---|---|---|',
  )
  for (const shape of shapes.filter(({ part }) => isWanted(part))) {
    const results: Record<BrokerUnderTest['name'], Rates[]> = { millrace: [], kafka: [] }
    const warmUpRuns: Record<string, number> = {}
    for (const broker of brokers) warmUpRuns[broker.name] = await warm(broker, shape)
    for (let run = 0; run < runs; run++)
      for (const broker of brokers) results[broker.name].push(await measure(broker, shape, shape.megabytes * scale))
    const ours = median(results.millrace.map(({ perCpu }) => perCpu))
    const theirs = Math.max(...results.kafka.map(({ perCpu }) => perCpu))
    const cells = [shape.name, ours.toFixed(0), theirs.toFixed(0), (ours / theirs).toFixed(2)]
    cells.push(
      median(results.millrace.map(({ perSecond }) => perSecond)).toFixed(0),
      Math.max(...results.kafka.map(({ perSecond }) => perSecond)).toFixed(0),
    )
    const row = `| ${cells.join(' | ')} |`
    console.log(row)
    keep(shape.part, { ...results, warmUpRuns, row })
  }
  if (isWanted('latency')) {
    const generator = new LoadGenerator(work)
    const found = { ...(report['latency'] as Record<string, unknown> | undefined) }
    // Ours first: that is what the goal is about.
    for (const broker of brokers.toReversed()) {
      const each = await latencies(broker, generator)
      const factor = each['p99BesideMicros'] / each['p99AloneMicros']
      found[broker.name] = { date: new Date().toISOString(), ...each, factor }
      console.log(broker.name, JSON.stringify(each), `p99 x ${factor.toFixed(2)}`)
      keep('latency', found)
    }
  }
} finally {
  for (const broker of brokers) await broker.stop()
  await zookeeper.stop()
}

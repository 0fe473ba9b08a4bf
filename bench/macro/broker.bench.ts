/**
 * One Millrace broker and one Apache Kafka 3.9.1 broker in one run, on the same ZooKeeper: the brokers pinned to core 0, a C load
 * generator to core 1, one load at a time, the brokers in turn, so that what else happens to the machine happens to both.
 * Kafka is warmed up for 30 s and its best of three is taken; of ours the median. Our broker is bundled afresh. Also: memory
 * at rest, and the time from spawn to the first answer.
 *   npm run bench -- macro/broker [--quick] [--only millrace|kafka|start]
 * Leaves bench/results/broker.json; a run with --quick or --only leaves bench/results/broker-partial.json.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { cpus, loadavg, release, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Kafka, logLevel } from 'kafkajs'
import { nodeFlags, root } from '../../scripts/pinned-node.js'
import { startKafka } from '../../test/oracles/kafka.ts'
import { freePorts, startProcess, untilListening } from '../../test/oracles/processes.ts'
import { setUpOracles } from '../../test/oracles/setup.ts'
import { startZooKeeper } from '../../test/oracles/zookeeper-server.ts'
import {
  LoadGenerator,
  preheatMemory,
  residentMegabytes,
  untilQuiet,
  type LoadProgram,
  type LoadResult,
  type LoadTarget,
} from './load-generator.ts'

const isQuick = process.argv.includes('--quick')
const only = process.argv.includes('--only') ? process.argv[process.argv.indexOf('--only') + 1] : undefined
const seconds = isQuick ? 1.5 : 4
const runs = isQuick ? 1 : 3
const startRuns = isQuick ? 3 : 11
const partitions = 4
const topic = 'load'
const starter = join(root, 'packages', 'broker', 'dist', 'bundle', 'start.cjs')

interface Scenario {
  readonly name: string
  readonly program: LoadProgram
  readonly args: readonly string[]
  /** Of the producer that runs first. */
  readonly fill?: readonly string[]
  /** About as much as is written. */
  readonly megabytes: number
  /** The figure to reach, in `unit`. */
  readonly target: number
  readonly unit: string
  readonly figure: (result: LoadResult) => number
  /** Plain rate, and how many times that of Kafka it should be. */
  readonly rate: (result: LoadResult) => number
  readonly ratioTarget: number
}

const produceArgs = (connections: number, depth: number, records: number, partitionCount: number): string[] =>
  [connections, depth, records, 100, seconds, topic, partitionCount].map(String)

const scenarios: readonly Scenario[] = [
  {
    name: 'produce, 1 MB batches (9,000 x 100 B), 1 connection x 4',
    program: 'produce',
    args: produceArgs(1, 4, 9000, 1),
    megabytes: 6000,
    target: 1.2,
    unit: 'GB per broker CPU-second',
    figure: result => result.megabytesPerBrokerCpuSecond / 1000,
    rate: result => result.megabytesPerSecond,
    ratioTarget: 2,
  },
  {
    name: 'produce, 100 x 100 B batches, 4 connections x 16',
    program: 'produce',
    args: produceArgs(4, 16, 100, partitions),
    megabytes: 3000,
    target: 2.5,
    unit: 'M messages/s',
    figure: result => result.messagesPerSecond / 1e6,
    rate: result => result.messagesPerSecond,
    ratioTarget: 2,
  },
  {
    name: 'produce, single records of 100 B, 16 connections x 1',
    program: 'produce',
    args: produceArgs(16, 1, 1, partitions),
    megabytes: 200,
    target: 60,
    unit: 'k requests/s',
    figure: result => result.messagesPerSecond / 1e3,
    rate: result => result.messagesPerSecond,
    ratioTarget: 1.5,
  },
  {
    name: 'fetch, 1 MiB, 4 connections, what was written last',
    program: 'fetch',
    args: ['4', String(seconds), topic, String(partitions), String(1 << 20)],
    megabytes: 100,
    // Three batches of 1 MB per partition.
    fill: ['4', '3', '9000', '100', '0', topic, String(partitions)],
    target: 2.2,
    unit: 'GB/s',
    figure: result => result.megabytesPerSecond / 1000,
    rate: result => result.megabytesPerSecond,
    ratioTarget: 2,
  },
  {
    name: 'fetch, 1 MiB, 4 connections, older data (800 MB in the page cache)',
    program: 'fetch',
    args: ['4', String(seconds), topic, String(partitions), String(1 << 20)],
    megabytes: 1500,
    fill: ['4', '200', '9000', '100', '0', topic, String(partitions)],
    target: 2.2,
    unit: 'GB/s',
    figure: result => result.megabytesPerSecond / 1000,
    rate: result => result.megabytesPerSecond,
    ratioTarget: 2,
  },
]

interface BrokerUnderTest {
  readonly port: number
  readonly pid: number
}
const targetOf = ({ port, pid }: BrokerUnderTest): LoadTarget => ({ ports: [port], pids: [pid], isPinned: true })
interface Stoppable {
  stop(): Promise<void>
}

// kafkajs arms timers with negative delays, and Node says so each time.
process.removeAllListeners('warning')
const work = mkdtempSync(join(tmpdir(), 'millrace-bench-'))
process.on('exit', () => rmSync(work, { recursive: true, force: true }))

/** Runs one scenario on a topic of its own, which is gone afterwards: files of one run must not slow the next. */
async function measure(scenario: Scenario, generator: LoadGenerator, broker: BrokerUnderTest): Promise<LoadResult> {
  const client = new Kafka({ brokers: [`127.0.0.1:${broker.port}`], logLevel: logLevel.NOTHING })
  const admin = client.admin()
  await admin.connect()
  try {
    const configEntries = [{ name: 'max.message.bytes', value: '2000000' }]
    await admin.createTopics({
      topics: [{ topic, numPartitions: partitions, configEntries }],
      waitForLeaders: true,
      timeout: 30_000,
    })
    if (scenario.fill !== undefined) await generator.run('produce', targetOf(broker), scenario.fill)
    await untilQuiet(isQuick ? 2 : 15)
    preheatMemory(work, scenario.megabytes)
    const result = await generator.run(scenario.program, targetOf(broker), scenario.args)
    if (result.errors > 0) throw new Error(`${scenario.name}: ${result.errors} requests were refused`)
    return result
  } finally {
    await admin.deleteTopics({ topics: [topic] })
    await admin.disconnect()
    await sleep(1500) // file.delete.delay.ms is 1 s here
  }
}

async function startMillrace(zookeeper: string): Promise<BrokerUnderTest & Stoppable> {
  const [port = 0] = await freePorts(1)
  const config = join(work, 'millrace.properties')
  const properties = {
    'broker.id': 1,
    listeners: `PLAINTEXT://127.0.0.1:${port}`,
    'zookeeper.connect': zookeeper,
    'log.dirs': join(work, 'millrace-data'),
    'log.segment.delete.delay.ms': 1000,
  }
  writeFileSync(config, Object.entries(properties).map(([key, value]) => `${key}=${value}\n`).join('')) // prettier-ignore
  const running = startProcess({
    name: 'millrace',
    command: 'taskset',
    args: ['-c', '0', process.execPath, starter, config],
  })
  await untilListening(port, 20_000, running)
  return { port, pid: running.pid, stop: () => running.stop() }
}

/** Milliseconds from spawn to the first ApiVersions answer: bundled broker, empty folder, embedded coordination. */
async function startUpMs(): Promise<number> {
  const [port = 0] = await freePorts(1)
  const folder = mkdtempSync(join(work, 'start-'))
  const config = join(folder, 'server.properties')
  writeFileSync(config, `broker.id=1\nlisteners=PLAINTEXT://127.0.0.1:${port}\nlog.dirs=${join(folder, 'data')}\n`)
  const fromMs = performance.now()
  const args = [starter, config, '--embedded', join(folder, 'coordination')]
  const broker = startProcess({ name: 'millrace', command: process.execPath, args })
  while (!(await answersApiVersions(port))) {
    if (broker.exited || performance.now() - fromMs > 20_000) throw new Error(`no answer:\n${broker.output()}`)
    await sleep(2)
  }
  const elapsedMs = performance.now() - fromMs
  await broker.stop()
  return elapsedMs
}

/** ApiVersions v0 with client id 'b'. */
const apiVersionsFrame = Buffer.from([0, 0, 0, 11, 0, 18, 0, 0, 0, 0, 0, 1, 0, 1, 0x62])

const answersApiVersions = (port: number): Promise<boolean> =>
  new Promise(resolve => {
    const socket = connect(port, '127.0.0.1', () => socket.write(apiVersionsFrame))
    socket.once('error', () => resolve(false)).once('close', () => resolve(false))
    socket.once('data', () => {
      socket.destroy()
      resolve(true)
    })
  })

const sorted = (values: readonly number[]): number[] => values.toSorted((a, b) => a - b)
const median = (values: readonly number[]): number => sorted(values)[values.length >> 1] ?? NaN

const report: Record<string, unknown> = {
  date: new Date().toISOString(),
  machine: `${cpus().length} x ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GB, Linux ${release()}`,
  node: process.version,
  kafka: '3.9.1',
  loadAverageBefore: loadavg().map(each => Number(each.toFixed(2))),
  secondsPerRun: seconds,
}
const table: string[] = []

type Name = 'millrace' | 'kafka'

/** Starts Kafka and warms it up: its JVM compiles what is used. */
async function startWarmKafka(zookeeper: string, generator: LoadGenerator): Promise<BrokerUnderTest & Stoppable> {
  console.log('Apache Kafka 3.9.1: starting')
  const kafka = await startKafka({
    zookeeper,
    brokerId: 1,
    java: ['-Xms1g', '-Xmx1g', '-XX:+UseG1GC'],
    taskset: '0',
    properties: { 'log.segment.delete.delay.ms': '1000', 'log.cleaner.enable': 'false' },
  })
  const broker = { port: kafka.port, pid: kafka.process.pid, stop: () => kafka.stop() }
  await sleep(2000)
  report['kafkaIdleMegabytes'] = residentMegabytes(broker.pid)
  const warmSeconds = isQuick ? 8 : 30
  console.log(`Apache Kafka 3.9.1: warming up for ${warmSeconds} s`)
  for (const until = Date.now() + warmSeconds * 1000; Date.now() < until;) {
    for (const scenario of scenarios) if (Date.now() < until) await measure(scenario, generator, broker)
  }
  return broker
}

/** Starts our broker, weighs it and warms it up. */
async function startWarmMillrace(zookeeper: string, generator: LoadGenerator): Promise<BrokerUnderTest & Stoppable> {
  console.log('Millrace: starting')
  // Twice: the first start of a fresh bundle writes V8's compile cache, as the first start after an installation does.
  await startMillrace(zookeeper).then(first => first.stop())
  const millrace = await startMillrace(zookeeper)
  await sleep(5000)
  report['idleMegabytes'] = residentMegabytes(millrace.pid)
  for (const scenario of scenarios) await measure(scenario, generator, millrace)
  return millrace
}

async function benchLoads(zookeeper: string, generator: LoadGenerator): Promise<void> {
  const brokers = new Map<Name, BrokerUnderTest & Stoppable>()
  if (only !== 'millrace') brokers.set('kafka', await startWarmKafka(`${zookeeper}/kafka`, generator))
  if (only !== 'kafka') brokers.set('millrace', await startWarmMillrace(`${zookeeper}/millrace`, generator))
  table.push(
    `| | Millrace (median of ${runs}) | to reach | | plain rate: Millrace / Kafka (best of ${runs}) | ratio | to reach | |`,
    '|---|---|---|---|---|---|---|---|',
  )
  for (const scenario of scenarios) {
    const results: Record<Name, LoadResult[]> = { millrace: [], kafka: [] }
    for (let run = 0; run < runs; run++) {
      for (const [name, broker] of brokers) results[name].push(await measure(scenario, generator, broker))
    }
    for (const name of brokers.keys()) report[`${name}: ${scenario.name}`] = results[name]
    tell(scenario, results)
  }
  report['loadedMegabytes'] = residentMegabytes(brokers.get('millrace')?.pid ?? process.pid)
  for (const broker of brokers.values()) await broker.stop()
}

function tell(scenario: Scenario, results: Record<Name, readonly LoadResult[]>): void {
  const { name, unit, target, ratioTarget } = scenario
  const isKafkaThere = results.kafka.length > 0
  const best = Math.max(...results.kafka.map(scenario.rate))
  if (isKafkaThere) {
    const figure = Math.max(...results.kafka.map(scenario.figure))
    console.log(`kafka     ${name}: ${figure.toFixed(2)} ${unit}  ${others(results.kafka)}`)
  }
  if (results.millrace.length === 0) return
  const figure = median(results.millrace.map(scenario.figure))
  const rate = median(results.millrace.map(scenario.rate))
  const rates = `${rate.toFixed(0)} / ${isKafkaThere ? best.toFixed(0) : '-'} ${rateUnit(scenario)}`
  const cells = [name, `${figure.toFixed(2)} ${unit}`, `>= ${target}`, mark(figure >= target), rates]
  if (isKafkaThere) cells.push((rate / best).toFixed(2), `>= ${ratioTarget}`, mark(rate / best >= ratioTarget))
  else cells.push('-', '', '')
  table.push(`| ${cells.join(' | ')} |`)
  console.log(`millrace  ${name}: ${figure.toFixed(2)} ${unit}, ${cells[5]} x Kafka  ${others(results.millrace)}`)
}

function tellMemory(): void {
  const idle = report['idleMegabytes'] as { all: number; anonymous: number } | undefined
  const loaded = report['loadedMegabytes'] as { all: number }
  const kafka = report['kafkaIdleMegabytes'] as { all: number } | undefined
  if (idle === undefined) return
  const text = `${idle.all.toFixed(0)} MB, ${idle.anonymous.toFixed(0)} of them anonymous`
  const more = `after all loads ${loaded.all.toFixed(0)} MB; Kafka idle ${kafka?.all.toFixed(0) ?? '-'} MB`
  table.push(`| resident memory at rest | ${text} | <= 65 | ${mark(idle.all <= 65)} | ${more} | | | |`)
}

async function benchStart(): Promise<void> {
  await startUpMs() // writes the compile cache
  const starts: number[] = []
  for (let i = 0; i < startRuns; i++) starts.push(Number((await startUpMs()).toFixed(1)))
  report['startUpMs'] = starts
  const range = `${sorted(starts)[0]!.toFixed(0)} to ${sorted(starts).at(-1)!.toFixed(0)}`
  const text = `${median(starts).toFixed(0)} ms (median of ${starts.length}; ${range})`
  table.push(`| spawn to first ApiVersions answer | ${text} | <= 100 | ${mark(median(starts) <= 100)} | | | | |`)
  console.log(`start     ${text}`)
}

const mark = (isReached: boolean): string => (isReached ? 'reached' : '**not reached**')
const rateUnit = ({ unit }: Scenario): string => (unit.includes('GB') ? 'MB/s' : 'messages/s')

/** What to know of the runs behind a figure. */
function others(results: readonly LoadResult[]): string {
  const micros = results.map(result => result.brokerCpuMicrosPerRequest ?? NaN)
  const cpu = Number.isNaN(micros[0]) ? '' : `, ${median(micros).toFixed(1)} µs of broker CPU per request`
  const p99 = results[0]?.p99Micros === undefined ? '' : `, p99 ${median(results.map(each => each.p99Micros!))} µs`
  const busy = `broker ${results.map(each => each.brokerCpu.toFixed(2)).join(' ')}`
  return `(${results.length} runs${cpu}${p99}; cores: ${busy}, others ${results.map(each => each.otherCpu).join(' ')})`
}

execFileSync(process.execPath, [...nodeFlags, join(root, 'scripts', 'build.ts'), 'bundle'], { stdio: 'inherit' })
if (only !== 'start') {
  setUpOracles()
  const generator = new LoadGenerator(work)
  const zookeeper = await startZooKeeper()
  await benchLoads(zookeeper.connectString, generator)
  tellMemory()
  await zookeeper.stop()
}
if (only === undefined || only === 'start') await benchStart()
report['table'] = table
console.log(`\n${table.join('\n')}`)
const results = join(root, 'bench', 'results')
mkdirSync(results, { recursive: true })
const file = isQuick || only !== undefined ? 'broker-partial.json' : 'broker.json'
writeFileSync(join(results, file), `${JSON.stringify(report, null, 2)}\n`)
process.exit(0)

/**
 * One Millrace broker and one Apache Kafka 3.9.1 broker, one after the other in one run: the broker pinned to core 0, a C load
 * generator to core 1, both on the same ZooKeeper. Kafka is warmed up for 30 s and its best of three is taken; of ours the
 * median. The broker is bundled afresh. Also: memory at rest, and the time from spawn to the first answer.
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
import { freePorts, startProcess, untilListening, type RunningProcess } from '../../test/oracles/processes.ts'
import { setUpOracles } from '../../test/oracles/setup.ts'
import { startZooKeeper } from '../../test/oracles/zookeeper-server.ts'
import { LoadGenerator, preheatMemory, residentMegabytes, type LoadProgram, type LoadResult } from './load-generator.ts'

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
  /** About as much as it writes. */
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
    name: 'fetch, 1 MiB, 4 connections',
    program: 'fetch',
    args: ['4', String(seconds), topic, String(partitions), String(1 << 20)],
    megabytes: 1500,
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
    preheatMemory(work, scenario.megabytes)
    if (scenario.program === 'fetch') {
      await generator.run('produce', broker, ['4', '2', '9000', '100', '0.5', topic, String(partitions)])
    }
    const result = await generator.run(scenario.program, broker, scenario.args)
    if (result.errors > 0) throw new Error(`${scenario.name}: ${result.errors} requests were refused`)
    return result
  } finally {
    await admin.deleteTopics({ topics: [topic] })
    await admin.disconnect()
    await sleep(1500) // file.delete.delay.ms is 1 s here
  }
}

/** As often as asked, and up to twice more for runs that the rest of the machine disturbed. */
async function measureAll(
  scenario: Scenario,
  generator: LoadGenerator,
  broker: BrokerUnderTest,
): Promise<LoadResult[]> {
  const quiet: LoadResult[] = []
  const noisy: LoadResult[] = []
  while (quiet.length < runs && quiet.length + noisy.length < runs + (isQuick ? 0 : 2)) {
    const result = await measure(scenario, generator, broker)
    ;(result.otherCpu > 0.25 ? noisy : quiet).push(result)
  }
  return quiet.length > 0 ? quiet : noisy
}

async function startMillrace(zookeeper: string): Promise<BrokerUnderTest & { process: RunningProcess }> {
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
  return { process: running, port, pid: running.pid }
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
const kafkaBest = new Map<string, number>()

async function benchKafka(zookeeper: string, generator: LoadGenerator): Promise<void> {
  console.log('Apache Kafka 3.9.1: starting')
  const kafka = await startKafka({
    zookeeper,
    brokerId: 1,
    java: ['-Xms1g', '-Xmx1g', '-XX:+UseG1GC'],
    taskset: '0',
    properties: { 'log.segment.delete.delay.ms': '1000', 'log.cleaner.enable': 'false' },
  })
  const broker = { port: kafka.port, pid: kafka.process.pid }
  await sleep(2000)
  report['kafkaIdleMegabytes'] = residentMegabytes(broker.pid)
  const warmSeconds = isQuick ? 8 : 30
  console.log(`Apache Kafka 3.9.1: warming up for ${warmSeconds} s`)
  for (const until = Date.now() + warmSeconds * 1000; Date.now() < until;) {
    for (const scenario of scenarios) if (Date.now() < until) await measure(scenario, generator, broker)
  }
  for (const scenario of scenarios) {
    const results = await measureAll(scenario, generator, broker)
    const best = Math.max(...results.map(scenario.rate))
    kafkaBest.set(scenario.name, best)
    report[`kafka: ${scenario.name}`] = results
    const figure = Math.max(...results.map(scenario.figure))
    console.log(`kafka     ${scenario.name}: ${figure.toFixed(2)} ${scenario.unit}  ${others(results)}`)
  }
  report['kafkaLoadedMegabytes'] = residentMegabytes(broker.pid)
  await kafka.stop()
}

async function benchMillrace(zookeeper: string, generator: LoadGenerator): Promise<void> {
  console.log('Millrace: starting')
  // Twice: the first start of a fresh bundle writes V8's compile cache, as the first start after an installation does.
  await startMillrace(zookeeper).then(first => first.process.stop())
  const millrace = await startMillrace(zookeeper)
  await sleep(5000)
  const idle = residentMegabytes(millrace.pid)
  report['idleMegabytes'] = idle
  for (const scenario of scenarios) await measure(scenario, generator, millrace) // V8 compiles what is used
  table.push(
    '| | Millrace (median of 3) | to reach | | plain rate: Millrace / Kafka (best of 3) | ratio | to reach | |',
    '|---|---|---|---|---|---|---|---|',
  )
  for (const scenario of scenarios) {
    const results = await measureAll(scenario, generator, millrace)
    report[`millrace: ${scenario.name}`] = results
    const figure = median(results.map(scenario.figure))
    const rate = median(results.map(scenario.rate))
    const best = kafkaBest.get(scenario.name)
    const { name, unit, target, ratioTarget } = scenario
    const rates = `${rate.toFixed(0)} / ${best?.toFixed(0) ?? '-'} ${rateUnit(scenario)}`
    const cells = [name, `${figure.toFixed(2)} ${unit}`, `>= ${target}`, mark(figure >= target), rates]
    if (best === undefined) cells.push('-', '', '')
    else cells.push((rate / best).toFixed(2), `>= ${ratioTarget}`, mark(rate / best >= ratioTarget))
    table.push(`| ${cells.join(' | ')} |`)
    console.log(`millrace  ${name}: ${figure.toFixed(2)} ${unit}, ${cells[5]} x Kafka  ${others(results)}`)
  }
  const loaded = residentMegabytes(millrace.pid)
  report['loadedMegabytes'] = loaded
  await millrace.process.stop()
  const kafkaIdle = report['kafkaIdleMegabytes'] as { all: number } | undefined
  const text = `${idle.all.toFixed(0)} MB, ${idle.anonymous.toFixed(0)} of them anonymous`
  const rates = `after all loads ${loaded.all.toFixed(0)} MB; Kafka idle ${kafkaIdle?.all.toFixed(0) ?? '-'} MB`
  table.push(`| resident memory at rest | ${text} | <= 65 | ${mark(idle.all <= 65)} | ${rates} | | | |`)
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
  if (only !== 'millrace') await benchKafka(`${zookeeper.connectString}/kafka`, generator)
  if (only !== 'kafka') await benchMillrace(`${zookeeper.connectString}/millrace`, generator)
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

/**
 * One Millrace broker and one Apache Kafka 3.9.1 broker, one after the other in one run: the broker pinned to core 0, a C load
 * generator to core 1, both on the same ZooKeeper. Kafka is warmed up for 30 s and its best of three is taken; of ours the median.
 *   npm run bench -- macro/broker [--quick] [--only millrace|kafka]
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, unlinkSync, writeFileSync, writeSync } from 'node:fs'
import { connect } from 'node:net'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setUpOracles } from '../../test/oracles/setup.ts'
import { KafkaTool, kafkaTool, startKafka } from '../../test/oracles/kafka.ts'
import { freePorts, runProcess, startProcess, untilListening, type RunningProcess } from '../../test/oracles/processes.ts'
import { startZooKeeper } from '../../test/oracles/zookeeper-server.ts'
import { root } from '../../scripts/pinned-node.js'

const quick = process.argv.includes('--quick')
const only = process.argv.includes('--only') ? process.argv[process.argv.indexOf('--only') + 1] : undefined
const seconds = quick ? 1.5 : 3
const partitions = 4
const bundle = join(root, 'packages', 'broker', 'dist', 'bundle', 'millrace-broker.mjs')
const work = mkdtempSync(join(tmpdir(), 'millrace-bench-'))

interface Scenario {
  readonly name: string
  readonly program: 'produce' | 'fetch'
  readonly args: (topic: string) => readonly string[]
  readonly unit: string
  readonly value: (result: Result) => number
  /** Absolute figure to reach, and the ratio to Kafka of the plain rate. */
  readonly target: number
  readonly ratioTarget: number
  readonly rate: (result: Result) => number
}
type Result = Record<string, number>
const scenarios: readonly Scenario[] = [
  { name: 'produce, 1 MB batches (9,000 x 100 B), 1 connection x 4', program: 'produce', args: topic => ['1', '4', '9000', '100', String(seconds), topic, '1'], unit: 'GB per broker CPU-second', value: r => r['megabytesPerBrokerCpuSecond']! / 1000, target: 1.2, rate: r => r['megabytesPerSecond']!, ratioTarget: 2 },
  { name: 'produce, 100 x 100 B batches, 4 connections x 16', program: 'produce', args: topic => ['4', '16', '100', '100', String(seconds), topic, '4'], unit: 'M messages/s', value: r => r['messagesPerSecond']! / 1e6, target: 2.5, rate: r => r['messagesPerSecond']!, ratioTarget: 2 },
  { name: 'produce, single records of 100 B, 16 connections x 1', program: 'produce', args: topic => ['16', '1', '1', '100', String(seconds), topic, '4'], unit: 'k requests/s', value: r => r['requestsPerSecond']! / 1e3, target: 60, rate: r => r['requestsPerSecond']!, ratioTarget: 1.5 },
  { name: 'fetch, 1 MiB, 4 connections', program: 'fetch', args: topic => ['4', String(seconds), topic, '4', String(1 << 20)], unit: 'GB/s', value: r => r['megabytesPerSecond']! / 1000, target: 2.2, rate: r => r['megabytesPerSecond']!, ratioTarget: 2 },
]

function compile(program: string): string {
  const binary = join(work, program)
  execFileSync('gcc', ['-O2', '-o', binary, join(root, 'bench', 'macro', 'load', `${program}.c`)])
  return binary
}
/** Writes to never-touched guest memory run at a tenth of the speed: touch some first. */
function preheat(): void {
  const path = join(work, 'preheat')
  const block = Buffer.alloc(1 << 20, 1)
  const file = openSync(path, 'w')
  for (let i = 0; i < 3500; i++) writeSync(file, block)
  closeSync(file)
  unlinkSync(path)
}
async function load(scenario: Scenario, port: number, pid: number): Promise<Result> {
  const topic = 'load'
  await kafkaTool(KafkaTool.topics, ['--bootstrap-server', `127.0.0.1:${port}`, '--create', '--topic', topic, '--partitions', String(partitions), '--replication-factor', '1', '--config', 'max.message.bytes=2000000'])
  const program = (name: 'produce' | 'fetch', args: readonly string[]): Promise<Result> =>
    runProcess({ name, command: 'taskset', args: ['-c', '1', join(work, name), String(port), ...args, String(pid)], timeoutMs: 60_000 }).then(({ stdout }) => JSON.parse(stdout.toString()) as Result)
  if (scenario.program === 'fetch') await program('produce', ['4', '2', '9000', '100', '0.5', topic, String(partitions)])
  const result = await program(scenario.program, scenario.args(topic))
  await kafkaTool(KafkaTool.topics, ['--bootstrap-server', `127.0.0.1:${port}`, '--delete', '--topic', topic])
  await new Promise(resolve => setTimeout(resolve, 1500)) // file.delete.delay.ms is 1 s here
  return result
}
const rssMegabytes = (pid: number): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024
const anonymousMegabytes = (pid: number): number => Number(/RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024

async function runMillrace(zookeeper: string, data: string): Promise<{ process: RunningProcess; port: number }> {
  const [port = 0] = await freePorts(1)
  const config = join(work, 'millrace.properties')
  writeFileSync(config, `broker.id=1\nlisteners=PLAINTEXT://127.0.0.1:${port}\nzookeeper.connect=${zookeeper}\nlog.dirs=${data}\nlog.segment.delete.delay.ms=1000\n`)
  const process_ = startProcess({ name: 'millrace', command: 'taskset', args: ['-c', '0', process.execPath, join(root, 'packages', 'broker', 'dist', 'bundle', 'start.mjs'), config] })
  await untilListening(port, 20_000, process_)
  return { process: process_, port }
}
/** Milliseconds from spawn to the first ApiVersions answer: an empty folder, embedded coordination. */
async function startUp(): Promise<number> {
  const [port = 0] = await freePorts(1)
  const folder = mkdtempSync(join(work, 'start-'))
  const config = join(folder, 'server.properties')
  writeFileSync(config, `broker.id=1\nlisteners=PLAINTEXT://127.0.0.1:${port}\nlog.dirs=${join(folder, 'data')}\n`)
  const from = performance.now()
  const broker = startProcess({ name: 'millrace', command: process.execPath, args: [join(root, 'packages', 'broker', 'dist', 'bundle', 'start.mjs'), config, '--embedded', join(folder, 'coordination')] })
  const frame = Buffer.from([0, 0, 0, 11, 0, 18, 0, 0, 0, 0, 0, 1, 0, 1, 0x62]) // ApiVersions v0, client id 'b'
  for (;;) {
    const answered = await new Promise<boolean>(resolve => {
      const socket = connect(port, '127.0.0.1', () => socket.write(frame))
      socket.once('data', () => { socket.destroy(); resolve(true) }).once('error', () => resolve(false)).once('close', () => resolve(false))
    })
    if (answered) break
    if (broker.exited || performance.now() - from > 20_000) throw new Error(`no answer:\n${broker.output()}`)
    await new Promise(resolve => setTimeout(resolve, 1))
  }
  const elapsed = performance.now() - from
  await broker.stop()
  return elapsed
}
const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!

setUpOracles()
if (!existsSync(bundle)) spawnSync(process.execPath, ['--conditions=@millrace/source', join(root, 'scripts', 'build.ts'), 'bundle'], { stdio: 'inherit' })
compile('produce')
compile('fetch')
console.log('pre-heating memory…')
preheat()
const zookeeper = await startZooKeeper()
const report: Record<string, unknown> = { date: new Date().toISOString(), cpu: cpus()[0]?.model, node: process.version, seconds }
const kafkaBest = new Map<string, number>()
const runs = quick ? 1 : 3

if (only !== 'millrace') {
  console.log('Apache Kafka 3.9.1: starting, warming up for 30 s…')
  const kafka = await startKafka({ zookeeper: `${zookeeper.connectString}/kafka`, brokerId: 1, java: ['-Xms1g', '-Xmx1g', '-XX:+UseG1GC'], taskset: '0', properties: { 'log.segment.delete.delay.ms': '1000', 'message.max.bytes': '2000000', 'log.cleaner.enable': 'false' } })
  report['kafkaIdleRssMegabytes'] = rssMegabytes(kafka.process.pid)
  const warmUntil = Date.now() + (quick ? 5_000 : 30_000)
  while (Date.now() < warmUntil) for (const scenario of scenarios) if (Date.now() < warmUntil) await load(scenario, kafka.port, kafka.process.pid)
  for (const scenario of scenarios) {
    const results: Result[] = []
    for (let i = 0; i < runs; i++) results.push(await load(scenario, kafka.port, kafka.process.pid))
    kafkaBest.set(scenario.name, Math.max(...results.map(scenario.rate)))
    report[`kafka: ${scenario.name}`] = results
    console.log(`kafka     ${scenario.name}: best ${kafkaBest.get(scenario.name)!.toFixed(0)} (${Math.max(...results.map(scenario.value)).toFixed(2)} ${scenario.unit})`)
  }
  report['kafkaLoadedRssMegabytes'] = rssMegabytes(kafka.process.pid)
  await kafka.stop()
}
if (only !== 'kafka') {
  console.log('Millrace: starting…')
  const data = join(work, 'millrace-data')
  mkdirSync(data)
  const millrace = await runMillrace(`${zookeeper.connectString}/millrace`, data)
  await new Promise(resolve => setTimeout(resolve, 3000))
  const idle = { rss: rssMegabytes(millrace.process.pid), anonymous: anonymousMegabytes(millrace.process.pid) }
  report['idleRssMegabytes'] = idle
  const lines: string[] = ['| scenario | Millrace | to reach | Kafka 3.9.1 (best of 3) | ratio | to reach |', '|---|---|---|---|---|---|']
  for (const scenario of scenarios) await load(scenario, millrace.port, millrace.process.pid) // warm
  for (const scenario of scenarios) {
    const results: Result[] = []
    for (let i = 0; i < runs; i++) results.push(await load(scenario, millrace.port, millrace.process.pid))
    report[`millrace: ${scenario.name}`] = results
    const value = median(results.map(scenario.value))
    const rate = median(results.map(scenario.rate))
    const best = kafkaBest.get(scenario.name)
    lines.push(`| ${scenario.name} | ${value.toFixed(2)} ${scenario.unit} | ${scenario.target} | ${best === undefined ? '-' : best.toFixed(0)} vs ${rate.toFixed(0)} | ${best === undefined ? '-' : (rate / best).toFixed(2)} | ${scenario.ratioTarget} |`)
    console.log(`millrace  ${scenario.name}: ${value.toFixed(2)} ${scenario.unit}${best === undefined ? '' : `, ${(rate / best).toFixed(2)}x Kafka`} ${JSON.stringify(results[0])}`)
  }
  report['loadedRssMegabytes'] = rssMegabytes(millrace.process.pid)
  await millrace.process.stop()
  const starts: number[] = []
  for (let i = 0; i < 7; i++) starts.push(await startUp())
  report['startUpMs'] = starts
  lines.push(`| idle RSS | ${idle.rss.toFixed(0)} MB (${idle.anonymous.toFixed(0)} anonymous) | <= 65 | ${Number(report['kafkaIdleRssMegabytes'] ?? 0).toFixed(0)} MB | | |`)
  lines.push(`| spawn to first ApiVersions answer, embedded, empty folder | ${median(starts).toFixed(0)} ms (median of 7) | <= 100 | | | |`)
  console.log(`\n${lines.join('\n')}`)
  report['table'] = lines
}
await zookeeper.stop()
mkdirSync(join(root, 'bench', 'results'), { recursive: true })
writeFileSync(join(root, 'bench', 'results', 'broker.json'), `${JSON.stringify(report, null, 2)}\n`)
rmSync(work, { recursive: true, force: true })
process.exit(0)

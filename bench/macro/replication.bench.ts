/**
 * Three Millrace brokers and three of Apache Kafka 3.9.1 in one run, on the same ZooKeeper: two cores for everybody, a C load
 * generator, RF 3, acks=all, min.insync.replicas=2, one load at a time, the clusters in turn (the other one stands still), so that what else
 * happens to the machine happens to both. Both are warmed up until they do not get faster any more, two minutes at most. Of ours the median of three runs is taken, of Kafka the
 * best, which decides, and the median beside it.
 * Also: a follower that is 1 GB behind catches up, both clusters; 10,000 partitions on three brokers of ours.
 *   npm run bench -- macro/replication [--quick] [--only millrace|kafka] [--part loads|catch-up|partitions] [--load TEXT]
 * Leaves bench/results/replication.json; a run of less, or one that was ended before, leaves bench/results/replication-partial.json.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { join } from 'node:path'
import { nodeFlags, root } from '../../scripts/pinned-node.js'
import { setUpOracles } from '../../test/oracles/setup.ts'
import { startZooKeeper } from '../../test/oracles/zookeeper-server.ts'
import { LoadGenerator, residentMegabytes, workFolder, type LoadResult } from './load-generator.ts'
import { benchCatchUp, type CatchUpResult } from './catch-up.ts'
import { benchManyPartitions } from './many-partitions.ts'
import { replicatedLoads, runLoad, type ReplicatedLoad } from './replicated-loads.ts'
import { startThreeKafkas, startThreeMillraces, type ThreeBrokers } from './three-brokers.ts'
import { warmUp } from './warm-up.ts'

const option = (name: string): string | undefined =>
  process.argv.includes(name) ? process.argv[process.argv.indexOf(name) + 1] : undefined
const isQuick = process.argv.includes('--quick')
const only = option('--only')
const part = option('--part')
const runs = isQuick ? 1 : 3
const loads = replicatedLoads(isQuick ? 1.5 : 3).filter(({ name }) => name.includes(option('--load') ?? ''))

type Name = 'millrace' | 'kafka'

// kafkajs arms timers with negative delays, and Node says so each time.
process.removeAllListeners('warning')
const work = workFolder('millrace-bench')

const report: Record<string, unknown> = {
  date: new Date().toISOString(),
  machine: `${cpus().length} x ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GB, Linux ${release()}`,
  node: process.version,
  kafka: '3.9.1',
  loadAverageBefore: loadavg().map(each => Number(each.toFixed(2))),
}
const table = [
  '| | Millrace | Kafka: best | ratio | Kafka: median | ratio | to reach | |',
  '|---|---|---|---|---|---|---|---|',
]

const sorted = (values: readonly number[]): number[] => values.toSorted((a, b) => a - b)
const median = (values: readonly number[]): number => sorted(values)[values.length >> 1] ?? NaN
const mark = (isReached: boolean): string => (isReached ? 'reached' : '**not reached**')
const isWanted = (name: string): boolean => part === undefined || part === name

async function benchLoads(zookeeper: string, generator: LoadGenerator): Promise<void> {
  const clusters = new Map<Name, ThreeBrokers>()
  // Shorter than a session, for those that stand still.
  const quietSeconds = isQuick ? 1 : 4
  if (only !== 'millrace') {
    console.log('Apache Kafka 3.9.1: starting three brokers')
    const kafka = await startThreeKafkas({ zookeeper: `${zookeeper}/kafka`, work })
    clusters.set('kafka', kafka)
    console.log('Apache Kafka 3.9.1: warming up')
    report['kafka: warm-up'] = await warmUp(kafka, generator, { work, secondsMax: isQuick ? 10 : 120 })
  }
  if (only !== 'kafka') {
    console.log('Millrace: starting three brokers')
    const millrace = await startThreeMillraces({ zookeeper: `${zookeeper}/millrace`, work })
    clusters.set('millrace', millrace)
    report['millrace: warm-up'] = await warmUp(millrace, generator, { work, secondsMax: isQuick ? 1 : 120 })
  }
  for (const load of loads) {
    const results: Record<Name, LoadResult[]> = { millrace: [], kafka: [] }
    for (let run = 0; run < runs; run++) {
      for (const [name, brokers] of clusters) {
        const others = [...clusters.values()].filter(each => each !== brokers)
        results[name].push(await runLoad(load, generator, brokers, { work, quietSeconds, others }))
      }
    }
    for (const name of clusters.keys()) report[`${name}: ${load.name}`] = results[name]
    tell(load, results)
  }
  for (const [name, brokers] of clusters) report[`${name}: loadedMegabytes`] = brokers.pids.map(residentMegabytes)
  for (const brokers of clusters.values()) await brokers.stop()
}

/** The clusters one after the other, each alone on the machine. */
async function benchCatchUps(zookeeper: string, generator: LoadGenerator): Promise<void> {
  for (const partitions of [4, 1]) {
    const results = new Map<Name, CatchUpResult>()
    for (const name of ['kafka', 'millrace'] satisfies Name[]) {
      if (only !== undefined && only !== name) continue
      const place = { zookeeper: `${zookeeper}/catch-up-${name}-${partitions}`, work }
      const brokers = name === 'kafka' ? await startThreeKafkas(place) : await startThreeMillraces(place)
      const result = await benchCatchUp(brokers, generator, { work, partitions, megabytes: isQuick ? 300 : 1100 })
      console.log(`${name.padEnd(9)} catch-up, ${JSON.stringify(result)}`)
      report[`${name}: catch-up, ${partitions} partitions`] = result
      results.set(name, result)
      await brokers.stop()
    }
    const figure = (name: Name): number | undefined => results.get(name)?.megabytesPerSecond
    const [ours, theirs] = [figure('millrace'), figure('kafka')]
    if (ours === undefined) continue
    const name = `a follower catches up with ${results.get('millrace')!.megabytes} MB, ${partitions === 1 ? 'one partition' : `${partitions} partitions`}`
    const beside = theirs === undefined ? '- | -' : `${theirs} MB/s | ${(ours / theirs).toFixed(2)}`
    table.push(`| ${name} | ${ours} MB/s | ${beside} | - | - | >= 200 MB/s | ${mark(ours >= 200)} |`)
  }
}

async function benchPartitions(zookeeper: string): Promise<void> {
  console.log('10,000 partitions on three brokers')
  const brokers = await startThreeMillraces({ zookeeper: `${zookeeper}/many`, work, openFiles: 8192 })
  const result = await benchManyPartitions(brokers, { topics: 10, partitionsPerTopic: 1000 })
  report['partitions'] = result
  const row = (name: string, value: number, unit: string, target: number): void => {
    table.push(
      `| 10,000 partitions: ${name} | ${value} ${unit} | - | - | - | - | <= ${target} ${unit} | ${mark(value <= target)} |`,
    )
  }
  row('created', result.createSeconds, 's', 30)
  row('resident memory, after a record on each', Math.max(...result.residentMegabytesAfterRecords), 'MB', 400)
  row('acks=all on all of them after kill -9 of the controller', result.failoverSeconds, 's', 5)
  await brokers.stop()
}

function tell(load: ReplicatedLoad, results: Record<Name, readonly LoadResult[]>): void {
  const { name, unit, figure, target, ratioTarget, isLatency = false } = load
  const best = isLatency ? Math.min(...results.kafka.map(figure)) : Math.max(...results.kafka.map(figure))
  const middle = median(results.kafka.map(figure))
  const ours = median(results.millrace.map(figure))
  const ratio = ours / best
  const beside = `${best.toFixed(2)} (median ${middle.toFixed(2)})`
  if (results.kafka.length > 0) console.log(`kafka     ${name}: ${beside} ${unit}  ${others(results.kafka)}`)
  if (results.millrace.length === 0) return
  console.log(`millrace  ${name}: ${ours.toFixed(2)} ${unit}  ${others(results.millrace)}`)
  const cells = [name, `${ours.toFixed(2)} ${unit}`]
  for (const theirs of [best, middle]) {
    const isKnown = results.kafka.length > 0
    cells.push(isKnown ? `${theirs.toFixed(2)} ${unit}` : '-', isKnown ? (ours / theirs).toFixed(2) : '-')
  }
  if (target !== undefined) cells.push(`>= ${target} ${unit}`, mark(ours >= target))
  else if (isLatency) cells.push(`<= ${ratioTarget} x`, mark(ratio <= ratioTarget!))
  else cells.push(`>= ${ratioTarget} x`, mark(ratio >= ratioTarget!))
  table.push(`| ${cells.join(' | ')} |`)
}

/** What to know of the runs behind a figure. */
function others(results: readonly LoadResult[]): string {
  const { p50Micros, p99Micros, brokerCpuMicrosPerRequest, clientCpu } = results[results.length >> 1]!
  const cores = results.map(({ brokerCpu, otherCpu }) => `${brokerCpu.toFixed(2)}+${otherCpu}`).join(' ')
  const latency = `p50 ${p50Micros} p99 ${p99Micros} µs, ${brokerCpuMicrosPerRequest?.toFixed(1)} µs of CPU per request`
  return `(${results.length} runs, ${latency}; cores of brokers + others ${cores}, client ${clientCpu})`
}

/** After each part, so that whatever ends the run leaves what was measured. */
function save(name: string): void {
  const results = join(root, 'bench', 'results')
  mkdirSync(results, { recursive: true })
  writeFileSync(join(results, name), `${JSON.stringify({ ...report, table }, null, 2)}\n`)
}

execFileSync(process.execPath, [...nodeFlags, join(root, 'scripts', 'build.ts'), 'bundle'], { stdio: 'inherit' })
setUpOracles()
const generator = new LoadGenerator(work)
const zookeeper = await startZooKeeper()
if (isWanted('loads')) {
  await benchLoads(zookeeper.connectString, generator)
  save('replication-partial.json')
}
if (isWanted('catch-up')) {
  await benchCatchUps(zookeeper.connectString, generator)
  save('replication-partial.json')
}
if (isWanted('partitions') && only !== 'kafka') await benchPartitions(zookeeper.connectString)
const isPartial = isQuick || only !== undefined || part !== undefined || option('--load') !== undefined
save(isPartial ? 'replication-partial.json' : 'replication.json')
await zookeeper.stop()
console.log(`\n${table.join('\n')}`)
process.exit(0)

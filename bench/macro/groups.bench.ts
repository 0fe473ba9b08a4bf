/**
 * Consumer groups of bundled Millrace brokers and of Apache Kafka 3.9.1, in one run on the same ZooKeeper: all brokers pinned to
 * core 0, the load (C, bench/macro/load) to core 1, one load at a time, the brokers in turn. Kafka is warmed up first and its best
 * run is taken; of ours the median. group.initial.rebalance.delay.ms=0, otherwise default settings but for sizes.
 *   npm run bench -- macro/groups [--only commits|replicated|members|load|idle] [--quick]
 * Each part is kept in bench/results/groups.json, so that they may be run one by one; --quick leaves groups-quick.json.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, release, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { nodeFlags, root } from '../../scripts/pinned-node.js'
import { eventually, startProcess } from '../../test/oracles/processes.ts'
import { setUpOracles } from '../../test/oracles/setup.ts'
import { startZooKeeper } from '../../test/oracles/zookeeper-server.ts'
import {
  coordinatorOf,
  createTopic,
  startClusterUnderTest,
  type ClusterUnderTest,
  type Name,
} from './groups/clusters-under-test.ts'
import { collectedMegabytes } from './groups/collected-memory.ts'
import { measureLoad, type CoordinatorLoad } from './groups/coordinator-load.ts'
import { untilQuiet } from './load-generator.ts'

const isQuick = process.argv.includes('--quick')
const only = process.argv.includes('--only') ? process.argv[process.argv.indexOf('--only') + 1] : undefined
const runs = isQuick ? 1 : 3
const commitSeconds = isQuick ? 1 : 4
const warmSeconds = isQuick ? 5 : 25
const names: readonly Name[] = ['kafka', 'millrace']

process.removeAllListeners('warning')
const work = mkdtempSync(join(tmpdir(), 'millrace-groups-bench-'))
process.on('exit', () => rmSync(work, { recursive: true, force: true }))

interface Commits {
  readonly requestsPerSecond: number
  readonly brokerCpuMicrosPerRequest: number
  readonly p99Micros: number
  readonly errors: number
}
interface Rebalances {
  readonly medianMs: number
  readonly minMs: number
  readonly maxMs: number
}
interface Idle {
  readonly residentMegabytes: number
  /** Resident after the broker has collected its garbage. */
  readonly collectedMegabytes: number
  readonly brokerCpu: number
  readonly heartbeatsPerSecond: number
  readonly cpuMicrosPerHeartbeat: number
  readonly unsettled: number
}

/**
 * Runs a program of bench/macro/load on core 1 and reads the JSON that it prints. `beforeEnd` runs while its connections are still open, and adds
 * to the result.
 */
async function generate<Result>(
  program: 'commit' | 'members',
  args: readonly (string | number)[],
  beforeEnd: () => Promise<object> = () => Promise.resolve({}),
): Promise<Result> {
  const running = startProcess({
    name: program,
    command: 'taskset',
    args: ['-c', '1', join(work, program), ...args.map(String)],
    stdin: 'pipe',
  })
  await eventually(async () => running.output().endsWith('}\n') || running.exited, 180_000)
  const more = running.exited ? {} : await beforeEnd()
  running.child.stdin!.end()
  const code = await running.ended()
  if (code !== 0) throw new Error(`${program} ended with ${code}:\n${running.output()}`)
  return { ...JSON.parse(running.output()), ...more } as Result
}

const settings = {
  'group.initial.rebalance.delay.ms': '0',
  'group.min.session.timeout.ms': '500',
  'auto.create.topics.enable': 'false',
  'max.connections.per.ip': '20000',
}

const sorted = (values: readonly number[]): number[] => values.toSorted((a, b) => a - b)
const median = (values: readonly number[]): number => sorted(values)[values.length >> 1] ?? NaN
const round = (value: number): number => Number(value.toPrecision(4))
const mark = (isReached: boolean): string => (isReached ? 'reached' : '**not reached**')

/** A row of the table: of Kafka the best run, of ours the median. `isRate`: more is better. */
function compare(name: string, unit: string, isRate: boolean, results: Record<Name, readonly number[]>): string {
  const ours = median(results.millrace)
  const theirs = isRate ? Math.max(...results.kafka) : Math.min(...results.kafka)
  const ratio = isRate ? ours / theirs : theirs / ours
  const row = `| ${name} | ${round(ours)} ${unit} | ${round(theirs)} ${unit} | ${ratio.toFixed(2)} | >= 1.5 | ${mark(ratio >= 1.5)} |`
  console.log(row)
  return row
}

async function withClusters<T>(
  brokers: number,
  properties: Readonly<Record<string, string>>,
  which: readonly Name[],
  use: (clusters: readonly ClusterUnderTest[]) => Promise<T>,
): Promise<T> {
  const zookeeper = await startZooKeeper()
  const clusters: ClusterUnderTest[] = []
  try {
    for (const name of which) {
      console.log(`${name}: starting ${brokers}`)
      clusters.push(
        await startClusterUnderTest({
          ...{ name, brokers, folder: mkdtempSync(join(work, 'run-')) },
          zookeeper: `${zookeeper.connectString}/${name}`,
          properties: { ...settings, ...properties },
        }),
      )
    }
    return await use(clusters)
  } finally {
    for (const cluster of clusters) for (const index of cluster.ports.keys()) await cluster.stop(index + 1)
    await zookeeper.stop()
  }
}

/** Both kinds in turn, `runs` times, after Kafka was warmed up by the same. */
async function inTurns<Result>(
  clusters: readonly ClusterUnderTest[],
  once: (cluster: ClusterUnderTest) => Promise<Result>,
): Promise<Record<Name, Result[]>> {
  for (const cluster of clusters) {
    const endMs = Date.now() + (cluster.name === 'kafka' ? warmSeconds * 1000 : 1)
    do await once(cluster)
    while (Date.now() < endMs)
  }
  const results: Record<Name, Result[]> = { kafka: [], millrace: [] }
  for (let run = 0; run < runs; run++) {
    for (const cluster of clusters) {
      await untilQuiet(5)
      results[cluster.name].push(await once(cluster))
    }
  }
  return results
}

async function commits(brokers: number, properties: Readonly<Record<string, string>>): Promise<Part> {
  return withClusters(brokers, properties, names, async clusters => {
    const coordinators = new Map<Name, number>()
    for (const cluster of clusters) {
      await createTopic(cluster, 'c', 4)
      coordinators.set(cluster.name, await coordinatorOf(cluster, 'load-0'))
    }
    await sleep(3000)
    const results = await inTurns(clusters, async cluster => {
      const id = coordinators.get(cluster.name)!
      const args = [cluster.ports[id - 1]!, 16, 1, commitSeconds, 'c', 4, cluster.pid(id)]
      const result = await generate<Commits>('commit', args)
      if (result.errors > 0) throw new Error(`${cluster.name}: ${result.errors} commits were refused`)
      return result
    })
    const rates = (name: Name): number[] => results[name].map(each => each.requestsPerSecond)
    const title = `OffsetCommit, 16 connections x 1, replication factor ${brokers}`
    return {
      results,
      rows: [compare(title, 'requests/s', true, { kafka: rates('kafka'), millrace: rates('millrace') })],
    }
  })
}

const rebalances = [
  { mode: 'cold', title: 'join of 200 members from cold to Stable', args: [200, 7, 30_000] },
  { mode: 'leave', title: 'rebalance of 50 members, from LeaveGroup to Stable', args: [50, 20, 30_000] },
  { mode: 'expire', title: 'rebalance of 50 members, from session expiry to Stable', args: [50, 5, 600] },
] as const

async function members(): Promise<Part> {
  return withClusters(1, { 'offsets.topic.replication.factor': '1' }, names, async clusters => {
    for (const cluster of clusters) await coordinatorOf(cluster, 'cold')
    await sleep(2000)
    const all: Record<string, unknown> = {}
    const rows: string[] = []
    for (const { mode, title, args } of rebalances) {
      const once = (cluster: ClusterUnderTest): Promise<Rebalances> =>
        generate('members', [cluster.ports[0]!, mode, ...args])
      const results = await inTurns(clusters, once)
      const times = (name: Name): number[] => results[name].map(each => each.medianMs)
      rows.push(compare(title, 'ms', false, { kafka: times('kafka'), millrace: times('millrace') }))
      all[mode] = results
    }
    return { results: all, rows }
  })
}

/** 1,000,000 offsets in one partition: 10,000 groups x 100 partitions, ten to a request. */
async function load(): Promise<Part> {
  const offsetsPartitions = 5
  const properties = {
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': String(offsetsPartitions),
  }
  return withClusters(1, properties, names, async clusters => {
    const results: Record<Name, CoordinatorLoad[]> = { kafka: [], millrace: [] }
    const groupCount = isQuick ? 1_000 : 10_000
    for (const cluster of clusters) {
      await createTopic(cluster, 'c', 100)
      await coordinatorOf(cluster, 'fill')
      await sleep(2000)
      console.log(`${cluster.name}: committing ${groupCount * 100} offsets`)
      const args = [cluster.ports[0]!, 16, 1, 0, 'c', 100, cluster.pid(1), groupCount, 10, offsetsPartitions]
      await generate('commit', args)
    }
    for (let run = 0; run < runs; run++) {
      for (const cluster of clusters) {
        await untilQuiet(5)
        results[cluster.name].push(await measureLoad(cluster, offsetsPartitions, groupCount))
      }
    }
    const times = (name: Name): number[] => results[name].map(each => each.loadMs)
    const ours = median(times('millrace'))
    const delayMs = median(results.millrace.map(each => each.heartbeatP99Ms))
    const theirDelayMs = Math.min(...results.kafka.map(each => each.heartbeatP99Ms))
    const rows = [
      compare('load of 1,000,000 offsets', 'ms', false, { kafka: times('kafka'), millrace: times('millrace') }),
      `| the same, at most | ${round(ours)} ms | | | <= 2000 ms | ${mark(ours <= 2000)} |`,
      `| heartbeats of another group meanwhile, p99 | ${round(delayMs)} ms | ${round(theirDelayMs)} ms | | <= 50 ms | ${mark(delayMs <= 50)} |`,
    ]
    console.log(rows.slice(1).join('\n'))
    return { results, rows }
  })
}

/** Members that only send heartbeats, beside as many connections that ask for something else as often, and beside a C program that only answers. */
async function idle(): Promise<Part> {
  const count = isQuick ? 1_000 : 10_000
  const args = [count, isQuick ? 5 : 15, 45_000]
  const more = [100, 3_000]
  const once = (mode: 'open' | 'idle'): Promise<Idle> =>
    withClusters(1, { 'offsets.topic.replication.factor': '1' }, ['millrace'], async ([cluster]) => {
      await coordinatorOf(cluster!, 'idle')
      await sleep(2000)
      const pid = cluster!.pid(1)
      const { members: _, ...result } = await generate<Idle & { members: number }>(
        'members',
        [cluster!.ports[0]!, mode, ...args, pid, ...more],
        () => collectedMegabytes(pid),
      )
      return result
    })
  const echo = startProcess({ name: 'echo', command: 'taskset', args: ['-c', '0', join(work, 'echo')] })
  await eventually(async () => echo.output().endsWith('\n'))
  const floor = await generate<Idle>('members', [Number(echo.output()), 'echo', ...args, echo.pid, ...more])
  await echo.stop()
  const connections = await once('open')
  const idlers = await once('idle')
  if (idlers.unsettled > 0) throw new Error(`${idlers.unsettled} members are out of their groups`)
  const megabytes = idlers.collectedMegabytes - connections.collectedMegabytes
  const percent = (each: Idle): string => `${round(each.brokerCpu * 100)} %`
  const beats = `${idlers.heartbeatsPerSecond} heartbeats/s`
  const rows = [
    `| ${count} idle members beyond their connections | ${round(megabytes)} MB | | | <= 20 MB | ${mark(megabytes <= 20)} |`,
    `| ${beats} of a core (ApiVersions as often: ${percent(connections)}; a C program that only answers: ${percent(floor)}) | ${percent(idlers)} | | | <= 5 % | ${mark(idlers.brokerCpu <= 0.05)} |`,
  ]
  console.log(rows.join('\n'))
  return { results: { floor, connections, idlers }, rows }
}

interface Part {
  readonly results: unknown
  readonly rows: readonly string[]
}
const parts: Readonly<Record<string, () => Promise<Part>>> = {
  commits: () => commits(1, { 'offsets.topic.replication.factor': '1' }),
  replicated: () => commits(3, { 'offsets.topic.replication.factor': '3', 'offsets.topic.num.partitions': '1' }),
  members,
  load,
  idle,
}

execFileSync(process.execPath, [...nodeFlags, join(root, 'scripts', 'build.ts'), 'bundle'], { stdio: 'inherit' })
setUpOracles()
for (const program of ['commit', 'members', 'echo']) {
  const source = join(root, 'bench', 'macro', 'load', `${program}.c`)
  execFileSync('gcc', ['-O2', '-Wall', '-o', join(work, program), source])
}
const folder = join(root, 'bench', 'results')
mkdirSync(folder, { recursive: true })
const file = join(folder, isQuick ? 'groups-quick.json' : 'groups.json')
const report = (existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}) as Record<string, unknown>
for (const [name, run] of Object.entries(parts)) {
  if (only !== undefined && only !== name) continue
  const loadAverageBefore = loadavg().map(each => Number(each.toFixed(2)))
  console.log(`\n# ${name} (load average ${loadAverageBefore.join(' ')})`)
  const part = await run()
  report['machine'] =
    `${cpus().length} x ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GB, Linux ${release()}`
  Object.assign(report, { node: process.version, kafka: '3.9.1' })
  report[name] = { date: new Date().toISOString(), loadAverageBefore, ...part }
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`)
}
process.exit(0)

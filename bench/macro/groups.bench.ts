/**
 * Consumer groups of bundled Millrace brokers and of Apache Kafka 3.9.1, in one run on the same ZooKeeper: all brokers pinned to
 * core 0, the load (C, bench/macro/load) to core 1, one load at a time, the brokers in turn. Each is warmed up first until it gets no
 * faster; of Kafka the best run is taken, of ours the median. group.initial.rebalance.delay.ms=0, otherwise default settings but for sizes.
 *   npm run bench -- macro/groups [--part commits|replicated|join|leave|expire|load|idle] [--quick]
 * --alone: load without Kafka, which takes 13 s each time. Each part is kept in bench/results/groups.json, so that they may be run
 * one by one; --quick leaves groups-quick.json.
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
import { measureLoad, type CoordinatorLoad } from './groups/coordinator-load.ts'
import { measureEcho, measureIdleMembers, type IdleCost } from './groups/idle-members.ts'
import { inTurns } from './groups/in-turns.ts'
import { untilQuiet } from './load-generator.ts'

const isQuick = process.argv.includes('--quick')
const only = process.argv.includes('--part') ? process.argv[process.argv.indexOf('--part') + 1] : undefined
const runs = isQuick ? 1 : 3
const commitSeconds = isQuick ? 1 : 4
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
/** Runs a program of bench/macro/load on core 1 and reads the JSON that it prints. */
async function generate<Result>(program: 'commit' | 'members', args: readonly (string | number)[]): Promise<Result> {
  const running = startProcess({
    name: program,
    command: 'taskset',
    args: ['-c', '1', join(work, program), ...args.map(String)],
  })
  const code = await running.ended()
  if (code !== 0) throw new Error(`${program} ended with ${code}:\n${running.output()}`)
  return JSON.parse(running.output()) as Result
}

const settings = {
  'group.initial.rebalance.delay.ms': '0',
  'group.min.session.timeout.ms': '500',
  'auto.create.topics.enable': 'false',
  'max.connections.per.ip': '20000',
  'socket.listen.backlog.size': '4096',
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

async function commits(brokers: number, properties: Readonly<Record<string, string>>): Promise<Part> {
  return withClusters(brokers, properties, names, async clusters => {
    const coordinators = new Map<Name, number>()
    for (const cluster of clusters) {
      await createTopic(cluster, 'c', 4)
      coordinators.set(cluster.name, await coordinatorOf(cluster, 'load-0'))
    }
    await sleep(3000)
    const once = async (cluster: ClusterUnderTest): Promise<Commits> => {
      const id = coordinators.get(cluster.name)!
      const args = [cluster.ports[id - 1]!, 16, 1, commitSeconds, 'c', 4, cluster.pid(id)]
      const result = await generate<Commits>('commit', args)
      if (result.errors > 0) throw new Error(`${cluster.name}: ${result.errors} commits were refused`)
      return result
    }
    const valueOf = ({ requestsPerSecond }: Commits): number => requestsPerSecond
    const { results, warmUp } = await inTurns(clusters, runs, { once, valueOf, isRate: true }, isQuick)
    const rates = (name: Name): number[] => results[name].map(each => each.requestsPerSecond)
    const title = `OffsetCommit, 16 connections x 1, replication factor ${brokers}`
    return {
      results: { ...results, warmUp },
      rows: [compare(title, 'requests/s', true, { kafka: rates('kafka'), millrace: rates('millrace') })],
    }
  })
}

/** Cold joins: 25 rounds, as it was once, were a third of a second, which one slow moment of the machine could fill. */
const rebalances = {
  join: { mode: 'cold', title: 'join of 200 members from cold to Stable', args: [200, 100, 30_000] },
  leave: { mode: 'leave', title: 'rebalance of 50 members, from LeaveGroup to Stable', args: [50, 200, 30_000] },
  expire: { mode: 'expire', title: 'rebalance of 50 members, from session expiry to Stable', args: [50, 7, 600] },
} as const

async function rebalance(kind: keyof typeof rebalances): Promise<Part> {
  const { mode, title, args } = rebalances[kind]
  return withClusters(1, { 'offsets.topic.replication.factor': '1' }, names, async clusters => {
    for (const cluster of clusters) await coordinatorOf(cluster, 'cold')
    await sleep(2000)
    const once = (cluster: ClusterUnderTest): Promise<Rebalances> =>
      generate('members', [cluster.ports[0]!, mode, ...args])
    const valueOf = ({ medianMs }: Rebalances): number => medianMs
    const { results, warmUp } = await inTurns(clusters, runs, { once, valueOf, isRate: false }, isQuick)
    const times = (name: Name): number[] => results[name].map(valueOf)
    const rows = [compare(title, 'ms', false, { kafka: times('kafka'), millrace: times('millrace') })]
    return { results: { ...results, warmUp }, rows }
  })
}

/** 1,000,000 offsets in one partition: 10,000 groups x 100 partitions, ten to a request. */
async function load(): Promise<Part> {
  const offsetsPartitions = 5
  const properties = {
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': String(offsetsPartitions),
  }
  const which = process.argv.includes('--alone') ? (['millrace'] as const) : names
  return withClusters(1, properties, which, async clusters => {
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
        const measured = await measureLoad(cluster, offsetsPartitions, groupCount)
        results[cluster.name].push(measured)
        console.log(`${cluster.name}: ${JSON.stringify(measured)}`)
      }
    }
    const times = (name: Name): number[] => results[name].map(each => each.loadMs)
    const ours = median(times('millrace'))
    const delayMs = median(results.millrace.map(each => each.heartbeatP99Ms))
    const theirDelayMs = Math.min(...results.kafka.map(each => each.heartbeatP99Ms))
    const rows = [
      ...(which.length > 1
        ? [compare('load of 1,000,000 offsets', 'ms', false, { kafka: times('kafka'), millrace: times('millrace') })]
        : []),
      `| load of 1,000,000 offsets, at most | ${round(ours)} ms | | | <= 2000 ms | ${mark(ours <= 2000)} |`,
      `| heartbeats of another group meanwhile, p99 | ${round(delayMs)} ms | ${round(theirDelayMs)} ms | | <= 50 ms | ${mark(delayMs <= 50)} |`,
    ]
    console.log(rows.slice(-2).join('\n'))
    return { results, rows }
  })
}

/**
 * Members that only send heartbeats, beside the same connections when they ask for something else as often, and beside programs that only answer, in C
 * and on the bare handles of Node.
 */
async function idle(): Promise<Part> {
  const count = isQuick ? 1_000 : 10_000
  const common = { program: join(work, 'members'), count, seconds: isQuick ? 5 : 20 }
  const settleSeconds = isQuick ? 3 : 20
  const floorOf = async (...command: string[]): Promise<IdleCost> => {
    const echo = startProcess({ name: 'echo', command: 'taskset', args: ['-c', '0', ...command] })
    await eventually(async () => echo.output().endsWith('\n'))
    const cost = await measureEcho({ ...common, settleSeconds: 5, port: Number(echo.output()), pid: echo.pid })
    await echo.stop()
    return cost
  }
  const floor = await floorOf(join(work, 'echo'))
  const nodeFloor = await floorOf(process.execPath, join(root, 'bench', 'macro', 'load', 'bare-node.ts'))
  const properties = { 'offsets.topic.replication.factor': '1' }
  const { before, after } = await withClusters(1, properties, ['millrace'], async ([cluster]) => {
    await coordinatorOf(cluster!, 'idle')
    await sleep(2000)
    return measureIdleMembers({ ...common, settleSeconds, port: cluster!.ports[0]!, pid: cluster!.pid(1) })
  })
  if (after.unsettled > 0) throw new Error(`${after.unsettled} members are out of their groups`)
  const resident = after.collectedMegabytes - before.collectedMegabytes
  const live = after.liveMegabytes - before.liveMegabytes
  const percent = (cost: IdleCost): string => `${round(cost.brokerCpu * 100)} %`
  const beyond = after.brokerCpu - before.brokerCpu
  const beats = `${after.requestsPerSecond} heartbeats/s of ${count} members`
  const rows = [
    `| ${count} idle members beyond their connections: live objects and buffers; resident | ${round(live)}; ${round(resident)} MB | | | <= 20 MB | ${mark(Math.max(live, resident) <= 20)} |`,
    `| ${beats}, of a core, all in all (programs that only answer: C ${percent(floor)}, Node ${percent(nodeFloor)}) | ${percent(after)} | | | <= 5 % | ${mark(after.brokerCpu <= 0.05)} |`,
    `| the same, beyond the same connections asking for ApiVersions as often (${percent(before)}) | ${round(beyond * 100)} % | | | <= 5 % | ${mark(beyond <= 0.05)} |`,
  ]
  console.log(rows.join('\n'))
  return { results: { floor, nodeFloor, before, after }, rows }
}

interface Part {
  readonly results: unknown
  readonly rows: readonly string[]
}
const parts: Readonly<Record<string, () => Promise<Part>>> = {
  commits: () => commits(1, { 'offsets.topic.replication.factor': '1' }),
  replicated: () => commits(3, { 'offsets.topic.replication.factor': '3', 'offsets.topic.num.partitions': '1' }),
  join: () => rebalance('join'),
  leave: () => rebalance('leave'),
  expire: () => rebalance('expire'),
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
if (only !== undefined && parts[only] === undefined) throw new RangeError(`no part '${only}'`)
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

/**
 * How long clients wait for a broker that is gone. Three bundled brokers (processes, default settings, min.insync.replicas=2) on a
 * ZooKeeper ensemble of three; every topic has three replicas; acks=all throughout.
 *   - kills: kill -9 of a leader, a follower, the controller, the broker that is both; from the signal until a record that was
 *     sent after it is acknowledged on every partition. Each kill is printed.
 *   - large: the same with 1,000 partitions, so as many replicas on each broker.
 *   - restart: kill -9 and start again at once: until the broker is back, and until its replicas are in sync.
 *   - rolling: SIGTERM and restart of all three, one after the other, under load: the longest time without an acknowledgement, per partition.
 *   npm run bench -- macro/failover [--only kills|large|restart|rolling] [--kills 200] [--large-kills 40] [--restarts 30] [--rounds 5]
 * Leaves bench/results/failover.json; with --only or fewer kills failover-partial.json.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, release, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { nodeFlags, root } from '../../scripts/pinned-node.js'
import { freePorts } from '../../test/oracles/processes.ts'
import { setUpOracles } from '../../test/oracles/setup.ts'
import { startZooKeeperEnsemble } from '../../test/oracles/zookeeper-server.ts'
import { BrokerProcesses } from './failover/broker-processes.ts'
import { PartitionProber, type ProbedPartition } from './failover/partition-prober.ts'

const option = (name: string): string | undefined => {
  const at = process.argv.indexOf(`--${name}`)
  return at < 0 ? undefined : process.argv[at + 1]
}
const only = option('only')
const kills = Number(option('kills') ?? 200)
const largeKills = Number(option('large-kills') ?? 40)
const restarts = Number(option('restarts') ?? 30)
const rounds = Number(option('rounds') ?? 5)
const isWhole = only === undefined && kills >= 200

const kinds = ['leader', 'follower', 'controller', 'both'] as const
type Kind = (typeof kinds)[number]
/** Longer than anybody should wait; a kill that is not over by then ends the run. */
const patienceMs = 60_000

process.removeAllListeners('warning')
const work = mkdtempSync(join(tmpdir(), 'millrace-failover-'))
process.on('exit', () => rmSync(work, { recursive: true, force: true }))

const others = (id: number): number[] => [1, 2, 3].filter(each => each !== id)
/** All preferred leaders in turn, or those of two brokers only. */
const assignments = (count: number, leaders: readonly number[]): number[][] =>
  Array.from({ length: count }, (_, i) => {
    const first = leaders[i % leaders.length]!
    const [second, third] = others(first)
    return i % 2 === 0 ? [first, second!, third!] : [first, third!, second!]
  })
const topicWithout = (id: number): string => `not-led-by-${id}`

const percentile = (values: readonly number[], share: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? NaN
}
const summary = (values: readonly number[]): { count: number; p50: number; p99: number; max: number } => ({
  count: values.length,
  p50: Math.round(percentile(values, 0.5)),
  p99: Math.round(percentile(values, 0.99)),
  max: Math.round(Math.max(...values)),
})
const show = ({ count, p50, p99, max }: ReturnType<typeof summary>): string =>
  `n=${count} p50 ${p50} ms, p99 ${p99} ms, longest ${max} ms`

const report: Record<string, unknown> = {
  date: new Date().toISOString(),
  machine: `${cpus().length} x ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GB, Linux ${release()}`,
  node: process.version,
  loadAverageBefore: loadavg().map(each => Number(each.toFixed(2))),
}

interface Kill {
  readonly kind: Kind
  readonly victim: number
  readonly ms: number
  readonly ledMs: number | null
  readonly followedMs: number | null
}

/** Milliseconds from the kill until every partition of `topic` acknowledged a record that was sent after it. */
async function killOnce(brokers: BrokerProcesses, prober: PartitionProber, kind: Kind, spread: string): Promise<Kill> {
  await prober.restore(patienceMs)
  const controller = await prober.controllerId()
  const hitsController = kind === 'controller' || kind === 'both'
  const candidates = others(controller)
  const victim = hitsController ? controller : candidates[Math.floor(Math.random() * candidates.length)]!
  const topic = kind === 'leader' || kind === 'both' ? spread : topicWithout(victim)
  const partitions = prober.partitionsOf(topic)
  const led = new Set(partitions.filter(({ leader }) => leader === victim))
  // Warm, and a little out of step with whatever is periodic.
  await Promise.all(partitions.map(partition => prober.untilAcked(partition)))
  await sleep(Math.random() * 500)
  const killedMs = brokers.kill(victim)
  const timeout = AbortSignal.timeout(patienceMs)
  const waits = await Promise.all(
    partitions.map(async partition => ({ partition, ms: (await prober.untilAcked(partition, timeout)) - killedMs })),
  )
  const longest = (of: (partition: ProbedPartition) => boolean): number | null => {
    const found = waits.filter(({ partition }) => of(partition)).map(({ ms }) => ms)
    return found.length === 0 ? null : Math.round(Math.max(...found))
  }
  await brokers.ended(victim)
  await brokers.start(victim)
  return {
    kind,
    victim,
    ms: longest(() => true) ?? NaN,
    ledMs: longest(partition => led.has(partition)),
    followedMs: longest(partition => !led.has(partition)),
  }
}

async function benchKills(brokers: BrokerProcesses, prober: PartitionProber): Promise<void> {
  await prober.createTopic('spread', assignments(12, [1, 2, 3]))
  for (const id of [1, 2, 3]) await prober.createTopic(topicWithout(id), assignments(6, others(id)))
  const done: Kill[] = []
  for (let i = 0; i < kills; i++) {
    const kill = await killOnce(brokers, prober, kinds[i % kinds.length]!, 'spread')
    done.push(kill)
    const parts = `(led ${kill.ledMs ?? '-'}, followed ${kill.followedMs ?? '-'})`
    console.log(`kill ${i + 1}/${kills}: ${kill.kind.padEnd(10)} broker ${kill.victim}: ${kill.ms} ms ${parts}`)
  }
  tell('kills', done)
}

async function benchLarge(brokers: BrokerProcesses, prober: PartitionProber): Promise<void> {
  await prober.createTopic('large', assignments(1_000, [1, 2, 3]))
  const done: Kill[] = []
  for (let i = 0; i < largeKills; i++) {
    const kill = await killOnce(brokers, prober, i % 2 === 0 ? 'leader' : 'both', 'large')
    done.push(kill)
    console.log(`large kill ${i + 1}/${largeKills}: ${kill.kind.padEnd(10)} broker ${kill.victim}: ${kill.ms} ms`)
  }
  tell('large', done)
}

function tell(name: string, done: readonly Kill[]): void {
  const all = summary(done.map(({ ms }) => ms))
  const byKind = Object.fromEntries(
    kinds
      .map(kind => [kind, done.filter(kill => kill.kind === kind).map(({ ms }) => ms)] as const)
      .filter(([, values]) => values.length > 0)
      .map(([kind, values]) => [kind, summary(values)]),
  )
  report[name] = { all, byKind, each: done }
  for (const [kind, figures] of Object.entries(byKind)) console.log(`${name}: ${kind.padEnd(10)} ${show(figures)}`)
  console.log(`${name}: all        ${show(all)}`)
}

/**
 * Kill -9 and start at once, with 30 partitions: until the process is a broker again (its former session ended, registered anew,
 * answering), and until all its replicas are in sync again.
 */
async function benchRestart(brokers: BrokerProcesses, prober: PartitionProber): Promise<void> {
  await prober.createTopic('restarted', assignments(30, [1, 2, 3]))
  const back: number[] = []
  const inSync: number[] = []
  for (let i = 0; i < restarts; i++) {
    const id = 1 + (i % 3)
    await prober.restore(patienceMs)
    await Promise.all(prober.partitionsOf('restarted').map(partition => prober.untilAcked(partition)))
    brokers.kill(id)
    await brokers.ended(id)
    const fromMs = performance.now()
    await brokers.start(id)
    while (!brokers.output(id).includes('"broker started"')) {
      if (performance.now() - fromMs > patienceMs) throw new Error(`broker ${id} did not start`)
      await sleep(2)
    }
    back.push(Math.round(performance.now() - fromMs))
    await prober.untilInSync(patienceMs)
    inSync.push(Math.round(performance.now() - fromMs))
    console.log(
      `restart ${i + 1}/${restarts}: broker ${id}: back after ${back.at(-1)} ms, in sync after ${inSync.at(-1)} ms`,
    )
  }
  report['restart'] = { back: summary(back), inSync: summary(inSync), each: { back, inSync } }
  console.log(`restart: back    ${show(summary(back))}`)
  console.log(`restart: in sync ${show(summary(inSync))}`)
}

/** The longest time without an acknowledgement, per partition and restart, while each partition is produced to all the time. */
async function benchRolling(brokers: BrokerProcesses, prober: PartitionProber): Promise<void> {
  await prober.createTopic('rolling', assignments(30, [1, 2, 3]))
  await prober.restore(patienceMs)
  const gaps: number[] = []
  const stop = new AbortController()
  const partitions = prober.partitionsOf('rolling')
  const state = partitions.map(() => ({ lastMs: performance.now(), longestMs: 0 }))
  const loads = partitions.map(async (partition, i) => {
    const own = state[i]!
    while (!stop.signal.aborted) {
      const atMs = await prober.untilAcked(partition)
      own.longestMs = Math.max(own.longestMs, atMs - own.lastMs)
      own.lastMs = atMs
      await sleep(10)
    }
  })
  for (let round = 0; round < rounds; round++) {
    for (const id of [1, 2, 3]) {
      await prober.restore(patienceMs)
      await sleep(500)
      for (const own of state) own.longestMs = 0
      await brokers.stop(id)
      await brokers.start(id)
      await prober.restore(patienceMs)
      const found = state.map(({ longestMs }) => Math.round(longestMs))
      gaps.push(...found)
      console.log(`rolling ${round + 1}/${rounds}: broker ${id}: longest gap ${Math.max(...found)} ms`)
    }
  }
  stop.abort()
  await Promise.all(loads)
  report['rolling'] = { ...summary(gaps), refusals: Object.fromEntries(prober.refusals) }
  console.log(`rolling: gap per partition and restart: ${show(summary(gaps))}`)
}

execFileSync(process.execPath, [...nodeFlags, join(root, 'scripts', 'build.ts'), 'bundle'], { stdio: 'inherit' })
setUpOracles()
const zookeeper = await startZooKeeperEnsemble(3)
const parts: readonly [string, (brokers: BrokerProcesses, prober: PartitionProber) => Promise<void>][] = [
  ['kills', benchKills],
  ['large', benchLarge],
  ['restart', benchRestart],
  ['rolling', benchRolling],
]
for (const [name, bench] of parts) {
  if (only !== undefined && only !== name) continue
  const brokers = new BrokerProcesses({
    ports: await freePorts(3),
    folder: join(work, name),
    zookeeper: `${zookeeper.connectString}/${name}`,
    // Leaders go back when this benchmark asks for it.
    properties: { 'min.insync.replicas': '2', 'auto.leader.rebalance.enable': 'false' },
  })
  await Promise.all(brokers.ids.map(id => brokers.start(id)))
  const prober = new PartitionProber(brokers.ports)
  await sleep(1_000)
  try {
    await bench(brokers, prober)
  } catch (error) {
    for (const id of brokers.ids) console.error(`--- broker ${id}\n${brokers.output(id).slice(-6_000)}`)
    throw error
  } finally {
    await prober.close()
    await brokers.stopAll()
  }
}
await zookeeper.stop()
const results = join(root, 'bench', 'results')
mkdirSync(results, { recursive: true })
writeFileSync(
  join(results, isWhole ? 'failover.json' : 'failover-partial.json'),
  `${JSON.stringify(report, null, 2)}\n`,
)
process.exit(0)

/**
 * What a move between log directories costs those who produce meanwhile, and how fast it is. One bundled broker (a process) with two log
 * directories on one disk; one topic is moved to and fro, another one is produced to: single records, acks=all, one request at a time
 * per connection, evenly spaced. Latencies from a moment before each request is due, so that a broker that stalls cannot hide it.
 *   npm run bench -- macro/log-dirs [--megabytes 1000] [--rate 1000] [--seconds 5] [--set name=value]
 * Prints; leaves bench/results/log-dirs.json.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, release, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  alterReplicaLogDirsRequest,
  alterReplicaLogDirsResponse,
} from '@millrace/protocol/messages/34-alter-replica-log-dirs'
import { describeLogDirsRequest, describeLogDirsResponse } from '@millrace/protocol/messages/35-describe-log-dirs'
import { ClusterClient } from '@millrace/testing/workload/cluster-client'
import { root } from '../../scripts/pinned-node.js'
import { startBrokerProcess, untilReady } from '../../test/interop/clusters.ts'
import { freePorts } from '../../test/oracles/processes.ts'
import { setUpOracles } from '../../test/oracles/setup.ts'
import { startZooKeeper } from '../../test/oracles/zookeeper-server.ts'

const option = (name: string, byDefault: number): number => {
  const at = process.argv.indexOf(`--${name}`)
  return at < 0 ? byDefault : Number(process.argv[at + 1])
}
const megabytes = option('megabytes', 1000)
const rate = option('rate', 1000)
const seconds = option('seconds', 5)
const connections = 4
/** `--set name=value`, for experiments. */
const overrides = Object.fromEntries(
  process.argv.flatMap((word, index) =>
    word === '--set' ? [process.argv[index + 1]!.split('=') as [string, string]] : [],
  ),
)

process.removeAllListeners('warning')
setUpOracles()
const work = mkdtempSync(join(tmpdir(), 'millrace-log-dirs-bench-'))
process.on('exit', () => rmSync(work, { recursive: true, force: true }))
const zookeeper = await startZooKeeper()
const [port = 0] = await freePorts(1)
const disks = ['a', 'b'].map(name => join(work, name))
const broker = startBrokerProcess({
  ...{ brokerId: 1, port, zookeeper: `${zookeeper.connectString}/bench`, logDirs: join(work, 'config') },
  properties: { 'log.dirs': disks.join(), 'min.insync.replicas': '1', ...overrides },
})
await untilReady([port], [broker])
const clients = Array.from({ length: connections }, () => new ClusterClient(() => [{ id: 1, port, isRunning: true }]))
const [client] = clients

/** Latencies in ms, until `isOver`. */
async function produceUntil(isOver: () => boolean): Promise<number[]> {
  const latencies: number[] = []
  const value = 'x'.repeat(100)
  await Promise.all(
    clients.map(async (each, index) => {
      const startMs = performance.now() + index / rate
      for (let count = 0; !isOver(); count++) {
        const dueMs = startMs + (count * connections * 1000) / rate
        const waitMs = dueMs - performance.now()
        if (waitMs > 0) await sleep(waitMs)
        // The timer's lateness is ours, not the broker's; a request that is late for lack of an answer is the broker's.
        const fromMs = waitMs > 0 ? performance.now() : dueMs
        await each.produce('watched', 0, [value], { brokerId: 1 })
        latencies.push(performance.now() - fromMs)
      }
    }),
  )
  return latencies
}

const percentile = (values: readonly number[], share: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return Number((sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? NaN).toFixed(2))
}
const summary = (values: readonly number[]): Record<string, number> => ({
  count: values.length,
  p50: percentile(values, 0.5),
  p99: percentile(values, 0.99),
  max: percentile(values, 1),
})

async function place(): Promise<number> {
  const request = { topics: [{ topic: 'moved', partitions: [0] }] }
  const { results } = await client!.ask(1, describeLogDirsRequest, describeLogDirsResponse, request)
  const holding = results.filter(({ topics }) => topics.length > 0)
  return holding.length === 1 ? disks.indexOf(holding[0]!.logDir) : -1
}

// The records that it makes are years old.
const configs = { 'retention.ms': '-1' }
for (const name of ['moved', 'watched']) await client!.createTopic(name, { assignments: [[1]], configs })
const mebibyte = 'x'.repeat(1_000_000)
for (let count = 0; count < megabytes; count++) await client!.produce('moved', 0, [mebibyte], { brokerId: 1 })

const runs: {
  before: Record<string, number>
  during: Record<string, number>
  seconds: number
  megabytesPerSecond: number
}[] = []
await produceUntil(endOf(2))
for (let run = 0; run < 4; run++) {
  const before = summary(await produceUntil(endOf(seconds)))
  const to = 1 - (await place())
  const startMs = performance.now()
  let endMs = 0
  const request = { dirs: [{ path: disks[to]!, topics: [{ name: 'moved', partitions: [0] }] }] }
  await client!.ask(1, alterReplicaLogDirsRequest, alterReplicaLogDirsResponse, request)
  const arrives = (async () => {
    while ((await place()) !== to) await sleep(20)
    endMs = performance.now()
  })()
  const during = summary(await produceUntil(() => endMs > 0))
  await arrives
  const took = (endMs - startMs) / 1000
  runs.push({ before, during, seconds: Number(took.toFixed(2)), megabytesPerSecond: Math.round(megabytes / took) })
  console.log(`move ${run + 1}: ${JSON.stringify(runs.at(-1))}`)
  await sleep(500)
}

await Promise.all(clients.map(each => each.close()))
await broker.stop()
await zookeeper.stop()
const report = {
  date: new Date().toISOString(),
  machine: `${cpus().length} x ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GB, Linux ${release()}`,
  node: process.version,
  loadAverageAfter: loadavg().map(each => Number(each.toFixed(2))),
  ...{ megabytes, requestsPerSecond: rate, runs },
}
mkdirSync(join(root, 'bench', 'results'), { recursive: true })
writeFileSync(join(root, 'bench', 'results', 'log-dirs.json'), `${JSON.stringify(report, null, 2)}\n`)

function endOf(forSeconds: number): () => boolean {
  const endMs = performance.now() + forSeconds * 1000
  return () => performance.now() >= endMs
}

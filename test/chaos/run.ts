import { mkdtempSync, mkdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { nodeWorld } from '@millrace/runtime/node/world'
import { ClusterClient } from '@millrace/testing/workload/cluster-client'
import { SeededRandom } from '@millrace/testing/world/seeded-random'
import { GroupWork } from '../load/group-work.ts'
import { Load } from '../load/load.ts'
import { verdictOf } from '../load/verdict.ts'
import { startIsolatedCluster, type IsolatedCluster } from '../process-cluster/isolated-cluster.ts'
import { NetworkNamespaces } from '../process-cluster/network-namespaces.ts'
import { Victims, type FaultNeed, type Stage } from './fault.ts'
import { availableFaults } from './faults/table.ts'
import type { ChaosOptions } from './options.ts'
import { planRotation, rotationMs, runRotation, type FaultSpan } from './rotation.ts'
import { addGroupVerdict, addVerdict, emptySummary, isGood, type Summary } from './summary.ts'

const partitions = 6
/** Of each of a broker's two log folders; a segment writes some 30 MB. */
const diskMegabytes = 256
/** Then everything heals and is judged: so memory is bounded by one segment, however long the run. */
const rotationsPerSegment = 4
const healWithinMs = 60_000
const createWithinMs = 30_000
/** So that the log of committed offsets is compacted all the while. */
const smallOffsetsLog = { 'offsets.topic.segment.bytes': '65536', 'log.cleaner.backoff.ms': '1000' }
/** A leader that was cut off from ZooKeeper may act for a session timeout (core/partition/leader-right.ts). */
const staleToleranceMs = 5000

/** A whole run. Resolves also when promises were broken: see `isGood`. `progress` gets a line at a time. */
export async function runChaos(options: ChaosOptions, progress: (line: string) => void): Promise<Summary> {
  const folder = options.folder === null ? mkdtempSync(join(tmpdir(), 'millrace-chaos-')) : resolve(options.folder)
  mkdirSync(folder, { recursive: true })
  const summary = emptySummary(options.seed, folder)
  const { clock } = nodeWorld()
  const startMs = clock.monotonicMs()
  const say = (line: string): void =>
    progress(`${((clock.monotonicMs() - startMs) / 1000).toFixed(1).padStart(7)} s  ${line}`)
  say(`seed ${options.seed}, everything in ${folder}`)
  const cluster = await startIsolatedCluster({ folder, network: true, diskMegabytes, properties: smallOffsetsLog })
  try {
    const have = new Set<FaultNeed>()
    if (cluster.network !== null) {
      have.add('namespaces')
      if (NetworkNamespaces.whyNoLoss() === null) have.add('packet loss')
    }
    if (cluster.disks !== null) have.add('disks')
    const kinds = options.only ?? availableFaults(have)
    const [random, groupsRandom] = [new SeededRandom(options.seed), new SeededRandom(options.seed + 1)]
    const run = new Run({ cluster, summary, say, kinds, random, groupsRandom })
    while (isGood(summary) && clock.monotonicMs() - startMs < options.minutes * 60_000) {
      const leftMs = options.minutes * 60_000 - (clock.monotonicMs() - startMs)
      await run.segment(Math.min(rotationsPerSegment, Math.max(1, Math.round(leftMs / rotationMs))))
    }
    await run.close()
  } catch (error) {
    summary.failures.push(error instanceof Error ? (error.stack ?? error.message) : String(error))
  } finally {
    await cluster.close({ keepData: !isGood(summary) || options.keep })
  }
  Object.assign(summary, { minutes: (clock.monotonicMs() - startMs) / 60_000 })
  if (isGood(summary) && options.folder === null && !options.keep) rmSync(folder, { recursive: true, force: true })
  return summary
}

interface RunParts {
  readonly cluster: IsolatedCluster
  readonly summary: Summary
  readonly random: SeededRandom
  /** Of its own: what groups do does not change what a seed plans. */
  readonly groupsRandom: SeededRandom
  readonly kinds: readonly string[]
  readonly say: (line: string) => void
}

class Run {
  private readonly parts: RunParts
  private readonly world = nodeWorld()
  private readonly victims = new Victims()
  private readonly losses = new Victims()
  private readonly client: ClusterClient
  private spans: FaultSpan[] = []

  constructor(parts: RunParts) {
    this.parts = parts
    this.client = new ClusterClient(() => this.addresses())
  }

  async close(): Promise<void> {
    await this.client.close()
  }

  /** A topic of its own, a load on it, some rotations of faults, and the verdict. */
  async segment(rotations: number): Promise<void> {
    const { cluster, summary, random, groupsRandom, kinds, say } = this.parts
    const { bootstrap } = cluster
    const topic = `chaos-${summary.segments}`
    const folder = join(cluster.folder, `segment-${summary.segments}`)
    const brokers = (): ReturnType<Run['addresses']> => this.addresses()
    this.spans = []
    await this.createTopic(topic)
    const load = new Load({ brokers, bootstrap, topic, partitions, folder })
    const groupsFolder = join(folder, 'groups')
    const work = new GroupWork({ brokers, bootstrap, topic, partitions, folder: groupsFolder, random: groupsRandom })
    load.start()
    work.start()
    for (let index = 0; index < rotations && isGood(summary); index++) {
      const plan = planRotation(random, kinds)
      say(
        plan.isCalm
          ? 'calm'
          : plan.faults.map(({ kind, afterMs }) => `${kind} in ${(afterMs / 1000).toFixed(1)} s`).join(', '),
      )
      await runRotation(this.stage(topic), plan, (kind, outcome) => this.onFault(kind, outcome))
      this.noteDeaths()
    }
    const verdict = await verdictOf({ load, brokers, topic, partitions, healWithinMs, staleToleranceMs })
    addVerdict(summary, verdict, ({ startMs, gapMs }) => this.during(startMs, startMs + gapMs))
    const acknowledged = load
      .history()
      .flatMap(each =>
        each.type === 'send' && each.result === 'ok' && each.acks === -1
          ? { partition: each.partition, value: each.value, atMs: each.endMs }
          : [],
      )
    const worked = await work.finish(acknowledged, healWithinMs).finally(() => work.close())
    addGroupVerdict(summary, worked)
    summary.segments++
    const worst = verdict.gaps.toSorted((a, b) => b.gapMs - a.gapMs)[0]!
    const gap = `longest gap ${Math.round(worst.gapMs)} ms (${this.during(worst.startMs, worst.startMs + worst.gapMs)})`
    const { violations, notes } = verdict.findings
    const found = Object.entries({ ...violations, ...notes, ...worked.findings.violations }).map(
      ([anomaly, each]) => `${anomaly} ${each.count}`,
    )
    say(
      `segment ${summary.segments}: acked ${verdict.ackedCount}, read back ${verdict.readBackCount}, processed ${worked.processedCount}, ${gap}${found.length > 0 ? `, ${found.join(', ')}` : ''}`,
    )
    if (isGood(summary)) {
      rmSync(folder, { recursive: true, force: true })
      await this.deleteTopic(topic)
    }
  }

  private addresses(): { id: number; host: string; port: number; isRunning: boolean; logDirs: readonly string[] }[] {
    return this.parts.cluster.brokers.map(({ id, host, port, isAlive, logDirs }) => ({
      id,
      host,
      port,
      isRunning: isAlive,
      logDirs,
    }))
  }

  private stage(topic: string): Stage {
    const { cluster, summary, say } = this.parts
    const { client, world, victims, losses } = this
    return {
      cluster,
      client,
      world,
      topic,
      partitions,
      victims,
      losses,
      say,
      fail: reason => void summary.failures.push(reason),
    }
  }

  private onFault(kind: string, outcome: 'begun' | 'skipped'): FaultSpan | null {
    const { summary } = this.parts
    if (outcome === 'skipped') {
      summary.faults[kind]!--
      summary.skippedFaults++
      return null
    }
    summary.faults[kind] = (summary.faults[kind] ?? 0) + 1
    const startMs = this.world.clock.monotonicMs()
    const span = { kind, startMs, endMs: Infinity }
    this.spans.push(span)
    return span
  }

  /** Faults end what they began to end: a process that is gone now ended by itself. */
  private noteDeaths(): void {
    for (const broker of this.parts.cluster.brokers) {
      if (!broker.isRunning)
        this.parts.summary.failures.push(`broker ${broker.id} ended by itself:\n${broker.output().slice(-2000)}`)
    }
  }

  private during(startMs: number, endMs: number): string {
    const under = this.spans.filter(span => span.startMs < endMs && span.endMs > startMs - 1000)
    return under.map(({ kind }) => kind).join(', ') || 'no fault'
  }

  private async createTopic(topic: string): Promise<void> {
    await this.client.until(
      `${topic} is created`,
      async () => {
        await this.client
          .createTopic(topic, { partitions, configs: { 'retention.ms': '-1' } })
          .catch((error: unknown) => {
            if (!String(error).includes('TOPIC_ALREADY_EXISTS')) throw error
          })
        return (await this.client.metadata(topic)).topics[0]?.partitions.length === partitions
      },
      createWithinMs,
    )
  }

  private async deleteTopic(topic: string): Promise<void> {
    await this.client.deleteTopic(topic)
  }
}

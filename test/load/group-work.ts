import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  checkGroupWork,
  type Commit,
  type GroupWorkFindings,
  type StoredOffset,
} from '@millrace/testing/checkers/check-group-work'
import type { AcknowledgedRecord, GroupEvent } from '@millrace/testing/checkers/group-history'
import { nodeWorld } from '@millrace/runtime/node/world'
import { BrokerLinks, type BrokerAddress } from '@millrace/testing/workload/broker-links'
import { OffsetLedger } from '@millrace/testing/workload/offset-ledger'
import type { SeededRandom } from '@millrace/testing/world/seeded-random'
import { oraclePath } from '../oracles/oracles.ts'
import { startProcess, type RunningProcess } from '../oracles/processes.ts'

export interface GroupWorkOptions {
  readonly brokers: () => readonly BrokerAddress[]
  readonly bootstrap: string
  readonly topic: string
  readonly partitions: number
  /** What each member wrote down, and said. */
  readonly folder: string
  /** Which members die or leave, and when. */
  readonly random: SeededRandom
}

export interface GroupWorkVerdict {
  readonly findings: GroupWorkFindings
  readonly processedCount: number
  readonly commitCount: number
  /** Members that were killed, and that left. */
  readonly killed: number
  readonly left: number
}

interface Member {
  readonly name: string
  readonly kind: Kind
  readonly process: RunningProcess
}

const kinds = [
  { group: 'eager', assignor: 'range' },
  { group: 'cooperative', assignor: 'cooperative-sticky' },
] as const
type Kind = (typeof kinds)[number]

const membersPerGroup = 2
const ledgerGroups = 6
const churnEveryMs = { least: 6_000, spread: 12_000 }
const awayMs = 5_000
const lookAgainMs = 1_000
const leaveWithinMs = 30_000

/**
 * Consumers at work on the topic of a load: two groups of librdkafka, whose members die and leave as they please, and groups without members
 * whose commits are counted. `finish` waits until all is processed and judges.
 */
export class GroupWork {
  readonly #options: GroupWorkOptions
  readonly #world = nodeWorld()
  readonly #links: BrokerLinks
  readonly #ledger: OffsetLedger
  readonly #ledgerGroups: readonly string[]
  readonly #commits: Commit[] = []
  readonly #deaths: GroupEvent[] = []
  #members: Member[] = []
  #started = 0
  #left = 0
  #isStopping = false
  #churning: Promise<void> = Promise.resolve()
  #wake: (() => void) | null = null

  constructor(options: GroupWorkOptions) {
    this.#options = options
    const { brokers, topic, folder } = options
    mkdirSync(folder, { recursive: true })
    const world = this.#world
    this.#links = new BrokerLinks({
      brokers,
      world,
      clientId: 'ledger',
      connectTimeoutMs: 2000,
      requestTimeoutMs: 8000,
    })
    this.#ledgerGroups = Array.from({ length: ledgerGroups }, (_, i) => `${topic}-ledger-${i}`)
    this.#ledger = new OffsetLedger({
      ...{ brokers, links: this.#links, world, topic, groups: this.#ledgerGroups, perSecond: 4 },
      record: commit => void this.#commits.push(commit),
    })
  }

  start(): void {
    for (const kind of kinds) for (let i = 0; i < membersPerGroup; i++) this.#launch(kind)
    this.#ledger.start()
    this.#churning = this.#churn()
  }

  /** The cluster is whole and no record comes any more: waits until the groups have processed all of `acknowledged`, and judges. */
  async finish(acknowledged: readonly AcknowledgedRecord[], withinMs: number): Promise<GroupWorkVerdict> {
    const { clock } = this.#world
    await this.#settle()
    const endMs = clock.monotonicMs() + withinMs
    while (!this.#hasProcessed(acknowledged) && clock.monotonicMs() < endMs) await this.#sleep(lookAgainMs)
    await Promise.all(this.#members.map(member => this.#leave(member)))
    const { topic, partitions } = this.#options
    const groups = kinds.map(({ group }) => `${topic}-${group}`)
    const all = Array.from({ length: partitions }, (_, partition) => partition)
    const stored: StoredOffset[] = [
      ...(await this.#ledger.stored(groups, all, withinMs)),
      ...(await this.#ledger.stored(this.#ledgerGroups, [0], withinMs)),
    ]
    const { events, commits } = this.#written()
    const killed = this.#deaths.length
    const findings = checkGroupWork({ events, commits, acknowledged, stored, groups })
    const processedCount = events.filter(({ type }) => type === 'processed').length
    const commitCount = commits.filter(({ result }) => result === 'ok').length
    return { findings, processedCount, commitCount, killed, left: this.#left }
  }

  /** Idempotent. */
  async close(): Promise<void> {
    await this.#settle()
    for (const { process } of this.#members) process.kill('SIGKILL')
    await Promise.all(this.#members.map(({ process }) => process.ended()))
    this.#members = []
    await this.#links.close()
  }

  /** Nobody comes or goes any more, and nothing is committed to the ledger. */
  async #settle(): Promise<void> {
    this.#isStopping = true
    this.#wake?.()
    await this.#churning
    await this.#ledger.stop()
  }

  /** One member at a time dies or leaves, and another one comes, at once or after a while. */
  async #churn(): Promise<void> {
    const { random } = this.#options
    for (;;) {
      await this.#sleep(churnEveryMs.least + random.below(churnEveryMs.spread))
      if (this.#isStopping) return
      const member = this.#members[random.below(this.#members.length)]!
      if (random.below(2) === 0) await this.#kill(member)
      else {
        await this.#leave(member)
        this.#left++
      }
      if (random.below(2) === 0) await this.#sleep(random.below(awayMs))
      this.#launch(member.kind)
    }
  }

  #launch(kind: Kind): void {
    const { topic, bootstrap, folder } = this.#options
    const group = `${topic}-${kind.group}`
    const name = `${group}-${++this.#started}`
    const options = {
      process: name,
      group,
      topic,
      bootstrap,
      assignor: kind.assignor,
      file: join(folder, `${name}.jsonl`),
    }
    const process = startProcess({
      name,
      command: oraclePath('confluent'),
      args: [join(import.meta.dirname, 'python', 'work.py'), JSON.stringify(options)],
      stdin: 'pipe',
      outputFile: join(folder, `${name}.log`),
    })
    process.child.stdin?.on('error', () => {
      /* it was killed, or ended by itself: what it wrote down tells */
    })
    this.#members.push({ name, kind, process })
  }

  async #kill(member: Member): Promise<void> {
    member.process.kill('SIGKILL')
    await member.process.ended()
    const atMs = this.#world.clock.monotonicMs()
    this.#deaths.push({
      type: 'killed',
      atMs,
      group: `${this.#options.topic}-${member.kind.group}`,
      member: member.name,
    })
    this.#members = this.#members.filter(each => each !== member)
  }

  /** In an orderly way; the coordinator may be away. */
  async #leave(member: Member): Promise<void> {
    const { process, name } = member
    process.child.stdin?.end('stop\n')
    const timer = setTimeout(() => process.kill('SIGKILL'), leaveWithinMs)
    const outcome = await process.ended()
    clearTimeout(timer)
    this.#members = this.#members.filter(each => each !== member)
    if (outcome !== 0 && outcome !== 'SIGKILL') throw new Error(`${name} ended with ${outcome}: ${process.output()}`)
  }

  #hasProcessed(acknowledged: readonly AcknowledgedRecord[]): boolean {
    const { events } = this.#written()
    return kinds.every(({ group }) => {
      const own = `${this.#options.topic}-${group}`
      const values = new Set(
        events.flatMap(each => (each.type === 'processed' && each.group === own ? [each.value] : [])),
      )
      return acknowledged.every(({ value }) => values.has(value))
    })
  }

  #written(): { readonly events: GroupEvent[]; readonly commits: Commit[] } {
    const { folder } = this.#options
    const lines = readdirSync(folder)
      .filter(name => name.endsWith('.jsonl'))
      // After the last line end there is nothing, or what a member was writing when it was killed.
      .flatMap(name => readFileSync(join(folder, name), 'utf8').split('\n').slice(0, -1))
      .map(line => JSON.parse(line) as GroupEvent | (Commit & { readonly type: 'committed' }))
    const events = lines.filter(line => line.type !== 'committed')
    const commits = lines.filter(line => line.type === 'committed')
    // Each is written down before it is sent, as unknown, and once more when it was acknowledged.
    const keyOf = ({ member, partition, startMs }: Commit): string => `${member} ${partition} ${startMs}`
    const acknowledged = new Set(commits.filter(({ result }) => result === 'ok').map(keyOf))
    const outcomes = commits.filter(each => each.result === 'ok' || !acknowledged.has(keyOf(each)))
    return { events: [...events, ...this.#deaths], commits: [...outcomes, ...this.#commits] }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise(resolve => {
      this.#wake = resolve
      void this.#world.timers.after(ms, resolve)
    })
  }
}

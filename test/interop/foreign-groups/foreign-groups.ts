import { monotonicMs } from '@millrace/runtime/node/clock'
import { nodeWorld } from '@millrace/runtime/node/world'
import type { AcknowledgedRecord, Calm, GroupEvent, GroupHistory } from '@millrace/testing/checkers/group-history'
import { BrokerLinks } from '@millrace/testing/workload/broker-links'
import { ClusterClient } from '@millrace/testing/workload/cluster-client'
import { RawProducer } from '@millrace/testing/workload/raw-producer'
import { TopicLeaders } from '@millrace/testing/workload/topic-leaders'
import { eventually } from '../../oracles/processes.ts'
import { startMillrace, type MillraceCluster } from '../clusters.ts'
import { clientAt, clientKinds, groupKinds, sessionTimeoutMs, type ClientKind, type GroupKind } from './group-kinds.ts'
import { MembersProcess } from './members-process.ts'

const topic = 'work'
const partitions = 6
/** Few enough for two cores: every record is read by every group. */
const perSecond = 24
const settledWithinMs = 30_000
/** How long it is looked at whether anything more happens where nothing should. */
const calmMs = 1_000

const properties = {
  'group.initial.rebalance.delay.ms': '0',
  // One partition: all groups have one coordinator, which dies for all of them.
  'offsets.topic.num.partitions': '1',
  'offsets.topic.replication.factor': '3',
  'auto.leader.rebalance.enable': 'false',
}

/** The members that stay, or those that will be killed all at once. */
export type Fate = 'stays' | 'dies'

interface Member {
  readonly name: string
  readonly kind: GroupKind
  /** Where in its group: `a`, `b`… A static member that starts again has its former place. */
  readonly place: string
  readonly process: MembersProcess
}

/** Groups of all kinds at work on one topic of three brokers; what happens to them is written down. */
export class ForeignGroups {
  readonly failures: string[] = []
  readonly notes: string[] = []
  slowestFailoverMs = 0
  readonly #cluster: MillraceCluster
  readonly #client: ClusterClient
  readonly #links: BrokerLinks
  readonly #producer: RawProducer
  readonly #events: GroupEvent[] = []
  readonly #acknowledged: AcknowledgedRecord[] = []
  readonly #calms: Calm[] = []
  readonly #interruptions: { readonly fromMs: number; readonly toMs: number }[] = []
  readonly #processes = new Map<`${ClientKind} ${Fate}`, MembersProcess>()
  readonly #members = new Map<string, Member>()
  readonly #owned = new Map<string, Set<number>>()
  readonly #ended = new Set<string>()
  /** By group: values that some member has processed. */
  readonly #processed = new Map<string, Set<string>>(groupKinds.map(({ group }) => [group, new Set()]))
  #starts = 0

  static async start(): Promise<ForeignGroups> {
    const cluster = await startMillrace('ensemble', 3, properties)
    const groups = new ForeignGroups(cluster)
    await groups.#client.createTopic(topic, { partitions })
    await groups.#client.createTopic('__consumer_offsets', { partitions: 1, configs: { 'cleanup.policy': 'compact' } })
    for (const client of clientKinds) for (const fate of ['stays', 'dies'] as const) groups.#launch(client, fate)
    await Promise.all([...groups.#processes.values()].map(process => process.ready()))
    groups.#producer.start()
    return groups
  }

  private constructor(cluster: MillraceCluster) {
    this.#cluster = cluster
    const brokers = (): { id: number; port: number; isRunning: boolean }[] =>
      cluster.ports.map((port, i) => ({ id: i + 1, port, isRunning: !cluster.processes[i]!.exited }))
    this.#client = new ClusterClient(brokers)
    const world = nodeWorld()
    const timeouts = { connectTimeoutMs: 2000, requestTimeoutMs: 8000 }
    const links = new BrokerLinks({ brokers, world, clientId: 'producer', ...timeouts })
    this.#links = links
    const leaders = new TopicLeaders({ links, world, topic })
    this.#producer = new RawProducer({
      ...{ process: 'raw', topic, partitions, acks: -1, perSecond, links, leaders, world },
      record: operation => {
        if (operation.type !== 'send' || operation.result !== 'ok') return
        const { partition, value, endMs } = operation
        this.#acknowledged.push({ partition, value, atMs: endMs })
      },
    })
  }

  get history(): GroupHistory {
    const [events, acknowledged, calms, interruptions] = [
      this.#events,
      this.#acknowledged,
      this.#calms,
      this.#interruptions,
    ]
    return { events, acknowledged, calms, interruptions }
  }

  /** For whoever has to find out what went wrong. */
  report(): object {
    const brokers = this.#cluster.processes.map(process => process.output())
    return { notes: this.notes, history: this.history, brokers }
  }

  start(kind: GroupKind, place: string, fate: Fate): void {
    const { group, isStatic } = kind
    const { client, assignor } = clientAt(kind, place)
    const process = this.#processes.get(`${client} ${fate}`)!
    const name = `${group}.${place}${++this.#starts}`
    this.#members.set(name, { name, kind, place, process })
    process.start({ member: name, group, topic, assignor, instance: isStatic ? `${group}.${place}` : null })
  }

  async leave(kind: GroupKind, place: string): Promise<void> {
    const { name, process } = this.#at(kind, place)
    process.stop(name)
    await eventually(async () => this.#ended.has(name), settledWithinMs)
    this.#members.delete(name)
  }

  /** A static member leaves without a word and comes back: nobody else is to notice. */
  async restart(kind: GroupKind, place: string): Promise<void> {
    const former = this.#at(kind, place).name
    await this.#calmly(kind, place, former, async () => {
      await this.leave(kind, place)
      this.start(kind, place, 'stays')
    })
  }

  /**
   * Kills whatever is to die. The static members in `comingBack` start again in another process, at once; until the sessions of the
   * others are over, nobody is to notice.
   */
  async killMembers(comingBack: string): Promise<void> {
    const dying = [...this.#processes].filter(([key]) => key.endsWith(' dies')).map(([, process]) => process)
    const dead = [...this.#members.values()].filter(({ process }) => dying.includes(process))
    await Promise.all(dying.map(process => process.kill()))
    const atMs = monotonicMs()
    for (const { name, kind } of dead) {
      this.#events.push({ type: 'killed', atMs, group: kind.group, member: name })
      this.#members.delete(name)
      this.#owned.delete(name)
    }
    const back = dead.filter(({ kind, place }) => kind.isStatic && place === comingBack)
    await Promise.all(
      back.map(({ kind, name }) =>
        this.#calmly(kind, comingBack, name, async () => this.start(kind, comingBack, 'stays')),
      ),
    )
  }

  /** Back to members at `a` and `b`, and new processes for those that will be killed. */
  async again(): Promise<void> {
    const more = [...this.#members.values()].filter(({ place }) => place > 'b')
    await Promise.all(more.map(({ kind, place }) => this.leave(kind, place)))
    await this.settled()
    for (const client of clientKinds) this.#launch(client, 'dies')
    await Promise.all([...this.#processes.values()].map(process => process.ready()))
  }

  /** Kills the broker that coordinates all groups; resolves when another one leads. */
  async killCoordinator(): Promise<{
    readonly atMs: number
    readonly tookMs: number
    readonly restart: () => Promise<void>
  }> {
    const { leader } = await this.#client.partition('__consumer_offsets', 0)
    const { controllerId } = await this.#client.metadata(null)
    const atMs = monotonicMs()
    this.#cluster.processes[leader - 1]!.kill('SIGKILL')
    await this.#cluster.processes[leader - 1]!.ended()
    const isReplaced = async (): Promise<boolean> => {
      const now = await this.#client.partition('__consumer_offsets', 0)
      return now.leader !== leader && now.leader >= 0
    }
    await this.#client.until('another coordinator', isReplaced, settledWithinMs)
    const tookMs = Math.round(monotonicMs() - atMs)
    this.slowestFailoverMs = Math.max(this.slowestFailoverMs, tookMs)
    this.notes.push(
      `killed broker ${leader} at ${Math.round(atMs)}, controller was ${controllerId}: replaced after ${tookMs} ms`,
    )
    return { atMs, tookMs, restart: () => this.#cluster.restart(leader - 1) }
  }

  /** Since `fromMs` these groups had no reason to rebalance. */
  noteCalm(kinds: readonly GroupKind[], fromMs: number): void {
    for (const { group } of kinds) this.#calms.push({ group, fromMs, toMs: monotonicMs(), restarting: [] })
  }

  /** Since `fromMs` there was no coordinator that knew what its groups were about to do. */
  noteInterruption(fromMs: number): void {
    this.#interruptions.push({ fromMs, toMs: monotonicMs() })
  }

  /** Each member has something, and all members of a group have everything, once. */
  async settled(): Promise<void> {
    await this.#until('settled', kind => {
      const parts = this.#membersOf(kind).map(({ name }) => [...(this.#owned.get(name) ?? [])])
      const all = parts.flat()
      return parts.every(part => part.length > 0) && all.length === partitions && new Set(all).size === partitions
    })
  }

  /** All groups have processed what is acknowledged now: what happens next is not made worse by what happened before. */
  async caughtUp(): Promise<void> {
    const values = this.#acknowledged.map(({ value }) => value)
    await this.#until('caught up', ({ group }) => values.every(value => this.#processed.get(group)!.has(value)))
  }

  /** No record comes any more; those that came are processed; the members leave. */
  async finish(): Promise<void> {
    await this.#producer.stop()
    await this.caughtUp()
    await Promise.all([...this.#processes.values()].map(process => process.end()))
  }

  async close(): Promise<void> {
    await this.#producer.stop()
    await Promise.all([...this.#processes.values()].map(process => process.kill()))
    await this.#client.close()
    await this.#links.close()
    await this.#cluster.stop()
  }

  #launch(client: ClientKind, fate: Fate): void {
    const process = new MembersProcess({
      ...{ client, bootstrap: this.#cluster.bootstrap },
      onEvent: event => this.#onEvent(event),
      onFailure: line => this.failures.push(line),
    })
    this.#processes.set(`${client} ${fate}`, process)
  }

  #onEvent(event: GroupEvent): void {
    this.#events.push(event)
    const { type, group, member } = event
    const owned = this.#owned.get(member) ?? new Set<number>()
    this.#owned.set(member, owned)
    if (type === 'assigned') for (const each of event.partitions) owned.add(each)
    else if (type === 'revoked' || type === 'lost') for (const each of event.partitions) owned.delete(each)
    else if (type === 'processed') this.#processed.get(group)!.add(event.value)
    else if (type === 'left') {
      this.#owned.delete(member)
      this.#ended.add(member)
    }
  }

  async #calmly(kind: GroupKind, place: string, former: string, restart: () => Promise<void>): Promise<void> {
    const fromMs = monotonicMs()
    await restart()
    const { name } = this.#at(kind, place)
    await eventually(async () => (this.#owned.get(name)?.size ?? 0) > 0, settledWithinMs)
    await new Promise(resolve => setTimeout(resolve, calmMs))
    // Then the sessions of members end that were killed together with this one.
    const toMs = Math.min(monotonicMs(), fromMs + sessionTimeoutMs - calmMs)
    this.#calms.push({ group: kind.group, fromMs, toMs, restarting: [former, name] })
  }

  #membersOf({ group }: GroupKind): Member[] {
    return [...this.#members.values()].filter(({ kind }) => kind.group === group)
  }

  #at(kind: GroupKind, place: string): Member {
    return this.#membersOf(kind).find(member => member.place === place)!
  }

  async #until(what: string, holds: (kind: GroupKind) => boolean): Promise<void> {
    const endMs = monotonicMs() + settledWithinMs
    for (;;) {
      const missing = groupKinds.filter(kind => !holds(kind))
      if (missing.length === 0) return
      if (monotonicMs() > endMs || this.failures.length > 0) {
        const parts = missing.map(kind => `${kind.group}: ${this.#describe(kind)}`)
        throw new Error(`not ${what}:\n${[...parts, ...this.failures].join('\n')}`)
      }
      await new Promise(resolve => setTimeout(resolve, 20))
    }
  }

  #describe(kind: GroupKind): string {
    return this.#membersOf(kind)
      .map(({ name }) => `${name} [${[...(this.#owned.get(name) ?? [])].join(' ')}]`)
      .join(', ')
  }
}

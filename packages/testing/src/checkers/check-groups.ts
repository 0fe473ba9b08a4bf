import { FindingsOf, row, type AnomalyRow } from './findings.ts'
import { ownershipsOf, type Calm, type GroupEvent, type GroupHistory, type Ownership } from './group-history.ts'

/** What can be wrong with the work of a consumer group. */
export const groupAnomalies = {
  unprocessed: row('violation', 'acknowledged, and no member of the group processed it'),
  late: row('violation', 'processed later than the session timeout and what a rebalance may take'),
  'owned-twice': row('violation', 'two members of one generation own a partition'),
  'two-owners': row('violation', 'a member owns a partition while another one does that lives'),
  'not-owner': row('violation', 'processed by a member that did not own the partition then'),
  'lost-membership': row('violation', 'a member that lived was put out of its group'),
  'generation-backwards': row('violation', 'a member was told an earlier generation than before'),
  'needless-rebalance': row('violation', 'members were told of a change though there was no reason for one'),
} satisfies Record<string, AnomalyRow>
export type GroupAnomaly = keyof typeof groupAnomalies
export type GroupFindings = FindingsOf<GroupAnomaly>

export interface GroupCheckOptions {
  readonly sessionTimeoutMs: number
  /** What may pass beyond the session timeout until a record of a dead member is processed by another one: heartbeats, joins, a new coordinator. */
  readonly allowanceMs: number
}

/** Every rule over the history of all groups. Each group that says anything at all is one that has to process everything. */
export function checkGroups(history: GroupHistory, options: GroupCheckOptions): GroupFindings {
  const findings: GroupFindings = new FindingsOf<GroupAnomaly>(groupAnomalies)
  for (const [group, unordered] of Map.groupBy(history.events, ({ group }) => group)) {
    const events = unordered.toSorted((a, b) => a.atMs - b.atMs)
    const ownerships = ownershipsOf(events)
    checkProgress(group, events, history, options, findings)
    checkGenerations(group, events, findings)
    checkOwners(group, ownerships, findings)
    checkLost(group, ownerships, history, findings)
    checkProcessed(group, events, ownerships, findings)
    for (const calm of history.calms) if (calm.group === group) checkCalm(calm, events, findings)
  }
  return findings
}

/** The longest time from acknowledgement to first processing, per group: what the session timeout and the allowance are compared with. */
export function longestDelays({ events, acknowledged }: GroupHistory): Map<string, number> {
  const delays = new Map<string, number>()
  for (const [group, own] of Map.groupBy(events, ({ group }) => group)) {
    const { firstMs, startMs } = firstProcessed(own)
    const all = acknowledged.map(({ value, atMs }) => (firstMs.get(value) ?? Infinity) - Math.max(atMs, startMs))
    delays.set(group, Math.max(0, ...all))
  }
  return delays
}

/** When each value was processed for the first time, and when the group began to work. */
function firstProcessed(events: readonly GroupEvent[]): { firstMs: Map<string, number>; startMs: number } {
  const firstMs = new Map<string, number>()
  let startMs = Infinity
  for (const event of events) {
    if (event.type === 'assigned' && event.partitions.length > 0) startMs = Math.min(startMs, event.atMs)
    if (event.type !== 'processed') continue
    firstMs.set(event.value, Math.min(event.atMs, firstMs.get(event.value) ?? Infinity))
  }
  return { firstMs, startMs }
}

function checkProgress(
  group: string,
  events: readonly GroupEvent[],
  { acknowledged }: GroupHistory,
  { sessionTimeoutMs, allowanceMs }: GroupCheckOptions,
  findings: GroupFindings,
): void {
  const { firstMs, startMs } = firstProcessed(events)
  for (const { partition, value, atMs } of acknowledged) {
    const processedMs = firstMs.get(value)
    if (processedMs === undefined) findings.add('unprocessed', { group, partition, value, atMs })
    else {
      const delayMs = processedMs - Math.max(atMs, startMs)
      if (delayMs > sessionTimeoutMs + allowanceMs) findings.add('late', { group, partition, value, atMs, delayMs })
    }
  }
}

type GenerationAnomaly = 'owned-twice' | 'generation-backwards'

/** What a member has after it was told of a generation is its part of that generation. `events`: of one group, in the order of time. */
export function checkGenerations(
  group: string,
  events: readonly GroupEvent[],
  findings: Pick<FindingsOf<GenerationAnomaly>, 'add'>,
): void {
  const owned = new Map<string, Set<number>>()
  const latest = new Map<string, number>()
  const ownersOf = new Map<string, { readonly member: string; readonly instance: string | null }>()
  for (const event of events) {
    const { member, atMs } = event
    if (event.type === 'processed') continue
    const mine = owned.get(member) ?? new Set<number>()
    owned.set(member, mine)
    if (event.type === 'revoked' || event.type === 'lost') for (const each of event.partitions) mine.delete(each)
    if (event.type !== 'assigned') continue
    for (const each of event.partitions) mine.add(each)
    const { generation, instance } = event
    if (generation === null) continue
    const before = latest.get(member) ?? 0
    if (generation < before) findings.add('generation-backwards', { group, member, atMs, before, generation })
    latest.set(member, generation)
    for (const partition of mine) {
      const key = `${generation} ${partition}`
      const other = ownersOf.get(key)
      // A static member that starts again has what it had, in the same generation.
      const isSame = other?.member === member || (instance !== null && other?.instance === instance)
      if (other === undefined) ownersOf.set(key, { member, instance })
      else if (!isSame)
        findings.add('owned-twice', { group, generation, partition, members: [other.member, member], atMs })
    }
  }
}

function checkOwners(group: string, ownerships: readonly Ownership[], findings: GroupFindings): void {
  for (const own of Map.groupBy(ownerships, ({ partition }) => partition).values()) {
    const inOrder = own.toSorted((a, b) => a.fromMs - b.fromMs)
    for (const [index, first] of inOrder.entries()) {
      for (const second of inOrder.slice(index + 1)) {
        if (second.member === first.member || second.fromMs >= first.unsureFromMs) continue
        const { partition } = first
        const overlapMs = first.unsureFromMs - second.fromMs
        findings.add('two-owners', { group, partition, members: [first.member, second.member], overlapMs })
      }
    }
  }
}

/**
 * Where a rebalance was under way when the coordinator died, the next one knows nothing of the generation that was about to begin, only
 * of the one before (it is written down when its assignment is): members that had been told of it have to begin again, as with Kafka.
 * Until they do nobody else gets what they have.
 */
function checkLost(
  group: string,
  ownerships: readonly Ownership[],
  { interruptions }: GroupHistory,
  findings: GroupFindings,
): void {
  for (const lost of ownerships.filter(({ end }) => end === 'lost')) {
    if (interruptions.some(({ fromMs, toMs }) => fromMs <= lost.toMs && lost.toMs <= toMs)) continue
    findings.add('lost-membership', { group, ...lost })
  }
}

function checkProcessed(
  group: string,
  events: readonly GroupEvent[],
  ownerships: readonly Ownership[],
  findings: GroupFindings,
): void {
  const times = Map.groupBy(ownerships, ({ member, partition }) => `${partition} ${member}`)
  for (const event of events) {
    if (event.type !== 'processed') continue
    const { member, partition, atMs, value } = event
    const own = times.get(`${partition} ${member}`) ?? []
    if (own.some(({ fromMs, toMs }) => fromMs <= atMs && atMs <= toMs)) continue
    findings.add('not-owner', { group, member, partition, atMs, value })
  }
}

function checkCalm(calm: Calm, events: readonly GroupEvent[], findings: GroupFindings): void {
  const { group, fromMs, toMs, restarting } = calm
  const generations = new Set<number>()
  for (const event of events) {
    if (event.type !== 'assigned' && event.type !== 'revoked' && event.type !== 'lost') continue
    const { type, member, atMs, partitions, generation } = event
    // The generation of before counts too: it must be the same afterwards.
    if (type === 'assigned' && generation !== null && atMs <= fromMs) {
      generations.clear()
      generations.add(generation)
    }
    if (atMs <= fromMs || atMs > toMs) continue
    if (!restarting.includes(member)) findings.add('needless-rebalance', { group, member, atMs, type, partitions })
    else if (type === 'assigned' && generation !== null) generations.add(generation)
  }
  if (generations.size > 1) findings.add('needless-rebalance', { group, fromMs, generations: [...generations] })
}

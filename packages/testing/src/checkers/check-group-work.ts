import { checkGenerations, groupAnomalies } from './check-groups.ts'
import { FindingsOf, row, type AnomalyRow } from './findings.ts'
import type { AcknowledgedRecord, GroupEvent } from './group-history.ts'

/** What can be wrong with the work of groups whose members, coordinators and brokers may die, stop, or be cut off at any time: then nobody is on time. */
export const groupWorkAnomalies = {
  unprocessed: groupAnomalies.unprocessed,
  'owned-twice': groupAnomalies['owned-twice'],
  'generation-backwards': groupAnomalies['generation-backwards'],
  'resumed-early': row('violation', 'a member began before an offset whose commit had been acknowledged'),
  'commit-lost': row('violation', 'the stored offset is before one whose commit was acknowledged'),
  'commit-invented': row('violation', 'the stored offset is one that nobody committed'),
} satisfies Record<string, AnomalyRow>
export type GroupWorkAnomaly = keyof typeof groupWorkAnomalies
export type GroupWorkFindings = FindingsOf<GroupWorkAnomaly>

/** One call that commits one partition's offset. */
export interface Commit {
  readonly group: string
  readonly member: string
  readonly partition: number
  readonly offset: number
  readonly startMs: number
  readonly atMs: number
  /** `unknown`: it may have been stored, or may still be. */
  readonly result: 'ok' | 'unknown'
}

/** What the coordinator has when all is over; -1: nothing. */
export interface StoredOffset {
  readonly group: string
  readonly partition: number
  readonly offset: number
}

export interface GroupWork {
  /** In any order. */
  readonly events: readonly GroupEvent[]
  readonly commits: readonly Commit[]
  readonly acknowledged: readonly AcknowledgedRecord[]
  readonly stored: readonly StoredOffset[]
  /** Every one of them had to process all of `acknowledged`. */
  readonly groups: readonly string[]
}

/** So long may a request that got no answer lie in the socket of a stopped broker, and be carried out after a later one. */
const lateMs = 60_000

/** Every rule over the work of all groups. */
export function checkGroupWork({ events, commits, acknowledged, stored, groups }: GroupWork): GroupWorkFindings {
  const findings: GroupWorkFindings = new FindingsOf<GroupWorkAnomaly>(groupWorkAnomalies)
  for (const group of groups) {
    const own = events.filter(each => each.group === group).toSorted((a, b) => a.atMs - b.atMs)
    const processed = new Set(own.flatMap(each => (each.type === 'processed' ? [each.value] : [])))
    for (const { partition, value, atMs } of acknowledged) {
      if (!processed.has(value)) findings.add('unprocessed', { group, partition, value, atMs })
    }
    checkGenerations(group, own, findings)
    const ownCommits = commits.filter(each => each.group === group)
    checkStarts(group, own, ownCommits, findings)
  }
  checkStored(commits, stored, findings)
  return findings
}

/** Whoever is given a partition goes on where the group was: at or after what was committed before that. */
function checkStarts(
  group: string,
  events: readonly GroupEvent[],
  commits: readonly Commit[],
  findings: GroupWorkFindings,
): void {
  const floors = floorsOf(commits)
  const awaited = new Map<string, number>()
  for (const event of events) {
    const { member, atMs } = event
    const key = (partition: number): string => `${partition} ${member}`
    if (event.type === 'assigned') {
      for (const partition of event.partitions) {
        const before = (floors.get(partition) ?? []).filter(each => each.atMs < atMs).map(({ offset }) => offset)
        awaited.set(key(partition), Math.max(0, ...before))
      }
    } else if (event.type === 'revoked' || event.type === 'lost') {
      for (const partition of event.partitions) awaited.delete(key(partition))
    } else if (event.type === 'processed') {
      const { partition, offset } = event
      const committed = awaited.get(key(partition))
      awaited.delete(key(partition))
      if (committed !== undefined && offset < committed)
        findings.add('resumed-early', { group, member, partition, offset, committed, atMs })
    }
  }
}

function checkStored(commits: readonly Commit[], stored: readonly StoredOffset[], findings: GroupWorkFindings): void {
  const byGroup = Map.groupBy(commits, ({ group }) => group)
  for (const { group, partition, offset } of stored) {
    const own = (byGroup.get(group) ?? []).filter(each => each.partition === partition)
    const committed = Math.max(-1, ...(floorsOf(own).get(partition) ?? []).map(each => each.offset))
    if (offset < committed) findings.add('commit-lost', { group, partition, offset, committed })
    const isCommitted = offset === -1 || own.some(each => each.offset === offset)
    if (!isCommitted) findings.add('commit-invented', { group, partition, offset })
  }
}

/**
 * By partition: acknowledged commits, each as the least that must be stored from then on. That is less than what was acknowledged when
 * its member had made an earlier one that got no answer: that one may be carried out after it.
 */
function floorsOf(commits: readonly Commit[]): Map<number, { readonly atMs: number; readonly offset: number }[]> {
  const floors = new Map<number, { readonly atMs: number; readonly offset: number }[]>()
  for (const [partition, own] of Map.groupBy(commits, each => each.partition)) {
    const unknown = own.filter(({ result }) => result === 'unknown')
    const acknowledged = own.filter(({ result }) => result === 'ok')
    const least = ({ member, offset, atMs }: Commit): number =>
      Math.min(
        offset,
        ...unknown
          .filter(each => each.member === member && each.startMs < atMs && each.startMs > atMs - lateMs)
          .map(each => each.offset),
      )
    floors.set(
      partition,
      acknowledged.map(each => ({ atMs: each.atMs, offset: least(each) })),
    )
  }
  return floors
}

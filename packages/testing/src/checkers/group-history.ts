/**
 * What the members of consumer groups said of themselves while they worked on one topic. Times are monotonic milliseconds of one
 * clock that all of them share, as in history.ts.
 */
export interface GroupHistory {
  /** In any order. */
  readonly events: readonly GroupEvent[]
  /** Records that were acknowledged with acks=all: each group has to process all of them. */
  readonly acknowledged: readonly AcknowledgedRecord[]
  /** Times in which a group has no reason to rebalance. */
  readonly calms: readonly Calm[]
  /** Times in which coordinators died while groups rebalanced. */
  readonly interruptions: readonly { readonly fromMs: number; readonly toMs: number }[]
}

export type GroupEvent = OwnershipEvent | ProcessedEvent | EndEvent

interface MemberEvent {
  readonly atMs: number
  readonly group: string
  /** Our name of it: another one each time that a client is started, also when it is the same static member. */
  readonly member: string
}

export interface OwnershipEvent extends MemberEvent {
  /** `lost`: the member heard too late that it had been put out of the group; others may have owned the partitions before. */
  readonly type: 'assigned' | 'revoked' | 'lost'
  /** Null: the client does not say, or has none any more. */
  readonly generation: number | null
  /** `group.instance.id` of a static member. */
  readonly instance: string | null
  /** Those that come or go, not all that are owned. */
  readonly partitions: readonly number[]
}

export interface ProcessedEvent extends MemberEvent {
  readonly type: 'processed'
  readonly partition: number
  readonly offset: number
  readonly value: string
}

export interface EndEvent extends MemberEvent {
  /** `leaving`: from now on until `left` nobody can tell whether it still owns what it had. `killed`: it does nothing any more. */
  readonly type: 'leaving' | 'left' | 'killed'
}

export interface AcknowledgedRecord {
  readonly partition: number
  readonly value: string
  readonly atMs: number
}

export interface Calm {
  readonly group: string
  readonly fromMs: number
  readonly toMs: number
  /** Static members that start again meanwhile: they are told again what they had. */
  readonly restarting: readonly string[]
}

/** One member's time with one partition. */
export interface Ownership {
  readonly member: string
  readonly partition: number
  readonly fromMs: number
  /** When it gave it up for certain; Infinity: it has it still. */
  readonly toMs: number
  /** From here on somebody else may have it: earlier than `toMs` when it is leaving. */
  readonly unsureFromMs: number
  readonly end: 'revoked' | 'lost' | 'left' | 'killed' | 'none'
}

/** Of the events of one group, in the order of time. */
export function ownershipsOf(events: readonly GroupEvent[]): Ownership[] {
  const ownerships: Ownership[] = []
  const open = new Map<string, Map<number, number>>()
  const leaving = new Map<string, number>()
  const end = (member: string, partition: number, toMs: number, how: Ownership['end']): void => {
    const fromMs = open.get(member)?.get(partition)
    if (fromMs === undefined) return
    open.get(member)!.delete(partition)
    const unsureFromMs = Math.min(leaving.get(member) ?? Infinity, toMs)
    // A client that leaves while its group rebalances says that it lost its partitions: it is on its way out all the same.
    const isLeaving = how === 'lost' && leaving.has(member)
    ownerships.push({ member, partition, fromMs, toMs, unsureFromMs, end: isLeaving ? 'left' : how })
  }
  const endAll = (member: string, toMs: number, how: Ownership['end']): void => {
    for (const partition of [...(open.get(member)?.keys() ?? [])]) end(member, partition, toMs, how)
  }
  for (const event of events) {
    const { member, atMs } = event
    if (event.type === 'assigned') {
      if (!open.has(member)) open.set(member, new Map())
      for (const each of event.partitions) if (!open.get(member)!.has(each)) open.get(member)!.set(each, atMs)
    } else if (event.type === 'revoked' || event.type === 'lost') {
      for (const each of event.partitions) end(member, each, atMs, event.type)
    } else if (event.type === 'leaving') leaving.set(member, atMs)
    else if (event.type === 'left' || event.type === 'killed') endAll(member, atMs, event.type)
  }
  for (const member of open.keys()) endAll(member, Infinity, 'none')
  return ownerships
}

import { assert } from '@millrace/runtime/invariant'
import { CommitsInFlight } from './commits-in-flight.ts'
import type { GroupRecord, OffsetRecord } from './entries.ts'
import { nothing, type GroupProtocol, type JoinedMember } from './group-requests.ts'
import { ownCopies } from './own-copy.ts'
import { consumerProtocolType, subscribedTopics } from './subscribed-topics.ts'

/** Names as Kafka's tools show them. */
export type GroupState = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable' | 'Dead'

const previousStates: Readonly<Record<GroupState, readonly GroupState[]>> = {
  Empty: ['PreparingRebalance', 'Dead'],
  PreparingRebalance: ['Stable', 'CompletingRebalance', 'Empty'],
  CompletingRebalance: ['PreparingRebalance'],
  Stable: ['CompletingRebalance'],
  Dead: ['Stable', 'PreparingRebalance', 'CompletingRebalance', 'Empty', 'Dead'],
}

export interface Member {
  memberId: string
  readonly groupInstanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  rebalanceTimeoutMs: number
  sessionTimeoutMs: number
  /** What it can do, best first. */
  protocols: readonly GroupProtocol[]
  assignment: Buffer
  /** Request that waits for the end of the join phase; null: none. */
  joinToken: number | null
  syncToken: number | null
  /** Has not completed a join yet: it does not know its id, so it cannot send heartbeats. */
  isNew: boolean
  /** Monotonic. */
  expiresAtMs: number
  /** When its timer rings, which may be before that; null: it has none. */
  ringsAtMs: number | null
}

/** One group, as it is now. Only what `record` and `offsets` hold is in the log. */
export class Group {
  readonly groupId: string
  state: GroupState = 'Empty'
  /** Wall clock of the last change of state; -1: not known. */
  stateSinceMs: number
  generation = 0
  protocolType: string | null = null
  protocolName: string | null = null
  leaderId: string | null = null
  /** Who read what when this generation began; null: that is not known, so any topic may be read. */
  subscribedTopics: ReadonlySet<string> | null = null
  readonly members = new Map<string, Member>()
  /** Instance id -> member id. */
  readonly staticMembers = new Map<string, string>()
  /** By name of a protocol, how many members have it: a join costs no look at all the others. */
  private readonly protocolCounts = new Map<string, number>()
  /** Ids that were handed out (KIP-394) and have not come back, and when their timers ring. */
  readonly pendingMembers = new Map<string, number>()
  /** Were told of this generation and did not ask for their assignment yet. */
  readonly pendingSync = new Set<string>()
  /** Somebody came while an empty group waited for its first members: it waits on. */
  newMemberAdded = false
  /** The rest of an initial rebalance delay that may still be added; null: this is no initial rebalance. */
  initialRemainingMs: number | null = null
  initialDelayMs = 0
  /** The leader's assignment of this generation is being written; null: none is. */
  assigningGeneration: number | null = null
  /** As the log has it: changed by replay only. */
  record: GroupRecord | null = null
  readonly offsets = new Map<string, Map<number, OffsetRecord>>()
  /** A deletion of the group deletes these too. */
  readonly commitsInFlight = new CommitsInFlight()

  constructor(groupId: string, wallMs: number) {
    this.groupId = groupId
    this.stateSinceMs = wallMs
  }

  is(...states: readonly GroupState[]): boolean {
    return states.includes(this.state)
  }

  become(state: GroupState, wallMs: number): void {
    assert(previousStates[state].includes(this.state), `a group goes from ${this.state} to ${state}`)
    this.state = state
    this.stateSinceMs = wallMs
  }

  add(member: Member, protocolType: string): void {
    if (this.members.size === 0) this.protocolType = protocolType
    member.protocols = this.shared(member.protocols)
    assert(this.protocolType === protocolType, 'all members of a group have one protocol type')
    this.members.set(member.memberId, member)
    this.count(member, 1)
    this.pendingMembers.delete(member.memberId)
    this.leaderId ??= member.memberId
    if (member.groupInstanceId === null) return
    assert(!this.staticMembers.has(member.groupInstanceId), 'an instance is one member')
    this.staticMembers.set(member.groupInstanceId, member.memberId)
  }

  remove(member: Member): void {
    if (this.members.delete(member.memberId)) this.count(member, -1)
    this.pendingSync.delete(member.memberId)
    if (member.groupInstanceId !== null && this.staticMembers.get(member.groupInstanceId) === member.memberId) {
      this.staticMembers.delete(member.groupInstanceId)
    }
    if (this.leaderId === member.memberId) this.leaderId = this.members.keys().next().value ?? null
  }

  /** The same member under another id: a static member came back. Keeps its place among the members, so that candidates for leader stay in order. */
  rename(member: Member, memberId: string): void {
    const wasPending = this.pendingSync.delete(member.memberId)
    if (this.leaderId === member.memberId) this.leaderId = memberId
    this.members.delete(member.memberId)
    member.memberId = memberId
    this.members.set(memberId, member)
    if (member.groupInstanceId !== null) this.staticMembers.set(member.groupInstanceId, memberId)
    if (wasPending) this.pendingSync.add(memberId)
  }

  isLeader(memberId: string): boolean {
    return this.leaderId === memberId
  }

  get joinedCount(): number {
    let count = 0
    for (const member of this.members.values()) if (member.joinToken !== null) count++
    return count
  }

  get hasAllJoined(): boolean {
    if (this.pendingMembers.size > 0) return false
    for (const member of this.members.values()) if (member.joinToken === null) return false
    return true
  }

  /** The longest of its members. */
  get rebalanceTimeoutMs(): number {
    let longest = 0
    for (const member of this.members.values()) longest = Math.max(longest, member.rebalanceTimeoutMs)
    return longest
  }

  /** Can all members, and a newcomer with these, agree on a protocol? */
  supports(protocolType: string, protocols: readonly GroupProtocol[]): boolean {
    if (this.is('Empty') || this.members.size === 0) return protocolType !== '' && protocols.length > 0
    if (this.protocolType !== protocolType) return false
    return protocols.some(({ name }) => this.isCommon(name))
  }

  /** The one that most members like best, of those that all have. */
  selectProtocol(): string {
    const votes = new Map<string, number>()
    for (const { protocols } of this.members.values()) {
      const vote = protocols.find(({ name }) => this.isCommon(name))
      assert(vote !== undefined, 'members without a common protocol are not let in')
      votes.set(vote.name, (votes.get(vote.name) ?? 0) + 1)
    }
    let best = ''
    for (const [name, count] of votes) if (best === '' || count > (votes.get(best) ?? 0)) best = name
    return best
  }

  /** At the begin of a generation: until the next one it counts what members asked for then. */
  noteSubscribedTopics(): void {
    this.subscribedTopics =
      this.protocolType === consumerProtocolType
        ? subscribedTopics(new Set([...this.members.values()].map(member => this.metadataOf(member))))
        : null
  }

  metadataOf(member: Member): Buffer {
    return member.protocols.find(({ name }) => name === this.protocolName)?.metadata ?? nothing
  }

  memberList(): JoinedMember[] {
    return [...this.members.values()].map(member => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      metadata: this.metadataOf(member),
    }))
  }

  /** What the log is told of the group with these assignments. */
  toRecord(assignmentOf: (member: Member) => Buffer): GroupRecord {
    return {
      protocolType: this.protocolType ?? '',
      generation: this.generation,
      protocol: this.protocolName,
      leader: this.leaderId,
      currentStateTimestampMs: this.stateSinceMs,
      members: [...this.members.values()].map(member => ({
        memberId: member.memberId,
        groupInstanceId: member.groupInstanceId,
        clientId: member.clientId,
        clientHost: member.clientHost,
        rebalanceTimeoutMs: member.rebalanceTimeoutMs,
        sessionTimeoutMs: member.sessionTimeoutMs,
        subscription: this.metadataOf(member),
        assignment: assignmentOf(member),
      })),
    }
  }

  offset(topic: string, partition: number): OffsetRecord | undefined {
    return this.offsets.get(topic)?.get(partition)
  }

  /** The only way to change them: who knows how many is counted here. */
  setProtocols(member: Member, protocols: readonly GroupProtocol[]): void {
    if (sameProtocols(member.protocols, protocols)) return
    this.count(member, -1)
    member.protocols = this.shared(protocols)
    this.count(member, 1)
  }

  /** What is kept of the protocols of a request. Most members of most groups can do the same: then they hold the same. */
  private shared(protocols: readonly GroupProtocol[]): readonly GroupProtocol[] {
    const leader = this.leaderId === null ? undefined : this.members.get(this.leaderId)
    if (leader !== undefined && sameProtocols(leader.protocols, protocols)) return leader.protocols
    const copies = ownCopies(protocols.map(({ metadata }) => metadata))
    return protocols.map(({ name }, index) => ({ name, metadata: copies[index]! }))
  }

  private count({ protocols }: Member, by: 1 | -1): void {
    for (const name of new Set(protocols.map(protocol => protocol.name))) {
      const count = (this.protocolCounts.get(name) ?? 0) + by
      if (count === 0) this.protocolCounts.delete(name)
      else this.protocolCounts.set(name, count)
    }
  }

  private isCommon(name: string): boolean {
    return this.protocolCounts.get(name) === this.members.size
  }
}

/** The same protocols with the same metadata in the same order? */
export function sameProtocols(left: readonly GroupProtocol[], right: readonly GroupProtocol[]): boolean {
  return (
    left.length === right.length &&
    left.every((protocol, index) => {
      const other = right[index]!
      return protocol.name === other.name && protocol.metadata.equals(other.metadata)
    })
  )
}

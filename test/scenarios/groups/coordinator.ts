import { ErrorCode } from '@millrace/protocol/errors'
import { assert } from '@millrace/runtime/invariant'
import type { GroupEntry } from '../../../packages/broker/src/core/groups/entries.ts'
import type { Group } from '../../../packages/broker/src/core/groups/group.ts'
import type { GroupReply, GroupSettings, Moment } from '../../../packages/broker/src/core/groups/group-requests.ts'
import type { GroupShard } from '../../../packages/broker/src/core/groups/group-shard.ts'
import { memberOfTimer } from '../../../packages/broker/src/core/groups/rebalance.ts'
import type { Write } from '../../../packages/broker/src/core/groups/step.ts'
import type { SeededRandom } from '@millrace/testing/world/seeded-random'

/** The machine under test: as shipped, or a copy with a fault. */
export interface GroupMachine {
  readonly GroupShard: typeof GroupShard
}

export const settings: GroupSettings = {
  minSessionTimeoutMs: 10,
  maxSessionTimeoutMs: 100_000,
  initialRebalanceDelayMs: 20,
  maxSize: 4,
  offsetMetadataMaxBytes: 4096,
  offsetsRetentionMs: 1_500,
}

/** What the walks came across; a property that is never at stake proves nothing. */
export const sightings = [
  ...['stable', 'generation of several', 'group full', 'fenced', 'skipped assignment', 'leader left while joining'],
  ...['session over', 'offset expired', 'group deleted', 'write failed', 'written but refused', 'written too late'],
  ...['resigned', 'killed', 'stale request refused', 'static replaced', 'incompatible protocols'],
] as const
export type Sighting = (typeof sightings)[number]

/**
 * The shell of one shard, with a log of its own where writes commit late, in order, or fail in the ways that a partition has.
 * Holds what must be true of the machine after every step.
 */
export class Coordinator {
  shard: GroupShard
  readonly log: GroupEntry[] = []
  /** What is in the state after so many entries of the log. */
  readonly images: { readonly entries: number; readonly image: string }[] = []
  readonly seen = new Set<Sighting>()
  nowMs = 1_000
  readonly #machine: GroupMachine
  readonly #random: SeededRandom
  #pending: Write[] = []
  /** Told REQUEST_TIMED_OUT, and still to be written. */
  readonly #late = new Set<Write>()
  readonly #timers = new Map<string, { groupId: string; key: string; atMs: number }>()
  readonly #parked = new Map<number, (reply: never) => void>()
  readonly #answered = new Set<number>()
  readonly #generations = new Map<Group, number>()
  /** Who was told of the members of which generation. */
  readonly #toldMembers = new Set<string>()
  readonly #lives = new Map<string, number>()
  #nextToken = 0

  constructor(machine: GroupMachine, random: SeededRandom) {
    this.#machine = machine
    this.#random = random
    this.shard = new machine.GroupShard(settings)
  }

  get now(): Moment {
    return { monotonicMs: this.nowMs, wallMs: this.nowMs }
  }

  get unanswered(): number {
    return this.#parked.size
  }

  get hasWrites(): boolean {
    return this.#pending.length > 0
  }

  token(onReply: (reply: never) => void): number {
    const token = this.#nextToken++
    this.#parked.set(token, onReply)
    return token
  }

  /** How many times the log has forgotten the group: generations of two lives may be alike. */
  lifeOf(groupId: string): number {
    return this.#lives.get(groupId) ?? 0
  }

  /** Takes what the machine asks for, and looks whether that is right. */
  settle(): void {
    for (let again = true; again;) {
      const { writes, replies, timers } = this.shard.take()
      again = writes.length + replies.length + timers.length > 0
      this.#pending.push(...writes)
      for (const { groupId, key, atMs } of timers) {
        if (atMs === null) this.#timers.delete(`${groupId} ${key}`)
        else this.#timers.set(`${groupId} ${key}`, { groupId, key, atMs })
      }
      for (const { token, response } of replies) this.#onReply(token, response)
    }
    for (const group of this.shard.groups.values()) this.#examine(group)
  }

  #examine(group: Group): void {
    assert(group.generation >= (this.#generations.get(group) ?? 0), 'a generation only grows')
    this.#generations.set(group, group.generation)
    if (group.is('Stable')) {
      assert(group.record?.generation === group.generation, 'what members were told is in the log')
      assert(group.members.size > 0, 'a stable group has members')
    }
    if (group.is('Stable', 'CompletingRebalance')) {
      const dynamic = [...group.members.values()].filter(({ groupInstanceId }) => groupInstanceId === null)
      assert(dynamic.length <= settings.maxSize, 'a group holds no more than group.max.size')
      assert(group.leaderId !== null && group.members.has(group.leaderId), 'a generation has a leader')
      assert(group.staticMembers.size === group.members.size - dynamic.length, 'every instance is one member')
    }
    if (group.is('CompletingRebalance')) {
      assert(
        this.#toldMembers.has(`${group.leaderId} ${group.generation}`),
        'its leader was told who is in a generation',
      )
    }
    for (const id of group.pendingSync) assert(group.members.has(id), 'only members are waited for')
  }

  #onReply(token: number, response: GroupReply): void {
    assert(!this.#answered.has(token), 'a request is answered once')
    this.#answered.add(token)
    if ('members' in response && response.members.length > 0) {
      this.#toldMembers.add(`${response.memberId} ${response.generationId}`)
    }
    const onReply = this.#parked.get(token)
    this.#parked.delete(token)
    onReply?.(response as never)
  }

  /** The next write ends, in one of the ways that it can. */
  commitOne(fate = this.#random.below(16)): void {
    const write = this.#pending[0]
    if (write === undefined) return
    if (fate === 0 && !this.#late.has(write)) {
      this.#late.add(write)
      this.seen.add('written too late')
      this.shard.onWritten(write, ErrorCode.REQUEST_TIMED_OUT, this.now)
      return
    }
    this.#pending.shift()
    if (fate === 1 && !this.#late.has(write)) {
      this.seen.add('write failed')
      this.shard.onWritten(write, ErrorCode.NOT_ENOUGH_REPLICAS, this.now)
      return
    }
    this.#append(write)
    for (const entry of write.entries) this.shard.replay(entry, this.nowMs)
    this.images.push({ entries: this.log.length, image: image(this.shard) })
    if (fate === 2) this.seen.add('written but refused')
    const errorCode = fate === 2 ? ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND : ErrorCode.NONE
    this.shard.onWritten(write, errorCode, this.now)
  }

  #append({ entries }: Write): void {
    for (const entry of entries) {
      this.log.push(entry)
      const { groupId } = entry
      const group = this.shard.groups.get(groupId)
      if (entry.kind === 'offset' && entry.value === null && entry.topic === 't') {
        assert(group === undefined || !group.is('Stable'), 'an offset that somebody reads on from stays')
      }
      if (entry.value !== null) continue
      if (entry.kind === 'offset') this.seen.add('offset expired')
      else {
        this.seen.add('group deleted')
        this.#lives.set(groupId, this.lifeOf(groupId) + 1)
      }
    }
  }

  advance(ms: number): void {
    this.nowMs += ms
    for (const [name, { groupId, key, atMs }] of [...this.#timers].sort(([, a], [, b]) => a.atMs - b.atMs)) {
      if (atMs > this.nowMs || this.#timers.get(name)?.atMs !== atMs || !this.#timers.delete(name)) continue
      const isMember = (): boolean => this.shard.groups.get(groupId)?.members.has(memberOfTimer(key)) === true
      const wasMember = isMember()
      this.shard.onTimer(groupId, key, this.now)
      if (wasMember && !isMember()) this.seen.add('session over')
      this.settle()
    }
  }

  /**
   * Another broker leads: its state is what the log says. `orderly`: everybody who waits is told; else nobody ever is (their
   * connections end). Some writes that nobody was told of may have made it into the log.
   */
  failOver(orderly: boolean): void {
    this.seen.add(orderly ? 'resigned' : 'killed')
    const committed = this.#random.below(this.#pending.length + 1)
    for (const [index, write] of this.#pending.entries()) {
      if (index < committed) this.#append(write)
      if (orderly && !this.#late.has(write)) {
        this.shard.onWritten(write, ErrorCode.NOT_LEADER_OR_FOLLOWER, this.now)
      }
    }
    if (orderly) {
      this.shard.unload(ErrorCode.NOT_COORDINATOR)
      const { replies } = this.shard.take()
      for (const { token, response } of replies) this.#onReply(token, response)
      assert(this.#parked.size === 0, 'nobody waits for a coordinator that has gone')
    } else this.#parked.clear()
    this.#pending = []
    this.#late.clear()
    this.#timers.clear()
    this.shard = this.reloaded(this.log)
    // In the smallest slices that there are.
    while (!this.shard.onLoaded(this.now, 1));
    for (const group of this.shard.groups.values()) this.#examineLoaded(group)
    this.images.push({ entries: this.log.length, image: image(this.shard) })
    this.settle()
  }

  #examineLoaded(group: Group): void {
    const members = group.record?.members ?? []
    assert(group.generation === (group.record?.generation ?? 0), 'a loaded group goes on in its generation')
    if (members.length === 0) return assert(group.is('Empty'), 'a group without members is loaded as empty')
    assert(group.is('Stable') || members.length > settings.maxSize, 'a group with members is loaded as stable')
    assert(group.leaderId === group.record!.leader, 'a loaded group has its leader')
    assert(group.protocolName === group.record!.protocol, 'a loaded group has its protocol')
    assert(group.members.size === members.length, 'a loaded group has its members')
    for (const { memberId, groupInstanceId, assignment } of members) {
      const loaded = group.members.get(memberId)
      assert(loaded?.groupInstanceId === groupInstanceId, 'a loaded member is the instance that it was')
      assert(!group.is('Stable') || loaded.assignment.equals(assignment), 'a loaded member has its part')
    }
  }

  /** What another broker would know after these entries, before it asks whether that is too many members. */
  reloaded(entries: readonly GroupEntry[]): GroupShard {
    const shard = new this.#machine.GroupShard(settings)
    for (const entry of entries) shard.replay(entry, this.nowMs)
    return shard
  }

  /** Everything that waits is told, and nothing is left. */
  finish(): void {
    while (this.hasWrites) {
      this.commitOne(9)
      this.settle()
    }
    this.shard.unload(ErrorCode.NOT_COORDINATOR)
    this.settle()
    assert(this.unanswered === 0, 'every request is answered')
  }

  /** The state after every prefix of the log is what it was when that was written. */
  examineLog(): void {
    const shard = new this.#machine.GroupShard(settings)
    let at = 0
    for (const { entries, image: expected } of this.images) {
      for (; at < entries; at++) shard.replay(this.log[at]!, this.nowMs)
      assert(image(shard) === expected, `after ${entries} entries the log says what the state was`)
    }
    assert(at === this.log.length, 'the whole log was looked at')
  }
}

/** What is in the log of each group that has anything there. */
export function image(shard: GroupShard): string {
  const groups = [...shard.groups.values()]
    .filter(({ record, offsets }) => record !== null || offsets.size > 0)
    .map(({ groupId, record, offsets }) => ({
      groupId,
      record: record && {
        ...record,
        members: record.members.map(member => ({
          ...member,
          subscription: member.subscription.toString('hex'),
          assignment: member.assignment.toString('hex'),
        })),
      },
      offsets: [...offsets]
        .map(([topic, partitions]) => [topic, [...partitions].sort(([a], [b]) => a - b)] as const)
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    }))
    .sort((a, b) => (a.groupId < b.groupId ? -1 : 1))
  return JSON.stringify(groups)
}

import { describe, expect, test } from '@jest/globals'
import { ErrorCode } from '@millrace/protocol/errors'
import { assert } from '@millrace/runtime/invariant'
import { SeededRandom } from '@millrace/testing/world/seeded-random'
import type { GroupEntry } from './entries.ts'
import type { Group } from './group.ts'
import { nothing, type GroupReply, type JoinReply, type JoinRequest, type SyncReply } from './group-requests.ts'
import { GroupShard } from './group-shard.ts'

const settings = {
  minSessionTimeoutMs: 10,
  maxSessionTimeoutMs: 100_000,
  initialRebalanceDelayMs: 20,
  maxSize: 6,
  offsetMetadataMaxBytes: 4096,
  offsetsRetentionMs: 1_000,
}
const groupIds = ['a', 'b']
const partitionCount = 5

interface Client {
  readonly groupId: string
  readonly instance: string | null
  memberId: string
  generation: number
  isLeader: boolean
  members: JoinReply['members']
  state: 'idle' | 'joining' | 'joined' | 'syncing' | 'stable' | 'dead'
}

/** A shell with a log of its own, where writes commit later, in order, or fail; and clients that do what they like. */
class Run {
  readonly shard = new GroupShard(settings)
  readonly log: GroupEntry[] = []
  readonly clients: Client[] = []
  nowMs = 1_000
  private readonly uint32: () => number
  private readonly pendingWrites: { writeId: number; entries: readonly GroupEntry[] }[] = []
  private readonly timers = new Map<string, { groupId: string; key: string; atMs: number }>()
  private readonly parked = new Map<number, (reply: never) => void>()
  private readonly answered = new Set<number>()
  private readonly generations = new Map<Group, number>()
  /** group, generation, partition -> who may work on it. */
  private readonly owners = new Map<string, string>()
  private nextToken = 0
  private nextMember = 0
  stableSeen = 0

  constructor(seed: number) {
    const random = new SeededRandom(seed)
    this.uint32 = () => random.uint32()
  }

  chance(bound: number): number {
    return this.uint32() % bound
  }

  private get now() {
    return { monotonicMs: this.nowMs, wallMs: this.nowMs }
  }

  token(onReply: (reply: never) => void): number {
    const token = this.nextToken++
    this.parked.set(token, onReply)
    return token
  }

  /** Takes what the machine asks for, and looks whether that is right. */
  settle(): void {
    for (let again = true; again;) {
      const { writes, replies, timers } = this.shard.take()
      again = writes.length + replies.length + timers.length > 0
      this.pendingWrites.push(...writes)
      for (const { groupId, key, atMs } of timers) {
        if (atMs === null) this.timers.delete(`${groupId} ${key}`)
        else this.timers.set(`${groupId} ${key}`, { groupId, key, atMs })
      }
      for (const { token, response } of replies) this.onReply(token, response)
    }
    for (const group of this.shard.groups.values()) {
      assert(group.generation >= (this.generations.get(group) ?? 0), 'a generation only grows')
      this.generations.set(group, group.generation)
    }
  }

  private onReply(token: number, response: GroupReply): void {
    assert(!this.answered.has(token), 'a request is answered once')
    this.answered.add(token)
    const onReply = this.parked.get(token)
    this.parked.delete(token)
    onReply?.(response as never)
  }

  get unanswered(): number {
    return this.parked.size
  }

  commitOne(): void {
    const write = this.pendingWrites.shift()
    if (write === undefined) return
    const fails = this.chance(10) === 0
    if (!fails) {
      for (const entry of write.entries) {
        this.log.push(entry)
        this.shard.replay(entry, this.nowMs)
      }
    }
    this.shard.onWritten(write.writeId, fails ? ErrorCode.NOT_ENOUGH_REPLICAS : ErrorCode.NONE, this.now)
  }

  advance(ms: number): void {
    this.nowMs += ms
    for (const [name, { groupId, key, atMs }] of [...this.timers].sort(([, a], [, b]) => a.atMs - b.atMs)) {
      if (atMs > this.nowMs || !this.timers.delete(name)) continue
      this.shard.onTimer(groupId, key, this.now)
      this.settle()
    }
  }

  newClient(): void {
    const groupId = groupIds[this.chance(groupIds.length)]!
    const instance = this.chance(3) === 0 ? `i${this.chance(3)}` : null
    const blank = { memberId: '', generation: -1, isLeader: false, members: [] }
    this.clients.push({ groupId, instance, ...blank, state: 'idle' })
  }

  join(client: Client): void {
    client.state = 'joining'
    const protocols = [
      { name: 'range', metadata: Buffer.from(String(this.chance(2))) },
      { name: 'sticky', metadata: nothing },
    ]
    const request: JoinRequest = {
      groupId: client.groupId,
      memberId: client.memberId,
      groupInstanceId: client.instance,
      clientId: 'c',
      clientHost: '/127.0.0.1',
      sessionTimeoutMs: 100 + this.chance(200),
      rebalanceTimeoutMs: 50 + this.chance(100),
      protocolType: 'consumer',
      protocols: this.chance(2) === 0 ? protocols : protocols.reverse(),
      freshMemberId: `m${this.nextMember++}`,
      requiresKnownMemberId: client.instance === null && this.chance(3) > 0,
      supportsSkippingAssignment: this.chance(2) === 0,
    }
    const onReply = (reply: JoinReply): void => {
      if (client.state === 'dead') return
      if (reply.errorCode === ErrorCode.MEMBER_ID_REQUIRED) client.memberId = reply.memberId
      if (reply.errorCode === ErrorCode.FENCED_INSTANCE_ID) client.state = 'dead'
      else client.state = reply.errorCode === ErrorCode.NONE ? 'joined' : 'idle'
      if (reply.errorCode === ErrorCode.UNKNOWN_MEMBER_ID) client.memberId = ''
      if (reply.errorCode !== ErrorCode.NONE) return
      client.memberId = reply.memberId
      client.generation = reply.generationId
      client.isLeader = reply.leader === reply.memberId && !reply.skipAssignment
      client.members = reply.members
    }
    this.shard.join(request, this.token(onReply), this.now)
  }

  sync(client: Client): void {
    client.state = 'syncing'
    const { groupId, memberId, instance, generation } = client
    const shift = this.chance(5)
    const assignments = client.isLeader
      ? client.members.map((member, index) => ({
          memberId: member.memberId,
          assignment: Buffer.from(
            Array.from({ length: partitionCount }, (_, p) => p).filter(
              p => (p + shift) % client.members.length === index,
            ),
          ),
        }))
      : []
    const onReply = (reply: SyncReply): void => {
      if (reply.errorCode === ErrorCode.NONE) this.own(client, generation, reply.assignment)
      if (client.state === 'dead') return
      if (reply.errorCode === ErrorCode.FENCED_INSTANCE_ID) client.state = 'dead'
      else client.state = reply.errorCode === ErrorCode.NONE ? 'stable' : 'idle'
      if (reply.errorCode === ErrorCode.UNKNOWN_MEMBER_ID) client.memberId = ''
    }
    this.shard.sync(
      {
        ...{ groupId, memberId, groupInstanceId: instance, generationId: generation },
        ...{ protocolType: 'consumer', protocolName: null, assignments },
      },
      this.token(onReply),
      this.now,
    )
  }

  private own(client: Client, generation: number, assignment: Buffer): void {
    this.stableSeen++
    // A static member that came back under another id is the same owner.
    const owner = client.instance ?? client.memberId
    const group = this.shard.groups.get(client.groupId)
    const life = group === undefined ? '?' : this.lifeOf(group)
    for (const partition of assignment) {
      const key = `${client.groupId} ${life} ${generation} ${partition}`
      const known = this.owners.get(key) ?? owner
      assert(known === owner, `${known} and ${owner} own ${key}`)
      this.owners.set(key, owner)
    }
  }

  private readonly lives = new Map<Group, number>()
  private lifeOf(group: Group): number {
    const life = this.lives.get(group) ?? this.lives.size
    this.lives.set(group, life)
    return life
  }

  act(client: Client): void {
    const { groupId, memberId, instance: groupInstanceId, generation: generationId } = client
    const member = { groupId, memberId, groupInstanceId, generationId }
    if (client.state === 'idle') return this.join(client)
    if (client.state === 'joined') return this.sync(client)
    if (client.state === 'joining' || client.state === 'syncing') {
      // Its connection broke: it asks again.
      if (this.chance(20) !== 0) return
      return client.state === 'joining' ? this.join(client) : this.sync(client)
    }
    const what = this.chance(20)
    if (what === 0) {
      this.shard.leave(groupId, [{ memberId, groupInstanceId }], this.now)
      client.state = 'dead'
    } else if (what === 1) client.state = 'dead'
    else if (what === 2) this.join(client)
    else if (what < 8) {
      const value = {
        ...{ offset: this.nowMs, leaderEpoch: -1, metadata: '' },
        ...{ commitTimestampMs: this.nowMs, expireTimestampMs: -1 },
      }
      const offsets = [{ topic: 't', partition: this.chance(3), value }]
      this.shard.commitOffsets(
        { ...member, offsets },
        this.token(() => {}),
        this.now,
      )
    } else {
      const errorCode = this.shard.heartbeat(member, this.now)
      if (errorCode === ErrorCode.UNKNOWN_MEMBER_ID) client.memberId = ''
      if (errorCode === ErrorCode.FENCED_INSTANCE_ID) client.state = 'dead'
      else if (errorCode !== ErrorCode.NONE) client.state = 'idle'
    }
  }

  step(): void {
    const alive = this.clients.filter(({ state }) => state !== 'dead')
    const what = this.chance(100)
    if (what < 5 && alive.length < 9) this.newClient()
    else if (what < 30) this.commitOne()
    else if (what < 32) this.advance(this.chance(150))
    else if (what < 40) this.advance(this.chance(10))
    else if (what < 41) {
      this.shard.expireOffsets(this.now)
    } else if (what < 42) {
      const groupId = groupIds[this.chance(groupIds.length)]!
      this.shard.deleteGroup(
        groupId,
        this.token(() => {}),
        this.now,
      )
    } else if (alive.length > 0) this.act(alive[this.chance(alive.length)]!)
    this.settle()
  }

  /** What another broker would know now. */
  reloaded(): GroupShard {
    // Static members may be more than newcomers would be let in; a load would rebalance then.
    const shard = new GroupShard({ ...settings, maxSize: 100 })
    for (const entry of this.log) shard.replay(entry, this.nowMs)
    return shard
  }

  finish(): void {
    while (this.pendingWrites.length > 0) {
      this.commitOne()
      this.settle()
    }
    this.shard.unload(ErrorCode.NOT_COORDINATOR)
    this.settle()
  }
}

/** What is in the log of each group that has anything there. */
function image(shard: GroupShard): unknown {
  return [...shard.groups.values()]
    .filter(({ record, offsets }) => record !== null || offsets.size > 0)
    .map(({ groupId, record, offsets }) => ({
      groupId,
      record,
      offsets: [...offsets].map(([topic, partitions]) => [topic, [...partitions].sort(([a], [b]) => a - b)]),
    }))
    .sort((a, b) => (a.groupId < b.groupId ? -1 : 1))
}

const firstSeed = Number(process.env['GROUP_SEED'] ?? 1)
const seeds = Array.from({ length: Number(process.env['GROUP_SEEDS'] ?? 60) }, (_, i) => firstSeed + i)

describe('groups: random clients, writes that commit late or fail', () => {
  test.each(seeds)(
    'one owner per partition and generation, one answer per request, the log knows all (seed %i)',
    seed => {
      const run = new Run(seed)
      for (let step = 0; step < 3000; step++) {
        run.step()
        if (step % 97 !== 0) continue
        const other = run.reloaded()
        expect(image(other)).toEqual(image(run.shard))
        other.onLoaded({ monotonicMs: run.nowMs, wallMs: run.nowMs })
        for (const group of run.shard.groups.values()) {
          if (!group.is('Stable') || group.record?.generation !== group.generation) continue
          const loaded = other.groups.get(group.groupId)
          expect([loaded?.state, loaded?.generation, loaded?.protocolName]).toEqual([
            'Stable',
            group.generation,
            group.protocolName,
          ])
          const assigned = (g: Group | undefined) =>
            [...(g?.members.values() ?? [])]
              .map(m => `${m.groupInstanceId ?? m.memberId} ${m.assignment.toString('hex')}`)
              .sort((a, b) => (a < b ? -1 : 1))
          expect(assigned(loaded)).toEqual(assigned(group))
        }
      }
      run.finish()
      expect(run.unanswered).toBe(0)
      expect(run.stableSeen).toBeGreaterThan(0)
    },
  )
})

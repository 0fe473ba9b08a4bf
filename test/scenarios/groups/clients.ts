import { ErrorCode } from '@millrace/protocol/errors'
import { assert } from '@millrace/runtime/invariant'
import { SeededRandom } from '@millrace/testing/world/seeded-random'
import type { Group } from '../../../packages/broker/src/core/groups/group.ts'
import type {
  GroupProtocol,
  JoinReply,
  JoinRequest,
  OffsetCommitReply,
  SyncReply,
} from '../../../packages/broker/src/core/groups/group-requests.ts'
import { Coordinator, type GroupMachine } from './coordinator.ts'

const groupIds = ['a', 'b']
const partitionCount = 5
const clientsMax = 9

/** `ConsumerProtocolSubscription` v0 of topic `t`; `userData` makes it one of several. */
const subscription = (userData: number): Buffer => Buffer.from(`0000000000010001740000000${'1'}0${userData}`, 'hex')

export interface Client {
  readonly groupId: string
  readonly instance: string | null
  readonly protocols: readonly string[]
  memberId: string
  generation: number
  isLeader: boolean
  members: JoinReply['members']
  assignment: readonly number[]
  state: 'idle' | 'joining' | 'joined' | 'syncing' | 'stable' | 'dead'
}

/** Members of two groups that do what they like, and what must be true of what they are told. */
export class Clients {
  readonly coordinator: Coordinator
  readonly random: SeededRandom
  readonly all: Client[] = []
  /** Group, life, generation and partition -> who may work on it. */
  readonly #owners = new Map<string, string>()
  #nextMember = 0
  #nextOffset = 1

  constructor(machine: GroupMachine, seed: number) {
    this.random = new SeededRandom(seed)
    this.coordinator = new Coordinator(machine, this.random)
  }

  get alive(): Client[] {
    return this.all.filter(({ state }) => state !== 'dead')
  }

  groupOf({ groupId }: Client): Group | undefined {
    return this.coordinator.shard.groups.get(groupId)
  }

  step(): void {
    const { coordinator, random } = this
    const { alive } = this
    const what = random.below(1000)
    if (what < 50 && alive.length < clientsMax) this.#newClient()
    else if (what < 320) coordinator.commitOne()
    else if (what < 335) coordinator.advance(random.below(150))
    else if (what < 420) coordinator.advance(random.below(10))
    else if (what < 430) coordinator.shard.expireOffsets(coordinator.now)
    else if (what < 436) {
      const token = coordinator.token(() => {})
      coordinator.shard.deleteGroup(groupIds[random.below(2)]!, token, coordinator.now)
    } else if (what < 440) {
      const token = coordinator.token(() => {})
      const partitions = [{ topic: 'u', partition: random.below(3) }]
      coordinator.shard.deleteOffsets(groupIds[random.below(2)]!, partitions, token, coordinator.now)
    } else if (what < 443) this.#failOver(random.below(2) === 0)
    else if (alive.length > 0) this.#act(alive[random.below(alive.length)]!)
    coordinator.settle()
  }

  /** Nobody is killed any more, nothing fails, everybody does as told: soon each group is at work on everything. */
  heal(): void {
    const { coordinator } = this
    const fromMs = coordinator.nowMs
    // The last thing that happens to some groups.
    if (this.random.below(2) === 0) for (const client of this.alive) if (client.groupId === 'b') client.state = 'dead'
    for (let round = 0; round < 400; round++) {
      while (coordinator.hasWrites) {
        coordinator.commitOne(9)
        coordinator.settle()
      }
      for (const client of this.alive) {
        if (client.state === 'idle') this.#join(client)
        else if (client.state === 'joined') this.#sync(client)
        else if (client.state === 'stable') this.#heartbeat(client)
        coordinator.settle()
      }
      coordinator.advance(5)
    }
    for (const groupId of groupIds) {
      const members = this.alive.filter(client => client.groupId === groupId)
      const group = coordinator.shard.groups.get(groupId)
      if (group?.is('Empty') === true && group.generation > 0 && group.stateSinceMs > fromMs) {
        assert(group.record?.members.length === 0, 'the log knows when the last member has gone')
      }
      if (members.length === 0 || members.some(({ state }) => state === 'idle')) continue
      assert(group?.state === 'Stable', `${groupId} is at work again, not ${group?.state}`)
      assert(group.members.size === members.length, `${groupId} has its living members, and no others`)
      const owned = members.flatMap(({ assignment }) => assignment)
      assert(new Set(owned).size === owned.length, `nothing is owned twice in ${groupId}`)
      assert(owned.length === partitionCount, `everything is owned in ${groupId}`)
      for (const { state, generation } of members) {
        assert(state === 'stable' && generation === group.generation, `all of ${groupId} are in one generation`)
      }
    }
  }

  #newClient(): void {
    const { random } = this
    const groupId = groupIds[random.below(4) === 0 ? 1 : 0]!
    const instance = random.below(3) === 0 ? `i${random.below(3)}` : null
    const kind = random.below(12)
    const protocols = kind === 0 ? ['range'] : kind === 1 ? ['sticky'] : ['range', 'sticky']
    this.all.push({
      ...{ groupId, instance, memberId: '', generation: -1, isLeader: false, members: [], assignment: [] },
      protocols: random.below(2) === 0 ? protocols : protocols.reverse(),
      state: 'idle',
    })
  }

  /** Connections end: who waited asks again. */
  #failOver(orderly: boolean): void {
    this.coordinator.failOver(orderly)
    for (const client of this.alive) {
      if (client.state === 'joining') client.state = 'idle'
      if (client.state === 'syncing') client.state = 'joined'
    }
  }

  #join(client: Client): void {
    const { random, coordinator } = this
    client.state = 'joining'
    const protocols: GroupProtocol[] = client.protocols.map(name => ({ name, metadata: subscription(random.below(2)) }))
    const request: JoinRequest = {
      groupId: client.groupId,
      memberId: client.memberId,
      groupInstanceId: client.instance,
      clientId: 'c',
      clientHost: '/127.0.0.1',
      sessionTimeoutMs: 100 + random.below(200),
      rebalanceTimeoutMs: 50 + random.below(100),
      protocolType: 'consumer',
      protocols,
      freshMemberId: `m${this.#nextMember++}`,
      requiresKnownMemberId: client.instance === null && random.below(3) > 0,
      supportsSkippingAssignment: random.below(2) === 0,
    }
    const isNewLife = client.instance !== null && client.memberId === ''
    const onReply = (reply: JoinReply): void => this.#onJoined(client, reply, isNewLife)
    coordinator.shard.join(request, coordinator.token(onReply), coordinator.now)
  }

  #onJoined(client: Client, reply: JoinReply, isNewLife: boolean): void {
    const { seen } = this.coordinator
    const { errorCode } = reply
    if (errorCode === ErrorCode.GROUP_MAX_SIZE_REACHED) seen.add('group full')
    if (errorCode === ErrorCode.INCONSISTENT_GROUP_PROTOCOL) seen.add('incompatible protocols')
    if (client.state === 'dead') return
    if (errorCode === ErrorCode.FENCED_INSTANCE_ID) {
      seen.add('fenced')
      client.state = 'dead'
      return
    }
    // Who has no place, or no common protocol, gives up for good.
    const isHopeless = errorCode === ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    client.state = errorCode === ErrorCode.NONE ? 'joined' : isHopeless ? 'dead' : 'idle'
    if (errorCode === ErrorCode.MEMBER_ID_REQUIRED) client.memberId = reply.memberId
    if (errorCode === ErrorCode.UNKNOWN_MEMBER_ID || errorCode === ErrorCode.GROUP_MAX_SIZE_REACHED)
      client.memberId = ''
    if (errorCode !== ErrorCode.NONE) return
    const group = this.groupOf(client)
    assert(group !== undefined && group.generation === reply.generationId, 'members are told of the present generation')
    assert(group.members.has(reply.memberId), 'who is told of a generation is in it')
    if (reply.skipAssignment) seen.add('skipped assignment')
    if (isNewLife && group.is('Stable')) seen.add('static replaced')
    if (reply.members.length > 1) seen.add('generation of several')
    client.memberId = reply.memberId
    client.generation = reply.generationId
    client.isLeader = reply.leader === reply.memberId && !reply.skipAssignment
    client.members = reply.members
  }

  #sync(client: Client): void {
    const { coordinator, random } = this
    client.state = 'syncing'
    const { groupId, memberId, instance, generation } = client
    const shift = random.below(partitionCount)
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
      const { errorCode } = reply
      if (errorCode === ErrorCode.NONE) this.#own(client, memberId, generation, reply.assignment)
      if (errorCode === ErrorCode.ILLEGAL_GENERATION) coordinator.seen.add('stale request refused')
      if (client.state === 'dead') return
      if (errorCode === ErrorCode.FENCED_INSTANCE_ID) client.state = 'dead'
      else client.state = errorCode === ErrorCode.NONE ? 'stable' : 'idle'
      if (errorCode === ErrorCode.UNKNOWN_MEMBER_ID) client.memberId = ''
    }
    const request = {
      ...{ groupId, memberId, groupInstanceId: instance, generationId: generation },
      ...{ protocolType: 'consumer', protocolName: null, assignments },
    }
    coordinator.shard.sync(request, coordinator.token(onReply), coordinator.now)
  }

  #own(client: Client, memberId: string, generation: number, assignment: Buffer): void {
    const { coordinator } = this
    coordinator.seen.add('stable')
    const { groupId } = client
    const group = this.groupOf(client)
    assert(group?.generation === generation, 'a part is given in its generation')
    const member = group.record?.members.find(each => each.memberId === memberId)
    assert(member?.assignment.equals(assignment) === true, 'a part is what the log says')
    client.assignment = [...assignment]
    // A static member that came back under another id is the same owner.
    const owner = client.instance ?? memberId
    for (const partition of assignment) {
      const key = `${groupId} ${coordinator.lifeOf(groupId)} ${generation} ${partition}`
      const known = this.#owners.get(key) ?? owner
      assert(known === owner, `${known} and ${owner} own ${key}`)
      this.#owners.set(key, owner)
    }
  }

  #heartbeat(client: Client): void {
    const { groupId, memberId, instance: groupInstanceId, generation: generationId } = client
    const { coordinator } = this
    const request = { groupId, memberId, groupInstanceId, generationId }
    const errorCode = coordinator.shard.heartbeat(request, coordinator.now)
    if (errorCode === ErrorCode.NONE) this.#examineAccepted(client)
    else coordinator.seen.add('stale request refused')
    if (errorCode === ErrorCode.UNKNOWN_MEMBER_ID) client.memberId = ''
    if (errorCode === ErrorCode.FENCED_INSTANCE_ID) client.state = 'dead'
    else if (errorCode !== ErrorCode.NONE) client.state = 'idle'
  }

  #examineAccepted(client: Client): void {
    const group = this.groupOf(client)
    assert(group?.members.has(client.memberId) === true, 'only members are heard')
    assert(group.generation === client.generation, 'only the present generation is heard')
    const current = client.instance === null ? client.memberId : group.staticMembers.get(client.instance)
    assert(current === client.memberId, 'an instance is heard under its last id')
  }

  #commit(client: Client): void {
    const { coordinator, random } = this
    const { groupId, memberId, instance: groupInstanceId, generation: generationId } = client
    const offset = this.#nextOffset++
    const topic = random.below(3) === 0 ? 'u' : 't'
    const times = { commitTimestampMs: coordinator.nowMs, expireTimestampMs: -1 }
    const value = { offset, leaderEpoch: -1, metadata: '', ...times }
    const offsets = [{ topic, partition: random.below(3), value }]
    const isOutsider = random.below(10) === 0
    const from = isOutsider
      ? { groupId, memberId: '', groupInstanceId: null, generationId: -1 }
      : { groupId, memberId, groupInstanceId, generationId }
    const membersBefore = this.groupOf(client)?.members.size ?? 0
    let isWaiting = true
    const onReply = ({ errorCode, isRefused }: OffsetCommitReply): void => {
      isWaiting = false
      if (isRefused) coordinator.seen.add('stale request refused')
      if (errorCode !== ErrorCode.NONE) return
      const kept = coordinator.log.some(entry => entry.kind === 'offset' && entry.value?.offset === offset)
      assert(kept, 'an offset that was acknowledged is in the log')
    }
    coordinator.shard.commitOffsets({ ...from, offsets }, coordinator.token(onReply), coordinator.now)
    coordinator.settle()
    if (!isWaiting) return
    if (isOutsider) assert(membersBefore === 0, 'nobody commits from outside of a group that has members')
    else if (generationId >= 0) this.#examineAccepted(client)
  }

  #act(client: Client): void {
    const { random } = this
    if (client.state === 'idle') return this.#join(client)
    if (client.state === 'joined') return this.#sync(client)
    if (client.state === 'joining' || client.state === 'syncing') {
      const what = random.below(40)
      // Its connection broke, and it asks again; or it is killed while it waits; or it leaves by another connection.
      if (what === 0) client.state = 'dead'
      else if (what === 1) this.#leave(client)
      else if (what < 4 && client.state === 'joining') this.#join(client)
      else if (what < 4) this.#sync(client)
      return
    }
    const what = random.below(24)
    if (what === 0) this.#leave(client)
    else if (what === 1) client.state = 'dead'
    else if (what === 2) this.#join(client)
    else if (what === 3) this.#sync(client)
    else if (what < 10) this.#commit(client)
    else this.#heartbeat(client)
  }

  #leave(client: Client): void {
    const { coordinator } = this
    const { groupId, memberId, instance: groupInstanceId } = client
    const group = this.groupOf(client)
    if (group?.is('PreparingRebalance') === true && group.isLeader(memberId)) {
      coordinator.seen.add('leader left while joining')
    }
    coordinator.shard.leave(groupId, [{ memberId, groupInstanceId }], coordinator.now)
    client.state = 'dead'
  }
}

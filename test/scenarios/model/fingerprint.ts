import { AnyController } from '@millrace/broker/core/partition/in-sync-set'
import type { Message, Replica, World } from './world.ts'

/** Fingerprints of 53 bits, in open addressing: a million worlds cost 16 MB. */
export class Seen {
  size = 0
  private table = new Float64Array(1 << 16)

  add(key: number): boolean {
    if (this.size * 2 > this.table.length) this.grow()
    if (!this.insert(key)) return false
    this.size++
    return true
  }

  private insert(key: number): boolean {
    const mask = this.table.length - 1
    let slot = key % this.table.length
    while (this.table[slot] !== 0) {
      if (this.table[slot] === key) return false
      slot = (slot + 1) & mask
    }
    this.table[slot] = key
    return true
  }

  private grow(): void {
    const old = this.table
    this.table = new Float64Array(old.length * 2)
    for (const key of old) if (key !== 0) this.insert(key)
  }
}

/**
 * Fingerprint of a world up to renaming of its replicas: the smallest of all renamings that keep replicas in the order of
 * what can be said of them without names. Numbers go straight into the hash: building texts took half of a search.
 */
export class Fingerprints {
  private readonly permutations: readonly (readonly number[])[]
  private readonly hash = new Hash()
  /** `places[id]`: where the replica stands in the renaming that is tried. */
  private readonly places: number[]

  constructor(count: number) {
    this.permutations = permutationsOf(count)
    this.places = Array.from({ length: count }, (_, id) => id)
  }

  of(world: World): number {
    const plain = world.replicas.map((replica, id) => this.plainOf(world, replica, id))
    const order = plain.map((_, id) => id).sort((one, other) => plain[one]! - plain[other]!)
    // order[place] = id. Only among those of whom the same is said every order is tried.
    const isStrict = order.every((id, place) => place === 0 || plain[order[place - 1]!]! < plain[id]!)
    if (isStrict) return this.named(world, order)
    let best = Infinity
    for (const each of this.permutations) {
      if (each.some((id, place) => place > 0 && plain[each[place - 1]!]! > plain[id]!)) continue
      best = Math.min(best, this.named(world, each))
    }
    return best
  }

  /** What can be said of a replica without names. */
  private plainOf(world: World, replica: Replica, id: number): number {
    const { log, leaderEpoch, brokerEpoch, leader, follower } = replica
    const { hash } = this
    hash.begin()
    hash.add(leader !== null ? 2 : follower !== null ? 1 : 0)
    hash.add(world.znode.leader === id ? 2 : world.znode.inSyncReplicas.includes(id) ? 1 : 0)
    hash.add(leaderEpoch)
    hash.add(brokerEpoch)
    hash.add(log.highWatermark)
    for (const rec of log.records) hash.add(rec >> 3)
    return hash.end()
  }

  private named(world: World, order: readonly number[]): number {
    const { hash, places } = this
    for (let place = 0; place < order.length; place++) places[order[place]!] = place
    const { znode, orders, network, exposed, restarts, controllerEpoch, shunned, shuns, nowMs } = world
    const messages = network.map(message => this.messageOf(message, order, world))
    messages.sort((one, other) => one - other)
    hash.begin()
    for (const id of order) this.addReplica(world.replicas[id]!, id, order, znode.partitionEpoch)
    hash.add(this.place(znode.leader))
    hash.add(this.set(znode.inSyncReplicas))
    hash.add(znode.leaderEpoch)
    hash.add(controllerEpoch)
    hash.add(this.place(shunned))
    hash.add(shuns)
    // What everybody has heard is over.
    let heard = Infinity
    for (const { leaderEpoch } of world.replicas) heard = Math.min(heard, leaderEpoch)
    for (const each of orders) {
      if (each.leaderEpoch <= heard) continue
      hash.add(this.place(each.leader))
      hash.add(this.set(each.inSyncReplicas))
      hash.add(ageOf(each.partitionEpoch, znode.partitionEpoch))
      for (const id of order) hash.add(each.brokerEpochs[id]!)
    }
    hash.add(messages.length)
    for (const message of messages) {
      hash.add(message % 0x1_0000_0000)
      hash.add(Math.floor(message / 0x1_0000_0000))
    }
    this.addRecords(exposed)
    hash.add(restarts)
    hash.add(nowMs)
    return hash.end()
  }

  private addReplica(replica: Replica, id: number, order: readonly number[], newest: number): void {
    const { hash } = this
    const { log, leaderEpoch, partitionEpoch, brokerEpoch, leader, follower } = replica
    this.addRecords(log.records)
    hash.add(log.highWatermark)
    const { entries } = log.leaderEpochs
    hash.add(entries.length)
    for (const { epoch, startOffset } of entries) {
      hash.add(epoch)
      hash.add(startOffset)
    }
    hash.add(leaderEpoch)
    hash.add(ageOf(partitionEpoch, newest))
    hash.add(brokerEpoch)
    if (leader !== null) {
      const { followers, isr } = leader as unknown as LeaderFields
      hash.add(1)
      hash.add(leader.epochStartOffset)
      hash.add(ageOf(leader.partitionEpoch, newest))
      hash.add(this.set(leader.inSyncReplicas))
      const { pending } = isr
      hash.add(pending === null ? 0 : pending.kind === 'pending-expand' ? 1 : 2)
      if (pending !== null) {
        hash.add(this.set(leader.maximalInSyncReplicas))
        hash.add(pending.uncertainAtMs ?? -1)
        hash.add(pending.uncertainEpoch)
      }
      for (const each of order) {
        if (each === id) continue
        const follower = followers.find(({ brokerId }) => brokerId === each)!
        hash.add(follower.logEndOffset)
        hash.add(follower.brokerEpoch)
      }
    } else if (follower !== null) {
      const fields = follower as unknown as FollowerFields
      hash.add(2)
      hash.add(this.place(follower.leaderId))
      hash.add(phases.indexOf(fields.phase))
      hash.add(fields.fetchOffset)
      hash.add(fields.cutOffset)
      hash.add(fields.askedEpoch)
      hash.add(fields.isAligned ? 1 : 0)
    } else hash.add(0)
  }

  private messageOf(message: Message, order: readonly number[], world: World): number {
    const { hash } = this
    const newest = world.znode.partitionEpoch
    hash.begin()
    switch (message.kind) {
      case 'fetch': {
        const { leaderEpoch, fetchOffset, lastFetchedEpoch } = message.asked
        hash.add(1)
        hash.add(this.place(message.from))
        hash.add(this.place(message.to))
        hash.add(message.brokerEpoch)
        hash.add(leaderEpoch)
        hash.add(fetchOffset)
        hash.add(lastFetchedEpoch)
        break
      }
      case 'fetched': {
        const { answer, asked } = message
        hash.add(2)
        hash.add(this.place(message.to))
        hash.add(message.brokerEpoch)
        hash.add(asked.leaderEpoch)
        hash.add(asked.fetchOffset)
        hash.add(asked.lastFetchedEpoch)
        hash.add(answer.errorCode)
        hash.add(answer.highWatermark)
        hash.add(answer.divergingEpoch.leaderEpoch)
        hash.add(answer.divergingEpoch.endOffset)
        this.addRecords(message.records)
        break
      }
      case 'alter': {
        const { leaderEpoch, partitionEpoch, inSyncReplicas } = message.proposal
        hash.add(3)
        hash.add(message.copy)
        hash.add(message.attempt.controllerEpoch)
        hash.add(rankOf(message, world))
        hash.add(this.place(message.from))
        hash.add(leaderEpoch)
        hash.add(ageOf(partitionEpoch, newest))
        this.addMembers(inSyncReplicas, order)
        break
      }
      case 'altered': {
        const { answer, proposal } = message
        hash.add(4)
        hash.add(message.attempt.controllerEpoch)
        hash.add(this.place(message.to))
        hash.add(proposal.leaderEpoch)
        hash.add(ageOf(proposal.partitionEpoch, newest))
        this.addMembers(proposal.inSyncReplicas, order)
        if (answer === 'unknown') hash.add(1)
        else if ('errorCode' in answer) {
          hash.add(2)
          hash.add(answer.errorCode)
        } else {
          hash.add(3)
          hash.add(answer.leaderEpoch)
          hash.add(ageOf(answer.partitionEpoch, newest))
          hash.add(this.set(answer.inSyncReplicas))
        }
        break
      }
    }
    return hash.end()
  }

  private addRecords(records: readonly number[]): void {
    this.hash.add(records.length)
    for (const rec of records) this.hash.add((rec >> 3) * 8 + this.places[rec & 7]!)
  }

  /** A member may have the broker epoch -1: it did not say. */
  private addMembers(members: readonly { brokerId: number; brokerEpoch: number }[], order: readonly number[]): void {
    for (const id of order) this.hash.add(members.find(({ brokerId }) => brokerId === id)?.brokerEpoch ?? -2)
  }

  private place(id: number): number {
    return id < 0 ? -1 : this.places[id]!
  }

  private set(ids: readonly number[]): number {
    let mask = 0
    for (const id of ids) mask |= 1 << this.places[id]!
    return mask
  }
}

/** Numbers of attempts are only compared, with those of the same sender: 0 when a later one was looked at, else by age among those under way. */
function rankOf({ from, number, attempt }: Message & { kind: 'alter' }, { network, newestAttempts }: World): number {
  if (attempt.controllerEpoch === AnyController) return 1
  if (number < newestAttempts[from]!) return 0
  return network.filter(each => each.kind === 'alter' && each.from === from && each.number <= number).length
}

/** Partition epochs are only compared: counted back from the newest, a shrink and an expansion lead to where one began. */
const ageOf = (partitionEpoch: number, newest: number): number => (partitionEpoch < 0 ? -1 : newest - partitionEpoch)

interface LeaderFields {
  followers: readonly { brokerId: number; logEndOffset: number; brokerEpoch: number }[]
  isr: { pending: { kind: string; uncertainAtMs: number | null; uncertainEpoch: number } | null }
}

interface FollowerFields {
  phase: string
  fetchOffset: number
  cutOffset: number
  askedEpoch: number
  isAligned: boolean
}

const phases = [
  'fetching',
  'asking-epoch-end',
  'asking-leader-end',
  'asking-leader-start',
  'truncating',
  'restarting',
  'failed',
]

/** Two lanes of 32 bits, each as MurmurHash3 mixes; the second one also takes in the first. */
class Hash {
  private low = 0
  private high = 0

  begin(): void {
    this.low = 0x811c9dc5 | 0
    this.high = 0x1b873593
  }

  add(value: number): void {
    let mixed = Math.imul(value | 0, 0xcc9e2d51)
    mixed = Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593)
    let { low } = this
    low ^= mixed
    low = (Math.imul((low << 13) | (low >>> 19), 5) + 0xe6546b64) | 0
    this.low = low
    const high = Math.imul(this.high ^ (value + 0x7f4a7c15), 0x85ebca6b)
    this.high = (high ^ (high >>> 13)) + low
  }

  /** Above zero, below 2^53. */
  end(): number {
    return (finish(this.high) & 0x1fffff) * 0x1_0000_0000 + (finish(this.low) >>> 0) + 1
  }
}

function finish(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return mixed ^ (mixed >>> 16)
}

function permutationsOf(count: number): number[][] {
  if (count === 0) return [[]]
  return permutationsOf(count - 1).flatMap(shorter =>
    Array.from({ length: count }, (_, at) => [...shorter.slice(0, at), count - 1, ...shorter.slice(at)]),
  )
}

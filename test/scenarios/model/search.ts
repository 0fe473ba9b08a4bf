import { check, converge } from './invariants.ts'
import type { Action, Model } from './model.ts'
import type { Message, Replica, World } from './world.ts'

export interface SearchResult {
  /** Distinct worlds, counting those that differ only in the names of the replicas once. */
  readonly states: number
  readonly transitions: number
  /** Depth that was searched completely. */
  readonly depth: number
  /** Every reachable world was seen. */
  readonly isComplete: boolean
  readonly violation: Violation | null
}

export interface Violation {
  readonly why: string
  readonly trail: readonly string[]
}

interface Node {
  readonly world: World
  readonly parent: Node | null
  readonly action: Action | null
}

/** Breadth first: the shortest story of a violation, and a proof that there is none up to that depth. */
export function search(
  model: Model,
  options: {
    readonly depth: number
    readonly maxStates: number
    readonly onDepth?: (depth: number, states: number) => void
  },
): SearchResult {
  const seen = new Seen()
  const keys = new Keys(model.bounds.replicas)
  const first = model.initial()
  seen.add(keys.of(first))
  let frontier: Node[] = [{ world: first, parent: null, action: null }]
  let transitions = 0
  for (let depth = 1; depth <= options.depth; depth++) {
    const next: Node[] = []
    for (const node of frontier) {
      for (const action of model.actions(node.world)) {
        transitions++
        let world: World
        try {
          world = check(node.world, model.apply(node.world, action))
        } catch (error) {
          const violation = { why: String(error), trail: [...trailOf(node), describe(node.world, action)] }
          return { states: seen.size, transitions, depth: depth - 1, isComplete: false, violation }
        }
        if (world === node.world || !seen.add(keys.of(world))) continue
        next.push({ world, parent: node, action })
        if (seen.size >= options.maxStates) {
          return { states: seen.size, transitions, depth: depth - 1, isComplete: false, violation: null }
        }
      }
    }
    options.onDepth?.(depth, seen.size)
    if (next.length === 0) return { states: seen.size, transitions, depth, isComplete: true, violation: null }
    frontier = next
  }
  return { states: seen.size, transitions, depth: options.depth, isComplete: false, violation: null }
}

/** Random walks, each healed at its end: deeper than a search comes, and with the odds on what goes wrong in practice. */
export function walk(
  model: Model,
  options: { readonly seed: number; readonly steps: number; readonly withTime: boolean },
): Violation | null {
  let state = options.seed
  const below = (end: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 0x1_0000_0000) * end)
  }
  let world = model.initial()
  const trail: string[] = []
  try {
    for (let step = 0; step < options.steps; step++) {
      const actions = model.actions(world)
      if (options.withTime) actions.push({ do: 'wait', ms: 1 + below(8) })
      // Epochs end a walk: they are used up slowly. Fetches make progress: they come often.
      const weights = actions.map(action => weightOf[action.do])
      let left = below(weights.reduce((sum, weight) => sum + weight, 0))
      const index = weights.findIndex(weight => (left -= weight) < 0)
      const action = actions[index]!
      trail.push(describe(world, action))
      world = check(world, model.apply(world, action))
    }
    trail.push('heal')
    converge(model, world)
  } catch (error) {
    return { why: String(error), trail }
  }
  return null
}

const weightOf: Readonly<Record<Action['do'], number>> = {
  write: 6,
  tick: 5,
  fetch: 12,
  ask: 3,
  'ask-and-hold': 3,
  restart: 4,
  lose: 1,
  elect: 1,
  'fail-over': 2,
  hear: 4,
  deliver: 6,
  wait: 6,
}

function trailOf(node: Node): string[] {
  const trail: string[] = []
  for (let each: Node | null = node; each !== null && each.parent !== null; each = each.parent) {
    trail.unshift(describe(each.parent.world, each.action!))
  }
  return trail
}

function describe(world: World, action: Action): string {
  if (action.do === 'deliver') {
    const { kind } = world.network[action.message]!
    const message = world.network[action.message]!
    const who = 'from' in message ? `from ${message.from}` : `to ${message.to}`
    return `deliver ${kind} ${who}, ${action.then}`
  }
  if (action.do === 'wait') return `wait ${action.ms} ms`
  return `${action.do} ${action.replica}${action.do === 'hear' ? ` (epoch ${action.epoch})` : ''}`
}

/** Fingerprints of 53 bits, in open addressing: a million worlds cost 16 MB. */
class Seen {
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
 * what can be said of them without names.
 */
class Keys {
  private readonly permutations: readonly (readonly number[])[]

  constructor(count: number) {
    this.permutations = permutationsOf(count)
  }

  of(world: World): number {
    const plain = world.replicas.map((replica, id) => plainOf(world, replica, id))
    const order = plain.map((_, id) => id).sort((one, other) => (plain[one]! < plain[other]! ? -1 : 1))
    // order[place] = id. Only among those of whom the same is said every order is tried.
    const isStrict = order.every((id, place) => place === 0 || plain[order[place - 1]!]! < plain[id]!)
    if (isStrict) return fingerprint(textOf(world, order))
    let best: string | null = null
    for (const each of this.permutations) {
      if (each.some((id, place) => place > 0 && plain[each[place - 1]!]! > plain[id]!)) continue
      const text = textOf(world, each)
      if (best === null || text < best) best = text
    }
    return fingerprint(best!)
  }
}

function plainOf(world: World, { log, leaderEpoch, brokerEpoch, leader, follower }: Replica, id: number): string {
  const { znode } = world
  const role = leader !== null ? 'L' : follower !== null ? 'F' : '-'
  const place = znode.leader === id ? 2 : znode.inSyncReplicas.includes(id) ? 1 : 0
  return `${role}${place}${leaderEpoch}.${brokerEpoch}.${log.highWatermark}.${log.records.map(rec => rec >> 3).join('')}`
}

interface LeaderFields {
  followers: readonly {
    brokerId: number
    logEndOffset: number
    brokerEpoch: number
    caughtUpAtMs: number
    lastFetchAtMs: number
  }[]
  isr: { pending: { kind: string; proposal: object; uncertainAtMs: number | null } | null }
}

interface FollowerFields {
  phase: string
  fetchOffset: number
  cutOffset: number
  askedEpoch: number
  isAligned: boolean
}

function textOf(world: World, order: readonly number[]): string {
  const name = (id: number): string => (id < 0 ? 'n' : String(order.indexOf(id)))
  const names = (ids: readonly number[]): string => {
    let mask = 0
    for (const id of ids) mask |= 1 << order.indexOf(id)
    return String(mask)
  }
  const records = (recs: readonly number[]): string => recs.map(rec => `${rec >> 3}${name(rec & 7)}`).join('')
  const { znode, orders, network, exposed, restarts, nowMs } = world
  // Partition epochs are only compared: counted back from the newest, a shrink and an expansion lead to where one began.
  const age = (partitionEpoch: number): number => (partitionEpoch < 0 ? -1 : znode.partitionEpoch - partitionEpoch)
  const parts: string[] = []
  for (const id of order) {
    const { log, leaderEpoch, partitionEpoch, brokerEpoch, leader, follower } = world.replicas[id]!
    let role = '-'
    if (leader !== null) {
      const { followers, isr } = leader as unknown as LeaderFields
      const progress = order
        .filter(each => each !== id)
        .map(each => {
          const { logEndOffset, brokerEpoch: epoch } = followers.find(({ brokerId }) => brokerId === each)!
          return `${logEndOffset}/${epoch}`
        })
      const { pending } = isr
      const change =
        pending === null ? '' : `${pending.kind}${names(leader.maximalInSyncReplicas)}${pending.uncertainAtMs}`
      role = `L${leader.epochStartOffset},${age(leader.partitionEpoch)},${names(leader.inSyncReplicas)},${change},${progress.join()}`
    } else if (follower !== null) {
      const fields = follower as unknown as FollowerFields
      role = `F${name(follower.leaderId)},${fields.phase},${fields.fetchOffset},${fields.cutOffset},${fields.askedEpoch},${fields.isAligned}`
    }
    const epochs = log.leaderEpochs.entries.map(({ epoch, startOffset }) => `${epoch}@${startOffset}`).join()
    parts.push(
      `${records(log.records)}|${log.highWatermark}|${epochs}|${leaderEpoch}|${age(partitionEpoch)}|${brokerEpoch}|${role}`,
    )
  }
  parts.push(`${name(znode.leader)}:${names(znode.inSyncReplicas)}:${znode.leaderEpoch}`)
  // What everybody has heard is over.
  const heard = Math.min(...world.replicas.map(({ leaderEpoch }) => leaderEpoch))
  for (const { leader, leaderEpoch, inSyncReplicas, partitionEpoch, brokerEpochs } of orders) {
    if (leaderEpoch <= heard) continue
    parts.push(
      `${name(leader)}:${names(inSyncReplicas)}:${age(partitionEpoch)}:${order.map(id => brokerEpochs[id]).join()}`,
    )
  }
  const text = (message: Message): string => {
    switch (message.kind) {
      case 'fetch': {
        const { leaderEpoch, fetchOffset, lastFetchedEpoch } = message.asked
        return `f${name(message.from)}${name(message.to)}${message.brokerEpoch},${leaderEpoch},${fetchOffset},${lastFetchedEpoch}`
      }
      case 'fetched': {
        const { answer, asked } = message
        const { epoch, endOffset } = {
          epoch: answer.divergingEpoch.leaderEpoch,
          endOffset: answer.divergingEpoch.endOffset,
        }
        return `d${name(message.to)}${message.brokerEpoch},${asked.leaderEpoch},${asked.fetchOffset},${answer.errorCode},${answer.highWatermark},${epoch},${endOffset},${records(message.records)}`
      }
      case 'alter': {
        const { leaderEpoch, partitionEpoch, inSyncReplicas } = message.proposal
        const epochs = order.flatMap(id =>
          inSyncReplicas.filter(({ brokerId }) => brokerId === id).map(each => each.brokerEpoch),
        )
        return `a${message.copy}${name(message.from)},${leaderEpoch},${age(partitionEpoch)},${names(inSyncReplicas.map(each => each.brokerId))},${epochs.join()}`
      }
      case 'altered':
        return `b${name(message.to)},${message.proposal.leaderEpoch},${age(message.proposal.partitionEpoch)},${JSON.stringify(message.answer, (key, value) => (key === 'inSyncReplicas' ? names(value) : key === 'partitionEpoch' ? age(value) : value))}`
    }
  }
  parts.push(network.map(text).sort().join('+'), records(exposed), `${restarts},${nowMs}`)
  return parts.join(';')
}

function fingerprint(text: string): number {
  let low = 0x811c9dc5
  let high = 0x1b873593
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    low = Math.imul(low ^ code, 0x01000193)
    high = Math.imul(high ^ code, 0x85ebca6b) ^ (high >>> 13)
  }
  return ((high >>> 0) & 0x1fffff) * 0x1_0000_0000 + (low >>> 0) + 1
}

function permutationsOf(count: number): number[][] {
  if (count === 0) return [[]]
  return permutationsOf(count - 1).flatMap(shorter =>
    Array.from({ length: count }, (_, at) => [...shorter.slice(0, at), count - 1, ...shorter.slice(at)]),
  )
}

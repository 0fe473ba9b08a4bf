import { describe, expect, test } from '@jest/globals'
import { SeededRandom } from '../world/seeded-random.ts'
import { checkGroups, groupAnomalies, longestDelays, type GroupAnomaly } from './check-groups.ts'
import type { GroupEvent, GroupHistory, OwnershipEvent, ProcessedEvent } from './group-history.ts'
import { syntheticGroup } from './synthetic-groups.ts'

const seeds = [1, 2, 3, 4, 5]
const options = { sessionTimeoutMs: 3_000, allowanceMs: 500 }

/** Two groups on one topic. */
function clean(seed: number): GroupHistory {
  const random = new SeededRandom(seed)
  const all = { random, steps: 400, sessionTimeoutMs: options.sessionTimeoutMs }
  const eager = syntheticGroup({ ...all, group: 'eager', isCooperative: false })
  // The records are those of both; the second group processes what it was shown.
  const cooperative = syntheticGroup({ ...all, random: new SeededRandom(seed), group: 'cooperative', isCooperative: true }) // prettier-ignore
  return {
    events: [...eager.events, ...cooperative.events],
    acknowledged: eager.acknowledged,
    calms: [...eager.calms, ...cooperative.calms],
    interruptions: [],
  }
}

const middle = <T>(all: readonly T[]): T => all[Math.floor(all.length / 2)]!
const processedOf = (history: GroupHistory): ProcessedEvent[] =>
  history.events.filter(each => each.type === 'processed')
const assignedOf = (history: GroupHistory): OwnershipEvent[] =>
  history.events.filter(
    (each): each is OwnershipEvent => each.type === 'assigned' && each.partitions.length > 0 && each.instance === null,
  )
const revokedOf = (history: GroupHistory): OwnershipEvent[] =>
  history.events.filter((each): each is OwnershipEvent => each.type === 'revoked' && each.instance === null)
const changed = (history: GroupHistory, event: GroupEvent, change: object): GroupHistory => ({
  ...history,
  events: history.events.map(each => (each === event ? ({ ...each, ...change } as GroupEvent) : each)),
})
const more = (history: GroupHistory, ...events: GroupEvent[]): GroupHistory => ({
  ...history,
  events: [...history.events, ...events],
})

interface Mutation {
  readonly what: string
  readonly apply: (history: GroupHistory) => GroupHistory
  /** The first one is found with every seed. */
  readonly finds: readonly GroupAnomaly[]
}

const mutations: readonly Mutation[] = [
  {
    what: 'a record that one of the groups never processed',
    apply: history => {
      const victim = middle(processedOf(history))
      return { ...history, events: history.events.filter(each => each !== victim) }
    },
    finds: ['unprocessed'],
  },
  {
    what: 'a record that came late, by who owns the partition then',
    apply: history => {
      const last = processedOf(history).at(-1)!
      const early = { ...history.acknowledged.find(({ value }) => value === last.value)!, atMs: last.atMs - 3_600 }
      const others = history.acknowledged.filter(({ value }) => value !== last.value)
      return { ...history, acknowledged: [...others, early] }
    },
    finds: ['late'],
  },
  {
    what: 'a member gets a partition of another one in the same generation',
    apply: history => {
      const victim = middle(assignedOf(history))
      const twin: OwnershipEvent = { ...victim, member: 'other', atMs: victim.atMs + 5 }
      return more(history, twin, { ...twin, type: 'revoked', atMs: victim.atMs + 6 })
    },
    finds: ['owned-twice', 'two-owners'],
  },
  {
    what: 'another member owns a partition for a moment, and its client does not say of which generation',
    apply: history => {
      const victim = middle(assignedOf(history))
      const twin: OwnershipEvent = { ...victim, member: 'other', atMs: victim.atMs + 5, generation: null }
      return more(history, twin, { ...twin, type: 'revoked', atMs: victim.atMs + 6 })
    },
    finds: ['two-owners'],
  },
  {
    what: 'a member goes on after it was revoked',
    apply: history => {
      const revoked = middle(revokedOf(history))
      const { group, member } = revoked
      const own = processedOf(history).findLast(each => each.member === member && each.atMs < revoked.atMs)!
      return more(history, { ...own, group, partition: revoked.partitions[0]!, atMs: revoked.atMs + 1 })
    },
    finds: ['not-owner'],
  },
  {
    what: 'a member processes what was never its own',
    apply: history => {
      const victim = middle(processedOf(history))
      return more(history, { ...victim, member: 'stranger' })
    },
    finds: ['not-owner'],
  },
  {
    what: 'a killed member processes something',
    apply: history => {
      const killed = history.events.find(each => each.type === 'killed')!
      const own = processedOf(history).findLast(
        each => each.member === killed.member && each.group === killed.group && each.atMs < killed.atMs,
      )!
      return more(history, { ...own, atMs: killed.atMs + 1 })
    },
    finds: ['not-owner'],
  },
  {
    what: 'a member that lives is put out of its group',
    apply: history => {
      const revoked = middle(revokedOf(history))
      return changed(history, revoked, { type: 'lost' })
    },
    finds: ['lost-membership'],
  },
  {
    what: 'a member is told an earlier generation',
    apply: history => {
      const last = assignedOf(history).at(-1)!
      return more(history, { ...last, generation: 1, partitions: [], atMs: last.atMs + 1 })
    },
    // What it has now was somebody else's in the first generation; and if it is calm next, it was the wrong generation before.
    finds: ['generation-backwards', 'owned-twice', 'needless-rebalance'],
  },
  {
    what: 'another member is told something while a static one starts again',
    apply: history => {
      const { group, fromMs, toMs } = middle(history.calms)
      const told = history.events.findLast(
        each => each.group === group && each.atMs < fromMs && each.type === 'assigned',
      )!
      return more(history, { ...told, member: 'm99', partitions: [], atMs: toMs - 1 } as OwnershipEvent)
    },
    finds: ['needless-rebalance'],
  },
  {
    what: 'a static member comes back in another generation',
    apply: history => {
      const { group, restarting } = history.calms.at(-1)!
      const [, again] = restarting
      const back = history.events.find(
        each => each.group === group && each.member === again && each.type === 'assigned',
      )!
      return changed(history, back, { generation: (back as OwnershipEvent).generation! + 1 })
    },
    finds: ['needless-rebalance', 'owned-twice'],
  },
]

describe('check-groups', () => {
  test.each(seeds)('groups without faults: nothing is found; the longest delay is a session (seed %i)', seed => {
    const history = clean(seed)
    expect(checkGroups(history, options).violations).toEqual({})
    const delays = longestDelays(history)
    expect([...delays.keys()]).toEqual(['eager', 'cooperative'])
    for (const delay of delays.values()) expect(delay).toBeGreaterThan(options.sessionTimeoutMs - 500)
  })

  describe.each(mutations)('$what', ({ apply, finds }) => {
    test.each(seeds)('found, and nothing else (seed %i)', seed => {
      const found = Object.keys(checkGroups(apply(clean(seed)), options).violations)
      expect(found.filter(anomaly => !finds.includes(anomaly as GroupAnomaly))).toEqual([])
      expect(found).toContain(finds[0])
    })
  })

  test('every violation has its mutation', () => {
    const found = new Set(mutations.map(({ finds }) => finds[0]))
    expect(Object.keys(groupAnomalies).filter(name => !found.has(name as GroupAnomaly))).toEqual([])
  })

  test('the order of the events does not matter', () => {
    const history = clean(3)
    const random = new SeededRandom(3)
    const events = history.events.map(each => ({ each, key: random.uint32() })).sort((a, b) => a.key - b.key)
    expect(checkGroups({ ...history, events: events.map(({ each }) => each) }, options).violations).toEqual({})
  })

  test('a coordinator died in a rebalance: members may be put out of their group, and nobody else may own what they do', () => {
    const history = clean(1)
    const revoked = middle(revokedOf(history))
    const { atMs, partitions } = revoked
    const lost = changed({ ...history, interruptions: [{ fromMs: atMs - 1, toMs: atMs + 1 }] }, revoked, {
      type: 'lost',
    })
    expect(checkGroups(lost, options).violations).toEqual({})
    const twin: OwnershipEvent = { ...revoked, type: 'assigned', member: 'other', generation: null, atMs: atMs - 1 }
    const twice = more(lost, twin, { ...twin, type: 'revoked', atMs: atMs + 1 })
    expect(checkGroups(twice, options).violations).toMatchObject({ 'two-owners': { count: partitions.length } })
  })

  test('a leaving member: others may have its partitions before it has left, and it may end its work', () => {
    const own = { group: 'g', generation: null, instance: null, partitions: [0] }
    const record = { type: 'processed', group: 'g', partition: 0, offset: 0, value: 'raw:0' } as const
    const history: GroupHistory = {
      events: [
        { ...own, type: 'assigned', member: 'a', atMs: 1 },
        { type: 'leaving', group: 'g', member: 'a', atMs: 2 },
        { ...own, type: 'assigned', member: 'b', atMs: 3 },
        { ...record, member: 'a', atMs: 4 },
        { type: 'left', group: 'g', member: 'a', atMs: 5 },
      ],
      acknowledged: [{ partition: 0, value: 'raw:0', atMs: 1 }],
      calms: [],
      interruptions: [],
    }
    expect(checkGroups(history, options).violations).toEqual({})
    const lost = more(history, { ...own, type: 'lost', member: 'a', atMs: 4.5 })
    expect(checkGroups(lost, options).violations).toEqual({})
    const hasLeft = more(history, { ...record, member: 'a', atMs: 6 })
    expect(Object.keys(checkGroups(hasLeft, options).violations)).toEqual(['not-owner'])
  })
})

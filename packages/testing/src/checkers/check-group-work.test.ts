import { describe, expect, test } from '@jest/globals'
import { checkGroupWork, type Commit, type GroupWork, type GroupWorkAnomaly } from './check-group-work.ts'
import type { GroupEvent } from './group-history.ts'

const by = (member: string, atMs: number): { group: string; member: string; atMs: number } => ({
  group: 'g',
  member,
  atMs,
})
const assigned = (member: string, atMs: number, generation: number, partitions: readonly number[]): GroupEvent => ({
  ...{ type: 'assigned', ...by(member, atMs), generation, instance: null, partitions },
})
const processed = (member: string, atMs: number, offset: number): GroupEvent => ({
  ...{ type: 'processed', ...by(member, atMs), partition: 0, offset, value: `v:${offset}` },
})
const commit = (member: string, atMs: number, offset: number, result: Commit['result'] = 'ok'): Commit => ({
  ...{ ...by(member, atMs), partition: 0, startMs: atMs - 5, offset, result },
})

/** `a` has 0 and 1, dies after offset 2; `b` goes on there. */
const good: GroupWork = {
  groups: ['g'],
  acknowledged: [0, 1, 2, 3, 4].map(offset => ({ partition: 0, value: `v:${offset}`, atMs: offset })),
  events: [
    assigned('a', 10, 1, [0, 1]),
    ...[0, 1, 2].map(offset => processed('a', 11 + offset, offset)),
    { type: 'killed', ...by('a', 20) },
    assigned('b', 30, 2, [0, 1]),
    ...[2, 3, 4].map(offset => processed('b', 31 + offset, offset)),
  ],
  commits: [commit('a', 15, 2), commit('b', 40, 5)],
  stored: [
    { group: 'g', partition: 0, offset: 5 },
    { group: 'g', partition: 1, offset: -1 },
  ],
}
const found = (work: GroupWork): readonly string[] => Object.keys(checkGroupWork(work).violations)
const stored = (offset: number): GroupWork['stored'] => [{ group: 'g', partition: 0, offset }]

describe('the work of groups under failures', () => {
  test('a good history: nothing is found', () => {
    expect(found(good)).toEqual([])
  })

  const wrong: Readonly<Record<GroupWorkAnomaly, GroupWork>> = {
    unprocessed: { ...good, acknowledged: [...good.acknowledged, { partition: 0, value: 'v:9', atMs: 9 }] },
    'owned-twice': { ...good, events: [...good.events, assigned('c', 50, 2, [1])] },
    'generation-backwards': { ...good, events: [...good.events, assigned('c', 45, 3, []), assigned('c', 50, 2, [])] },
    'resumed-early': { ...good, events: [...good.events, assigned('c', 50, 3, [0]), processed('c', 51, 4)] },
    'commit-lost': { ...good, stored: stored(2) },
    'commit-invented': { ...good, stored: stored(7) },
  }
  test.each(Object.entries(wrong))('%s: found, and nothing else', (anomaly, work) => {
    expect(found(work)).toEqual([anomaly])
  })

  test('an unanswered commit before an acknowledged one may come after it; another member’s, or a later one, may not', () => {
    const late = (unknown: Commit): GroupWork => ({ ...good, commits: [...good.commits, unknown], stored: stored(3) })
    expect(found(late(commit('b', 38, 3, 'unknown')))).toEqual([])
    expect(found(late(commit('a', 38, 3, 'unknown')))).toEqual(['commit-lost'])
    expect(found(late(commit('b', 60, 3, 'unknown')))).toEqual(['commit-lost'])
  })

  test('a group that says nothing has processed nothing', () => {
    expect(checkGroupWork({ ...good, groups: ['g', 'silent'] }).count('unprocessed')).toBe(5)
  })
})

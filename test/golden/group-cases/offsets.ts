import type { GroupCase } from '../group-exchange.ts'
import {
  commit,
  deleteOffsets,
  fetchGroups,
  fetchOffsets,
  groupCase,
  join,
  leave,
  protocol,
  stable,
  stablePair,
  subscription,
} from './steps.ts'

const versions = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, k) => from + k)
const ofGroup = (memberId: string, generationIdOrMemberEpoch: number) => ({ memberId, generationIdOrMemberEpoch })

/** OffsetCommit, OffsetFetch, OffsetDelete. */
export const offsetCases: readonly GroupCase[] = [
  // --- OffsetCommit ---------------------------------------------------------------------------------------------------
  ...versions(1, 9).map(v =>
    groupCase(`commit v${v}, unknown group: from outside, as a member, as nobody with a generation`, g => [
      commit(g, [['t', 0, 5, 'x']], ofGroup('nobody', 1), { v }),
      commit(g, [['t', 0, 5, 'x']], ofGroup('', 1), { v }),
      commit(g, [['t', 0, 5, 'x']], ofGroup('', 0), { v }),
      commit(g, [['t', 0, 5, 'x']], {}, { v }),
      fetchOffsets(g, [['t', [0]]]),
      commit(g, [['t', 0, 6, null]], ofGroup('nobody', -1), { v }),
      fetchOffsets(g, [['t', [0]]]),
      commit(g, [['t', 0, 7]], ofGroup('nobody', 0), { v }),
      commit(g, [['t', 0, 8]], ofGroup('', 0), { v }),
    ]),
  ),
  ...versions(1, 9).map(v =>
    groupCase(`commit v${v}, empty group id`, () => [commit('', [['t', 0, 5, 'x']], {}, { v })]),
  ),
  ...versions(1, 9).map(v =>
    groupCase(`commit v${v}, group with members: outsiders, strangers, other generations`, g => [
      ...stable(g),
      commit(g, [['t', 0, 1]], {}, { v }),
      commit(g, [['t', 0, 1]], ofGroup('nobody', 1), { v }),
      commit(g, [['t', 0, 1]], ofGroup('nobody', -1), { v }),
      commit(g, [['t', 0, 1]], ofGroup('', 1), { v }),
      commit(g, [['t', 0, 1]], ofGroup('$m', 0), { v }),
      commit(g, [['t', 0, 1]], ofGroup('$m', 2), { v }),
      commit(g, [['t', 0, 1]], ofGroup('$m', -1), { v }),
      commit(g, [['t', 0, 9]], ofGroup('$m', 1), { v }),
      fetchOffsets(g, [['t', [0]]]),
    ]),
  ),
  groupCase('commit: while assignments are awaited, and while the group gathers', g => [
    join(g, {}, { binds: { m: 'memberId' } }),
    commit(g, [['t', 0, 1]], ofGroup('$m', 1)),
    commit(g, [['t', 0, 1]], ofGroup('$m', 0)),
    commit(g, [['t', 0, 1]], ofGroup('nobody', 1)),
    commit(g, [['t', 0, 1]]),
    join(g, {}, { on: 'b', parked: 'second', binds: { n: 'memberId' } }),
    commit(g, [['t', 0, 2]], ofGroup('$m', 1)),
    commit(g, [['t', 0, 3]], ofGroup('$m', 2)),
    commit(g, [['t', 0, 3]], ofGroup('$m', 0)),
    fetchOffsets(g, [['t', [0]]]),
    leave(g, [{ memberId: '$m' }]),
    { take: 'second' },
    commit(g, [['t', 0, 4]], ofGroup('$m', 1)),
  ]),
  groupCase('commit: to a group whose members left', g => [
    ...stable(g),
    leave(g, [{ memberId: '$m' }]),
    commit(g, [['t', 0, 1]], ofGroup('$m', 1)),
    commit(g, [['t', 0, 1]], ofGroup('$m', 2)),
    commit(g, [['t', 0, 1]], ofGroup('', 2)),
    commit(g, [['t', 0, 1]], ofGroup('$m', -1)),
    fetchOffsets(g, [['t', [0]]]),
    commit(g, [['t', 0, 2]]),
    fetchOffsets(g, [['t', [0]]]),
  ]),
  ...versions(1, 9).map(v =>
    groupCase(`commit v${v}: unknown topics and partitions, text that is too long, beside what is right`, g => [
      commit(
        g,
        [
          ['t', 0, 1, 'x'.repeat(32)],
          ['t', 1, 2],
          ['t', -1, 2],
          ['u', 0, 3, 'x'.repeat(33)],
          ['u', 1, 4, 'é'.repeat(32)],
          ['none', 0, 5],
          ['none', 7, 5, 'x'.repeat(33)],
          ['u', 2, 6, 'x'.repeat(33)],
        ],
        {},
        { v },
      ),
      fetchOffsets(g, [
        ['t', [0, 1, -1]],
        ['u', [0, 1, 2]],
        ['none', [0, 7]],
      ]),
      fetchOffsets(g, null),
    ]),
  ),
  ...versions(1, 9).map(v =>
    groupCase(`commit v${v}: nothing that exists: the group is not looked at`, g => [
      commit(g, [['none', 0, 5]], ofGroup('nobody', 1), { v }),
      commit('', [['none', 0, 5]], {}, { v }),
      commit(g, [], ofGroup('nobody', 1), { v }),
      commit('', [], {}, { v }),
      fetchOffsets(g, null),
    ]),
  ),
  groupCase('commit: all text too long, in a group that is not there and as a stranger', g => [
    commit(g, [['t', 0, 5, 'x'.repeat(33)]]),
    commit(g, [['t', 0, 5, 'x'.repeat(33)]], ofGroup('nobody', 1)),
    commit(g, [['t', 0, 5, 'ok']]),
    commit(g, [['t', 0, 5, 'x'.repeat(33)]], ofGroup('nobody', 1)),
    fetchOffsets(g, [['t', [0]]]),
  ]),
  groupCase('commit: the same partition twice; negative offsets; leader epochs; the largest offset', g => [
    commit(g, [
      ['t', 0, 1, 'first'],
      ['t', 0, 2, 'second'],
    ]),
    fetchOffsets(g, [['t', [0]]]),
    commit(g, [['t', 0, -1]]),
    fetchOffsets(g, [['t', [0]]]),
    commit(g, [['t', 0, -5, 'neg']]),
    fetchOffsets(g, [['t', [0]]]),
    commit(g, [['t', 0, 9007199254740991, '', { committedLeaderEpoch: 7 }]]),
    fetchOffsets(g, [['t', [0]]]),
    commit(g, [['t', 0, 0, '', { committedLeaderEpoch: -5 }]]),
    fetchOffsets(g, [['t', [0]]]),
  ]),
  ...versions(2, 4).map(v =>
    groupCase(`commit v${v}: with a retention of its own; the leader epoch is not kept`, g => [
      commit(g, [['t', 0, 5, 'kept']], { retentionTimeMs: 3_600_000 }, { v }),
      fetchOffsets(g, [['t', [0]]]),
      commit(g, [['t', 0, 6, 'gone']], { retentionTimeMs: 0 }, { v }),
      fetchOffsets(g, [['t', [0]]]),
    ]),
  ),
  groupCase('commit v1: with a time of the client’s', g => [
    commit(g, [['t', 0, 5, 'x', { commitTimestamp: 1_000 }]], {}, { v: 1 }),
    fetchOffsets(g, [['t', [0]]]),
  ]),

  // --- OffsetFetch ----------------------------------------------------------------------------------------------------
  ...versions(1, 7).map(v =>
    groupCase(`fetch v${v}: unknown group, unknown topics and partitions, nothing asked, an empty group id`, g => [
      fetchOffsets(
        g,
        [
          ['t', [0, 5]],
          ['none', [0]],
        ],
        { v },
      ),
      fetchOffsets('', [['t', [0]]], { v }),
      fetchOffsets(g, [], { v }),
      fetchOffsets(g, [['t', []]], { v }),
      ...(v >= 2 ? [fetchOffsets(g, null, { v })] : []),
      commit(g, [['u', 1, 5, 'text', { committedLeaderEpoch: 3 }]]),
      fetchOffsets(
        g,
        [
          ['u', [1, 0, 1]],
          ['u', [1]],
        ],
        { v },
      ),
      ...(v >= 2 ? [fetchOffsets(g, null, { v })] : []),
      ...(v >= 7 ? [fetchOffsets(g, [['u', [1]]], { v, requireStable: true })] : []),
    ]),
  ),
  ...[8, 9].map(v =>
    groupCase(`fetch v${v}: several groups, one unknown, one without a name, none`, g => [
      commit(`${g}-1`, [['u', 1, 5, 'text', { committedLeaderEpoch: 3 }]]),
      fetchGroups(
        [
          {
            id: `${g}-1`,
            wanted: [
              ['u', [1, 0]],
              ['none', [3]],
            ],
          },
          { id: `${g}-2`, wanted: [['u', [1]]] },
          { id: '', wanted: [['u', [1]]] },
          { id: `${g}-3`, wanted: null },
        ],
        { v },
      ),
      fetchGroups([], { v }),
    ]),
  ),
  groupCase('fetch v9: the same group twice', g => [
    commit(g, [['u', 1, 5]]),
    fetchGroups([
      { id: g, wanted: [['u', [1]]] },
      { id: g, wanted: null },
    ]),
  ]),
  groupCase('fetch v9: with a member and an epoch: members of classic groups have none', g => [
    ...stable(g),
    commit(g, [['t', 0, 5]], ofGroup('$m', 1)),
    fetchGroups([{ id: g, wanted: [['t', [0]]], memberId: '$m', memberEpoch: 1 }]),
    fetchGroups([{ id: g, wanted: [['t', [0]]], memberId: 'nobody', memberEpoch: 9 }]),
    fetchGroups([{ id: g, wanted: null, memberId: '', memberEpoch: 0 }]),
  ]),

  // --- OffsetDelete ---------------------------------------------------------------------------------------------------
  groupCase('delete offsets: unknown group; empty group id; nothing asked', g => [
    deleteOffsets(g, [['t', [0]]]),
    deleteOffsets('', [['t', [0]]]),
    deleteOffsets(g, []),
    deleteOffsets('', []),
    commit(g, [['t', 0, 5]]),
    deleteOffsets(g, []),
    deleteOffsets(g, [['none', [0]]]),
  ]),
  groupCase(
    'delete offsets: of a group without members: what is there, what is not, unknown topics and partitions',
    g => [
      commit(g, [
        ['t', 0, 5],
        ['u', 0, 6],
      ]),
      deleteOffsets(g, [
        ['t', [0, 3]],
        ['u', [1]],
        ['none', [0]],
      ]),
      fetchOffsets(g, null),
      deleteOffsets(g, [['t', [0]]]),
      deleteOffsets(g, [['u', [0]]]),
      fetchOffsets(g, null),
      deleteOffsets(g, [['u', [0]]]),
    ],
  ),
  groupCase('delete offsets: unknown topics of an unknown group', g => [deleteOffsets(g, [['none', [0]]])]),
  groupCase('delete offsets: topics that a member reads stay, others go', g => [
    ...stable(g),
    commit(
      g,
      [
        ['t', 0, 5],
        ['u', 0, 6],
        ['u', 1, 7],
      ],
      ofGroup('$m', 1),
    ),
    deleteOffsets(g, [
      ['t', [0]],
      ['u', [0]],
      ['none', [0]],
    ]),
    fetchOffsets(g, null),
    deleteOffsets(g, [['t', [0]]]),
    leave(g, [{ memberId: '$m' }]),
    deleteOffsets(g, [['t', [0]]]),
    fetchOffsets(g, null),
  ]),
  groupCase('delete offsets: while the group gathers, and while assignments are awaited', g => [
    ...stable(g),
    commit(
      g,
      [
        ['t', 0, 5],
        ['u', 0, 6],
      ],
      ofGroup('$m', 1),
    ),
    join(
      g,
      { protocols: [protocol('range', subscription('u'))] },
      { on: 'b', parked: 'second', binds: { n: 'memberId' } },
    ),
    deleteOffsets(g, [
      ['t', [0]],
      ['u', [0]],
    ]),
    fetchOffsets(g, null),
    join(g, { memberId: '$m' }),
    { take: 'second' },
    deleteOffsets(g, [
      ['t', [0]],
      ['u', [0]],
    ]),
    fetchOffsets(g, null),
  ]),
  groupCase('delete offsets: of members that read other topics', g => [
    ...stablePair(g, {}, { protocols: [protocol('range', subscription('u'))] }),
    commit(
      g,
      [
        ['t', 0, 5],
        ['u', 0, 6],
      ],
      ofGroup('$m', 2),
    ),
    deleteOffsets(g, [
      ['t', [0]],
      ['u', [0]],
    ]),
    fetchOffsets(g, null),
  ]),
  groupCase('delete offsets: of a group of another kind, with members', g => [
    ...stable(g, { protocolType: 'connect', protocols: [protocol('range', Buffer.from('x'))] }),
    commit(g, [['t', 0, 5]], ofGroup('$m', 1)),
    deleteOffsets(g, [['t', [0]]]),
    deleteOffsets(g, [['none', [0]]]),
    fetchOffsets(g, null),
  ]),
  groupCase('delete offsets: of consumers whose metadata nobody can read', g => [
    ...stable(g, { protocols: [protocol('range', Buffer.from('x'))] }),
    commit(g, [['t', 0, 5]], ofGroup('$m', 1)),
    deleteOffsets(g, [['t', [0]]]),
    fetchOffsets(g, null),
  ]),
]

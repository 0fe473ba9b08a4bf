import type { GroupCase } from '../group-exchange.ts'
import { commit, fetchGroups, fetchOffsets, groupCase, list, stable } from './steps.ts'

const at = (group: string, topic: string, partition: number): string =>
  `/consumers/${group}/offsets/${topic}/${partition}`

/** v0 of OffsetCommit and OffsetFetch: offsets in ZooKeeper, as clients of Kafka 0.8 keep them. */
export const zookeeperOffsetCases: readonly GroupCase[] = [
  groupCase('v0: commit, fetch, commit again', g => [
    fetchOffsets(g, [['t', [0]]], { v: 0 }),
    commit(g, [['t', 0, 5, 'text']], {}, { v: 0 }),
    { znode: at(g, 't', 0) },
    { znode: `/consumers/${g}` },
    { znode: `/consumers/${g}/offsets` },
    fetchOffsets(g, [['t', [0]]], { v: 0 }),
    commit(g, [['t', 0, 123456789012, null]], {}, { v: 0 }),
    { znode: at(g, 't', 0) },
    fetchOffsets(g, [['t', [0]]], { v: 0 }),
  ]),
  groupCase('v0: offsets here and those in the log do not know each other', g => [
    commit(g, [['u', 0, 5]], {}, { v: 0 }),
    commit(g, [
      ['u', 0, 7],
      ['u', 1, 8],
    ]),
    fetchOffsets(g, [['u', [0, 1]]], { v: 0 }),
    fetchOffsets(g, [['u', [0, 1]]], { v: 1 }),
    fetchGroups([{ id: g, wanted: null }]),
  ]),
  groupCase('v0: no group comes of it', g => [commit(g, [['t', 0, 5]], {}, { v: 0 }), list([], [])]),
  groupCase('v0: unknown topics and partitions, long text, beside what is right', g => [
    commit(
      g,
      [
        ['t', 0, 1, 'x'.repeat(32)],
        ['t', 1, 2],
        ['u', 0, 3, 'x'.repeat(33)],
        ['u', 1, 4],
        ['none', 0, 5],
      ],
      {},
      { v: 0 },
    ),
    { znode: at(g, 't', 1) },
    { znode: at(g, 'none', 0) },
    { znode: at(g, 'u', 0) },
    fetchOffsets(
      g,
      [
        ['t', [0, 1, -1]],
        ['u', [0, 1, 0]],
        ['none', [0]],
      ],
      { v: 0 },
    ),
    fetchOffsets(g, [], { v: 0 }),
    commit(g, [], {}, { v: 0 }),
    commit(g, [['none', 0, 5]], {}, { v: 0 }),
  ]),
  groupCase('v0: a group with members elsewhere, negative offsets', g => [
    ...stable(g),
    commit(g, [['t', 0, 3]], {}, { v: 0 }),
    commit(g, [['t', 0, -1]], {}, { v: 0 }),
    { znode: at(g, 't', 0) },
    fetchOffsets(g, [['t', [0]]], { v: 0 }),
  ]),
  groupCase('v0: an empty group id', () => [
    commit('', [['t', 0, 5]], {}, { v: 0 }),
    fetchOffsets('', [['t', [0]]], { v: 0 }),
  ]),
  groupCase('v0: a group whose name is a path', g => [
    commit(`${g}/a`, [['t', 0, 5]], {}, { v: 0 }),
    { znode: `/consumers/${g}/a/offsets/t/0` },
    fetchOffsets(`${g}/a`, [['t', [0]]], { v: 0 }),
    commit(`${g}/../b`, [['t', 0, 5]], {}, { v: 0 }),
    fetchOffsets(`${g}/../b`, [['t', [0]]], { v: 0 }),
    commit(`${g}//c`, [['t', 0, 5]], {}, { v: 0 }),
    fetchOffsets(`${g}//c`, [['t', [0]]], { v: 0 }),
    commit(`${g} d é`, [['t', 0, 5]], {}, { v: 0 }),
    fetchOffsets(`${g} d é`, [['t', [0]]], { v: 0 }),
  ]),
  groupCase('v0: what others wrote there', g => [
    commit(g, [['t', 0, 5]], {}, { v: 0 }),
    ...['42', '', 'abc', ' 7', '+8', '99999999999999999999'].flatMap(data => [
      { setZnode: at(g, 't', 0), data },
      fetchOffsets(g, [['t', [0]]], { v: 0 }),
    ]),
    commit(g, [['t', 0, 6]], {}, { v: 0 }),
    { znode: at(g, 't', 0) },
  ]),
]

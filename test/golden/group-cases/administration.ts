import type { GroupCase } from '../group-exchange.ts'
import {
  commit,
  deleteGroups,
  describe,
  fetchOffsets,
  find,
  findOne,
  groupCase,
  join,
  leave,
  list,
  protocol,
  stable,
} from './steps.ts'

const versions = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, k) => from + k)

/** FindCoordinator, DescribeGroups, ListGroups, DeleteGroups. */
export const administrationCases: readonly GroupCase[] = [
  ...versions(0, 3).map(v =>
    groupCase(`find v${v}: a group, one without a name, other kinds of keys`, g => [
      findOne(g, 0, { v }),
      findOne('', 0, { v }),
      ...(v >= 1 ? [2, 3, -1, 127].map(keyType => findOne(g, keyType, { v })) : []),
    ]),
  ),
  ...versions(4, 6).map(v =>
    groupCase(`find v${v}: several, one twice, one without a name, none, other kinds of keys`, g => [
      find([g, '', `${g}-2`, g], 0, { v }),
      find([], 0, { v }),
      ...[2, 3, -1, 127].map(keyType => find([g], keyType, { v })),
    ]),
  ),
  ...versions(0, 5).map(v =>
    groupCase(`describe v${v}: unknown, without a name, twice, none, in every state`, g => [
      describe([g], { v }),
      describe([''], { v }),
      describe([], { v }),
      describe([g, `${g}-2`, g], { v }),
      commit(g, [['t', 0, 5]]),
      describe([g], { v }),
      join(g, {}, { v: 5, binds: { p: 'memberId' } }),
      describe([g], { v }),
      leave(g, [{ memberId: '$p' }]),
      ...stable(g),
      describe([g], { v }),
      join(g, {}, { on: 'b', parked: 'second', binds: { n: 'memberId' } }),
      describe([g], { v }),
      leave(g, [{ memberId: '$m' }]),
      { take: 'second' },
      describe([g], { v }),
      leave(g, [{ memberId: '$n' }]),
      describe([g], { v }),
    ]),
  ),
  ...versions(3, 5).map(v =>
    groupCase(`describe v${v}: with the operations that are allowed`, g => [
      commit(g, [['t', 0, 5]]),
      describe([g, `${g}-2`, ''], { v, includeAuthorizedOperations: true }),
    ]),
  ),
  groupCase('describe: a group of another kind', g => [
    ...stable(g, { protocolType: 'connect', protocols: [protocol('compatible', Buffer.from('x'))] }),
    describe([g]),
  ]),
  ...versions(0, 5).map(v =>
    groupCase(`list v${v}: every state, and filters where there are any`, g => [
      commit(`${g}-simple`, [['t', 0, 5]]),
      ...stable(`${g}-stable`),
      join(`${g}-waiting`, {}, { binds: { o: 'memberId' } }),
      ...stable(`${g}-left`, {}, { as: 'q' }),
      leave(`${g}-left`, [{ memberId: '$q' }]),
      ...stable(`${g}-connect`, { protocolType: 'connect', protocols: [protocol('c', Buffer.from('x'))] }, { as: 'r' }),
      join(`${g}-pending`, {}, { v: 5, binds: { s: 'memberId' } }),
      list([], [], { v }),
      ...(v >= 4
        ? [
            ['Stable'],
            ['stable'],
            ['Empty', 'CompletingRebalance'],
            ['completingrebalance'],
            ['Dead'],
            ['PreparingRebalance'],
            ['nonsense'],
            [''],
            ['Stable', 'nonsense'],
            ['Assigning'],
          ].map(states => list(states, [], { v }))
        : []),
      ...(v >= 5
        ? [
            ['classic'],
            ['Classic'],
            ['CLASSIC'],
            ['consumer'],
            ['classic', 'consumer'],
            ['nonsense'],
            ['unknown'],
            [''],
          ].map(types => list([], types, { v }))
        : []),
      ...(v >= 5 ? [list(['Stable'], ['consumer'], { v }), list(['Stable'], ['classic'], { v })] : []),
    ]),
  ),
  ...versions(0, 2).map(v =>
    groupCase(
      `delete v${v}: unknown, without a name, none, twice, with members, with ids handed out, with offsets`,
      g => [
        deleteGroups([g, ''], { v }),
        deleteGroups([], { v }),
        deleteGroups([g, g], { v }),
        ...stable(`${g}-busy`),
        join(`${g}-pending`, {}, { v: 5, binds: { s: 'memberId' } }),
        commit(`${g}-simple`, [
          ['t', 0, 5],
          ['u', 1, 6],
        ]),
        deleteGroups([`${g}-busy`, `${g}-pending`, `${g}-simple`, g], { v }),
        fetchOffsets(`${g}-simple`, null),
        describe([`${g}-busy`, `${g}-pending`, `${g}-simple`]),
        join(`${g}-pending`, { memberId: '$s' }, { v: 5 }),
        deleteGroups([`${g}-simple`], { v }),
        leave(`${g}-busy`, [{ memberId: '$m' }]),
        deleteGroups([`${g}-busy`], { v }),
        describe([`${g}-busy`]),
      ],
    ),
  ),
]

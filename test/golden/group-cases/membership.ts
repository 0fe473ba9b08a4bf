import type { GroupCase } from '../group-exchange.ts'
import {
  beat,
  describe,
  groupCase,
  join,
  leave,
  leaveAlone,
  part,
  protocol,
  stable,
  stablePair,
  subscription,
  sync,
} from './steps.ts'

const versions = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i)
const unknown = { memberId: 'nobody', generationId: 1 }
const other = [protocol('roundrobin')]

/** JoinGroup, SyncGroup, Heartbeat, LeaveGroup: what members can do wrong, and what happens between two of them. */
export const membershipCases: readonly GroupCase[] = [
  // --- nobody knows the group, or it has no name ----------------------------------------------------------------------
  ...versions(0, 9).map(v =>
    groupCase(`join v${v}, unknown group, member id given`, g => [join(g, { memberId: 'nobody' }, { v })]),
  ),
  ...versions(0, 9).map(v => groupCase(`join v${v}, empty group id`, () => [join('', {}, { v })])),
  ...versions(0, 5).map(v =>
    groupCase(`sync v${v}, unknown group; empty group id`, g => [sync(g, unknown, { v }), sync('', unknown, { v })]),
  ),
  ...versions(0, 4).map(v =>
    groupCase(`heartbeat v${v}, unknown group; empty group id`, g => [
      beat(g, unknown, { v }),
      beat('', unknown, { v }),
    ]),
  ),
  ...versions(0, 2).map(v =>
    groupCase(`leave v${v}, unknown group; empty group id`, g => [
      leaveAlone(g, 'nobody', { v }),
      leaveAlone('', 'nobody', { v }),
    ]),
  ),
  ...versions(3, 5).map(v =>
    groupCase(`leave v${v}, unknown group; empty group id`, g => [
      leave(g, [{ memberId: 'nobody' }, { memberId: '', groupInstanceId: 'i' }], { v }),
      leave('', [{ memberId: 'nobody' }], { v }),
      leave(g, [], { v }),
    ]),
  ),

  // --- JoinGroup ------------------------------------------------------------------------------------------------------
  ...versions(0, 9).map(v =>
    groupCase(`join v${v}, session timeout outside the bounds`, g => [
      join(g, { sessionTimeoutMs: 99 }, { v }),
      join(g, { sessionTimeoutMs: 60_001 }, { v }),
      join(g, { sessionTimeoutMs: -1 }, { v }),
      join('', { sessionTimeoutMs: 99 }, { v }),
    ]),
  ),
  groupCase('join, no protocol type; no protocols: both, and a group exists afterwards', g => [
    join(g, { protocolType: '' }),
    join(g, { protocols: [] }),
    join(g, { protocolType: '', protocols: [] }, { v: 9 }),
    describe([g]),
  ]),
  groupCase('join v5, no protocols, then without an id: refused before it gets one', g => [
    join(g, { protocols: [] }, { v: 5 }),
  ]),
  ...versions(3, 9).map(v =>
    groupCase(`join v${v}, foreign protocol type, no common protocol`, g => [
      ...stable(g),
      join(g, { protocolType: 'connect' }, { v }),
      join(g, { protocolType: '' }, { v }),
      join(g, { protocols: other }, { v }),
      join(g, { protocols: [] }, { v }),
      join(g, { memberId: '$m', protocolType: 'connect' }, { v }),
      join(g, { memberId: '$m', protocols: [] }, { v }),
    ]),
  ),
  groupCase('join: its only member comes back with other protocols', g => [
    ...stable(g),
    join(g, { memberId: '$m', protocols: other }),
    describe([g]),
  ]),
  groupCase('join: the type of an empty group that had members may change', g => [
    ...stable(g),
    leave(g, [{ memberId: '$m' }]),
    describe([g]),
    join(g, { protocolType: 'connect', protocols: [protocol('x', Buffer.from('x'))] }, { binds: { n: 'memberId' } }),
    describe([g]),
  ]),
  ...versions(3, 9).map(v =>
    groupCase(`join v${v}, unknown member, unknown instance`, g => [
      ...stable(g),
      join(g, { memberId: 'nobody' }, { v }),
      ...(v >= 5 ? [join(g, { memberId: 'nobody', groupInstanceId: 'i' }, { v })] : []),
      ...(v >= 5 ? [join(g, { memberId: '$m', groupInstanceId: 'i' }, { v })] : []),
    ]),
  ),
  ...versions(4, 9).map(v =>
    groupCase(`join v${v}: first an id (KIP-394), then in with it, once`, g => [
      join(g, {}, { v, binds: { m: 'memberId' } }),
      describe([g]),
      beat(g, { memberId: '$m', generationId: 0 }),
      sync(g, { memberId: '$m', generationId: 0 }),
      join(g, { memberId: '$m' }, { v }),
      join(g, { memberId: '$m' }, { v }),
      sync(g, { memberId: '$m', generationId: 1, assignments: [part('$m', 'all')] }),
      describe([g]),
    ]),
  ),
  groupCase('join: an id that was handed out and never came back is forgotten', g => [
    join(g, { sessionTimeoutMs: 200 }, { v: 5, binds: { m: 'memberId' } }),
    { passMs: 500 },
    join(g, { memberId: '$m' }, { v: 5 }),
    describe([g]),
  ]),
  groupCase('join: a pending id in a group with members waits for nobody once it is forgotten', g => [
    ...stable(g),
    join(g, { sessionTimeoutMs: 300 }, { v: 5, on: 'b', binds: { n: 'memberId' } }),
    join(g, { memberId: '$m' }, { parked: 'rejoin' }),
    describe([g], { on: 'c' }),
    { passMs: 600 },
    { take: 'rejoin' },
  ]),
  groupCase('join: a follower with the same metadata stays, with other metadata it starts a rebalance', g => [
    ...stablePair(g),
    join(g, { memberId: '$n' }, { on: 'b' }),
    describe([g]),
    join(g, { memberId: '$n', protocols: [protocol('range', subscription('u'))] }, { on: 'b', parked: 'again' }),
    describe([g]),
    beat(g, { memberId: '$m', generationId: 2 }),
    join(g, { memberId: '$m' }),
    { take: 'again' },
    sync(g, { memberId: '$n', generationId: 3 }, { on: 'b', parked: 'part' }),
    sync(g, { memberId: '$m', generationId: 3, assignments: [part('$m', 'one')] }),
    { take: 'part' },
    describe([g]),
  ]),
  groupCase('join: the leader always starts a rebalance', g => [
    ...stablePair(g),
    join(g, { memberId: '$m' }, { parked: 'again' }),
    describe([g], { on: 'c' }),
    beat(g, { memberId: '$n', generationId: 2 }, { on: 'b' }),
    join(g, { memberId: '$n' }, { on: 'b' }),
    { take: 'again' },
  ]),
  groupCase(
    'join while assignments are awaited: the same metadata gets the generation again, other metadata a new one',
    g => [
      join(g, {}, { binds: { m: 'memberId' } }),
      describe([g]),
      join(g, { memberId: '$m' }),
      join(g, { memberId: '$m' }, { v: 9 }),
      join(g, { memberId: '$m', protocols: [protocol('range', subscription('u'))] }),
      describe([g]),
    ],
  ),
  groupCase('join: group.max.size: in Stable, with ids handed out, with instances', g => [
    ...stablePair(g),
    join(g, {}, { on: 'c', parked: 'third', binds: { o: 'memberId' } }),
    join(g, { memberId: '$m' }, { parked: 'first' }),
    join(g, { memberId: '$n' }, { on: 'b' }),
    { take: 'first' },
    { take: 'third' },
    join(g, {}, { on: 'd' }),
    join(g, {}, { v: 5, on: 'd' }),
    join(g, { groupInstanceId: 'i' }, { v: 5, on: 'd' }),
    join(g, { memberId: 'nobody' }, { on: 'd' }),
    describe([g], { on: 'd' }),
  ]),
  groupCase('join: who prefers what: the protocol with most votes among those that all have', g => [
    join(g, { protocols: [protocol('a'), protocol('b'), protocol('c')] }, { binds: { m: 'memberId' } }),
    join(g, { protocols: [protocol('c'), protocol('b')] }, { on: 'b', parked: 'second', binds: { n: 'memberId' } }),
    join(g, { memberId: '$m', protocols: [protocol('a'), protocol('b'), protocol('c')] }, { parked: 'first' }),
    { take: 'second' },
    { take: 'first' },
    join(g, { protocols: [protocol('c')] }, { on: 'c', parked: 'third', binds: { o: 'memberId' } }),
    join(g, { memberId: '$m', protocols: [protocol('a'), protocol('b'), protocol('c')] }, { parked: 'first again' }),
    join(g, { memberId: '$n', protocols: [protocol('c'), protocol('b')] }, { on: 'b' }),
    { take: 'first again' },
    { take: 'third' },
  ]),

  // --- SyncGroup ------------------------------------------------------------------------------------------------------
  ...versions(0, 5).map(v =>
    groupCase(`sync v${v}: unknown member, generations of the past and the future`, g => [
      ...stable(g),
      sync(g, unknown, { v }),
      sync(g, { memberId: '', generationId: 1 }, { v }),
      sync(g, { memberId: '$m', generationId: 0 }, { v }),
      sync(g, { memberId: '$m', generationId: 2 }, { v }),
      sync(g, { memberId: '$m', generationId: -1 }, { v }),
      sync(g, { memberId: '$m', generationId: 1 }, { v }),
    ]),
  ),
  groupCase('sync v5: protocol type and name have to be the group’s', g => [
    ...stable(g),
    sync(g, { memberId: '$m', generationId: 1, protocolType: 'connect' }, { v: 5 }),
    sync(g, { memberId: '$m', generationId: 1, protocolName: 'roundrobin' }, { v: 5 }),
    sync(g, { memberId: '$m', generationId: 1, protocolType: null }, { v: 5 }),
    sync(g, { memberId: '$m', generationId: 1, protocolName: null }, { v: 5 }),
    sync(g, { ...unknown, protocolName: 'roundrobin' }, { v: 5 }),
    sync(g, { memberId: '$m', generationId: 9, protocolName: 'roundrobin' }, { v: 5 }),
    sync(g, { memberId: '$m', generationId: 1 }, { v: 5 }),
  ]),
  groupCase('sync: what the leader leaves out is empty, what it makes up is nobody’s', g => [
    join(g, {}, { binds: { m: 'memberId' } }),
    sync(g, { memberId: '$m', generationId: 1, assignments: [part('ghost', 'all')] }),
    describe([g]),
    sync(g, { memberId: '$m', generationId: 1, assignments: [part('$m', 'late')] }),
  ]),
  groupCase('sync: not from a group that is empty, nor while it gathers', g => [
    ...stable(g),
    join(g, {}, { on: 'b', parked: 'second', binds: { n: 'memberId' } }),
    sync(g, { memberId: '$m', generationId: 1 }),
    beat(g, { memberId: '$m', generationId: 1 }),
    leave(g, [{ memberId: '$m' }]),
    { take: 'second' },
    leave(g, [{ memberId: '$n' }]),
    sync(g, { memberId: '$n', generationId: 2 }),
    beat(g, { memberId: '$n', generationId: 2 }),
    describe([g]),
  ]),
  groupCase('sync: a follower that waits is told when a rebalance begins', g => [
    ...stable(g),
    join(g, {}, { on: 'b', parked: 'second', binds: { n: 'memberId' } }),
    join(g, { memberId: '$m' }),
    { take: 'second' },
    sync(g, { memberId: '$n', generationId: 2 }, { on: 'b', parked: 'part' }),
    describe([g]),
    join(g, { memberId: '$m', protocols: [protocol('range', subscription('u'))] }, { parked: 'again' }),
    { take: 'part' },
    join(g, { memberId: '$n' }, { on: 'b' }),
    { take: 'again' },
  ]),
  groupCase('sync: who never asks for its part is out after the rebalance timeout', g => [
    join(g, { rebalanceTimeoutMs: 300, sessionTimeoutMs: 30_000 }, { binds: { m: 'memberId' } }),
    { passMs: 700 },
    describe([g]),
    beat(g, { memberId: '$m', generationId: 1 }),
  ]),

  // --- Heartbeat ------------------------------------------------------------------------------------------------------
  ...versions(0, 4).map(v =>
    groupCase(`heartbeat v${v}: unknown member, generations of the past and the future`, g => [
      ...stable(g),
      beat(g, unknown, { v }),
      beat(g, { memberId: '', generationId: 1 }, { v }),
      beat(g, { memberId: '$m', generationId: 0 }, { v }),
      beat(g, { memberId: '$m', generationId: 2 }, { v }),
      beat(g, { memberId: '$m', generationId: -1 }, { v }),
      beat(g, { memberId: '$m', generationId: 1 }, { v }),
    ]),
  ),
  groupCase('heartbeat: while assignments are awaited it is quiet', g => [
    join(g, {}, { binds: { m: 'memberId' } }),
    beat(g, { memberId: '$m', generationId: 1 }),
    beat(g, { memberId: '$m', generationId: 0 }),
    beat(g, { memberId: 'nobody', generationId: 1 }),
  ]),
  groupCase('heartbeat: an old generation while the group gathers', g => [
    ...stable(g),
    join(g, {}, { on: 'b', parked: 'second', binds: { n: 'memberId' } }),
    beat(g, { memberId: '$m', generationId: 0 }),
    beat(g, { memberId: '$m', generationId: 1 }),
    beat(g, { memberId: 'nobody', generationId: 1 }),
    leave(g, [{ memberId: '$m' }]),
    { take: 'second' },
  ]),
  groupCase('session timeout: a member without heartbeats is out', g => [
    ...stable(g, { sessionTimeoutMs: 200 }),
    beat(g, { memberId: '$m', generationId: 1 }),
    { passMs: 600 },
    beat(g, { memberId: '$m', generationId: 1 }),
    describe([g]),
  ]),

  // --- LeaveGroup -----------------------------------------------------------------------------------------------------
  ...versions(0, 2).map(v =>
    groupCase(`leave v${v}: unknown member; then once, and not twice`, g => [
      ...stable(g),
      leaveAlone(g, 'nobody', { v }),
      leaveAlone(g, '', { v }),
      leaveAlone(g, '$m', { v }),
      leaveAlone(g, '$m', { v }),
      describe([g]),
    ]),
  ),
  ...versions(3, 5).map(v =>
    groupCase(`leave v${v}: several, some of whom are not there`, g => [
      ...stablePair(g, {}, { groupInstanceId: 'i' }),
      leave(
        g,
        [
          { memberId: 'nobody' },
          { memberId: '' },
          { memberId: '', groupInstanceId: 'j' },
          { memberId: 'nobody', groupInstanceId: 'i' },
          { memberId: '$m', groupInstanceId: 'i' },
          { memberId: '$m', groupInstanceId: 'j' },
          { memberId: '$m' },
          { memberId: '$m' },
        ],
        { v },
      ),
      leave(g, [], { v }),
      describe([g]),
      leave(g, [{ memberId: '', groupInstanceId: 'i' }], { v }),
      describe([g]),
    ]),
  ),
  groupCase('leave: an id that was only handed out', g => [
    join(g, {}, { v: 5, binds: { m: 'memberId' } }),
    leave(g, [{ memberId: '$m' }]),
    join(g, { memberId: '$m' }, { v: 5 }),
  ]),
  groupCase('leave: a pending id holds up nobody any more', g => [
    ...stable(g),
    join(g, {}, { v: 5, on: 'b', binds: { n: 'memberId' } }),
    join(g, { memberId: '$m' }, { parked: 'rejoin' }),
    leave(g, [{ memberId: '$n' }], { on: 'b' }),
    { take: 'rejoin' },
  ]),
  groupCase('leave: the leader, while the others gather: another leads', g => [
    ...stablePair(g),
    join(g, { memberId: '$n', protocols: [protocol('range', subscription('u'))] }, { on: 'b', parked: 'again' }),
    leave(g, [{ memberId: '$m' }]),
    { take: 'again' },
    describe([g]),
  ]),
  groupCase('leave: a member whose join waits is told', g => [
    ...stable(g),
    join(g, {}, { on: 'b', parked: 'second', binds: { n: 'memberId' } }),
    join(g, { memberId: '$m' }, { on: 'a' }),
    { take: 'second' },
    join(g, { memberId: '$n', protocols: [protocol('range', subscription('u'))] }, { on: 'b', parked: 'again' }),
    leave(g, [{ memberId: '$n' }], { on: 'c' }),
    { take: 'again' },
  ]),
  groupCase('leave: a member whose sync waits is told', g => [
    ...stable(g),
    join(g, {}, { on: 'b', parked: 'second', binds: { n: 'memberId' } }),
    join(g, { memberId: '$m' }, { on: 'a' }),
    { take: 'second' },
    sync(g, { memberId: '$n', generationId: 2 }, { on: 'b', parked: 'part' }),
    leave(g, [{ memberId: '$n' }], { on: 'c' }),
    { take: 'part' },
  ]),
]

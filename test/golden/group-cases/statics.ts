import type { GroupCase } from '../group-exchange.ts'
import {
  beat,
  commit,
  describe,
  groupCase,
  join,
  leave,
  part,
  protocol,
  stable,
  stablePair,
  subscription,
  sync,
} from './steps.ts'

const i = { groupInstanceId: 'i' }
const j = { groupInstanceId: 'j' }
const v = 5

/** Static members (KIP-345): who is fenced, and when. */
export const staticCases: readonly GroupCase[] = [
  ...[5, 6, 7, 8, 9].map(version =>
    groupCase(`static, join v${version}: the only member starts again: the same generation, the old id fenced`, g => [
      ...stable(g, i),
      join(g, i, { v: version, binds: { n: 'memberId' } }),
      beat(g, { memberId: '$m', generationId: 1, ...i }),
      beat(g, { memberId: '$m', generationId: 1 }),
      beat(g, { memberId: '$n', generationId: 1, ...i }),
      beat(g, { memberId: '$n', generationId: 1 }),
      sync(g, { memberId: '$m', generationId: 1, ...i }),
      sync(g, { memberId: '$n', generationId: 1, ...i }),
      commit(g, [['t', 0, 1]], { memberId: '$m', generationIdOrMemberEpoch: 1, ...i }),
      commit(g, [['t', 0, 1]], { memberId: '$n', generationIdOrMemberEpoch: 1, ...i }),
      leave(g, [{ memberId: '$m', ...i }]),
      join(g, { memberId: '$m', ...i }, { v: version }),
      describe([g]),
    ]),
  ),
  ...[5, 9].map(version =>
    groupCase(`static, join v${version}: the leader of two starts again`, g => [
      ...stablePair(g, i, j),
      join(g, i, { v: version, binds: { o: 'memberId' } }),
      sync(g, { memberId: '$o', generationId: 2, ...i }),
      describe([g]),
    ]),
  ),
  ...[5, 9].map(version =>
    groupCase(`static, join v${version}: the follower of two starts again`, g => [
      ...stablePair(g, i, j),
      join(g, j, { v: version, binds: { o: 'memberId' } }),
      sync(g, { memberId: '$o', generationId: 2, ...j }),
      describe([g]),
    ]),
  ),
  ...[5, 9].map(version =>
    groupCase(`static, join v${version}: started again with other metadata of the same protocol: no rebalance`, g => [
      ...stablePair(g, i, j),
      join(g, { ...j, protocols: [protocol('range', subscription('u'))] }, { v: version, binds: { o: 'memberId' } }),
      describe([g]),
    ]),
  ),
  groupCase('static: started again so that another protocol is chosen: a rebalance', g => [
    ...stable(g, { ...i, protocols: [protocol('range'), protocol('roundrobin')] }),
    join(g, { ...i, protocols: [protocol('roundrobin'), protocol('range')] }, { v, binds: { n: 'memberId' } }),
    describe([g]),
  ]),
  groupCase('static: started again without a common protocol', g => [
    ...stablePair(g, i, j),
    join(g, { ...j, protocols: [protocol('roundrobin')] }, { v }),
    describe([g]),
  ]),
  groupCase('static: started again while its first start is still joining: that one is fenced', g => [
    ...stable(g),
    join(g, i, { v, on: 'b', parked: 'old', binds: { n: 'memberId' } }),
    join(g, i, { v, on: 'c', parked: 'new', binds: { o: 'memberId' } }),
    { take: 'old' },
    join(g, { memberId: '$m' }),
    { take: 'new' },
    describe([g]),
  ]),
  groupCase('static: started again while its first start waits for its part: that one is fenced', g => [
    ...stable(g),
    join(g, i, { v, on: 'b', parked: 'joining', binds: { n: 'memberId' } }),
    join(g, { memberId: '$m' }),
    { take: 'joining' },
    sync(g, { memberId: '$n', generationId: 2, ...i }, { on: 'b', parked: 'old part' }),
    join(g, i, { v, on: 'c', parked: 'new', binds: { o: 'memberId' } }),
    { take: 'old part' },
    describe([g]),
    join(g, { memberId: '$m' }),
    { take: 'new' },
  ]),
  groupCase('static: it comes back with its id', g => [
    ...stablePair(g, i, j),
    join(g, { memberId: '$n', ...j }, { v }),
    join(g, { memberId: '$m', ...j }, { v }),
    join(g, { memberId: '$n', groupInstanceId: 'k' }, { v }),
    join(g, { memberId: '$n' }, { v }),
    describe([g]),
  ]),
  groupCase('static: an instance id that nobody has, with a generation and with an id', g => [
    ...stable(g, i),
    beat(g, { memberId: '$m', generationId: 1, groupInstanceId: 'x' }),
    beat(g, { memberId: '$m', generationId: 0, groupInstanceId: 'x' }),
    beat(g, { memberId: 'nobody', generationId: 1, ...i }),
    beat(g, { memberId: '', generationId: 1, ...i }),
    beat(g, { memberId: '$m', generationId: 7, ...i }),
    sync(g, { memberId: '$m', generationId: 1, groupInstanceId: 'x' }),
    sync(g, { memberId: 'nobody', generationId: 1, ...i }),
    sync(g, { memberId: '$m', generationId: 7, ...i }),
    commit(g, [['t', 0, 1]], { memberId: '$m', generationIdOrMemberEpoch: 1, groupInstanceId: 'x' }),
    commit(g, [['t', 0, 1]], { memberId: 'nobody', generationIdOrMemberEpoch: 1, ...i }),
    commit(g, [['t', 0, 1]], { memberId: '$m', generationIdOrMemberEpoch: 7, ...i }),
    commit(g, [['t', 0, 1]], { memberId: '', generationIdOrMemberEpoch: -1, ...i }),
    commit(g, [['t', 0, 1]], { memberId: '$m', generationIdOrMemberEpoch: -1, ...i }),
  ]),
  groupCase('static: it does not join in time: it stays in the generation', g => [
    ...stable(g, { rebalanceTimeoutMs: 400 }),
    join(g, { ...i, rebalanceTimeoutMs: 400 }, { v, on: 'b', parked: 'joining', binds: { n: 'memberId' } }),
    join(g, { memberId: '$m', rebalanceTimeoutMs: 400 }),
    { take: 'joining' },
    sync(g, { memberId: '$n', generationId: 2, ...i }, { on: 'b', parked: 'its part' }),
    sync(g, { memberId: '$m', generationId: 2, assignments: [part('$m', 'one'), part('$n', 'two')] }),
    { take: 'its part' },
    join(g, { memberId: '$m', rebalanceTimeoutMs: 400 }, { parked: 'again' }),
    { passMs: 600 },
    { take: 'again' },
    describe([g]),
  ]),
  groupCase('static: without heartbeats it is out after its session', g => [
    ...stable(g, { ...i, sessionTimeoutMs: 200 }),
    { passMs: 600 },
    describe([g]),
    join(g, { memberId: '$m', ...i }, { v }),
    beat(g, { memberId: '$m', generationId: 1, ...i }),
  ]),
  groupCase('static: leaves by its instance id alone', g => [
    ...stable(g, i),
    leave(g, [{ memberId: '', ...i }]),
    leave(g, [{ memberId: '', ...i }]),
    describe([g]),
  ]),
  groupCase('static: the same instance twice in a group that is still empty', g => [
    join(g, i, { v, binds: { m: 'memberId' } }),
    join(g, i, { v, binds: { n: 'memberId' } }),
    describe([g]),
  ]),
]

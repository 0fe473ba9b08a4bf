import { ErrorCode } from '@millrace/protocol/errors'
import { expect, test } from '@jest/globals'
import type { JoinReply, JoinRequest } from './group-requests.ts'
import { GroupShard } from './group-shard.ts'

const now = { monotonicMs: 1000, wallMs: 1_700_000_000_000 }
const settings = { minSessionTimeoutMs: 1, maxSessionTimeoutMs: 60_000, maxSize: 10, offsetMetadataMaxBytes: 10 }
const joinOf = (memberId: string, freshMemberId = ''): JoinRequest => ({
  ...{ groupId: 'g', memberId, groupInstanceId: null, clientId: 'c', clientHost: '/h', freshMemberId },
  ...{ sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 10_000, protocolType: 'consumer' },
  protocols: [{ name: 'range', metadata: Buffer.from('m') }],
  ...{ requiresKnownMemberId: true, supportsSkippingAssignment: true },
})

function shardWithDelay(initialRebalanceDelayMs: number) {
  const shard = new GroupShard({ ...settings, initialRebalanceDelayMs, offsetsRetentionMs: 1e9 })
  let lastToken = 0
  const join = (memberId: string, freshMemberId?: string): [number, ErrorCode, number][] => {
    shard.join(joinOf(memberId, freshMemberId), ++lastToken, now)
    return shard.take().replies.map(({ token, response }) => {
      const { errorCode, generationId } = response as JoinReply
      return [token, errorCode, generationId]
    })
  }
  join('', 'a')
  join('', 'b')
  return { shard, join }
}

test('initial delay: none: the first member has its generation in the same step, the next waits for it', () => {
  const { shard, join } = shardWithDelay(0)
  expect(join('a')).toEqual([[3, ErrorCode.NONE, 1]])
  expect(join('b')).toEqual([])
  const heartbeat = { groupId: 'g', memberId: 'a', groupInstanceId: null, generationId: 1 }
  expect(shard.heartbeat(heartbeat, now)).toBe(ErrorCode.REBALANCE_IN_PROGRESS)
  expect(join('a')).toEqual([
    [5, ErrorCode.NONE, 2],
    [4, ErrorCode.NONE, 2],
  ])
})

test('initial delay: a millisecond: the first member waits for its time, and for one more when others came', () => {
  const { shard, join } = shardWithDelay(1)
  expect([...join('a'), ...join('b')]).toEqual([])
  shard.onTimer('g', 'join', { ...now, monotonicMs: 1001 })
  expect(shard.take()).toMatchObject({ replies: [], timers: [{ key: 'join', atMs: 1002 }] })
  shard.onTimer('g', 'join', { ...now, monotonicMs: 1002 })
  expect(shard.take().replies.map(({ token }) => token)).toEqual([3, 4])
})

test('the timer of a member: is that of its id, set once from the first join to the first generation; rings for the session', () => {
  const { shard } = shardWithDelay(0)
  shard.join(joinOf('', 'c'), 9, now)
  expect(shard.take().timers).toEqual([{ groupId: 'g', key: 'member c', atMs: 11_000 }])
  shard.join(joinOf('c'), 10, { ...now, monotonicMs: 5000 })
  expect(shard.take().timers.filter(({ key }) => key.startsWith('member'))).toEqual([])
  const atRing = { ...now, monotonicMs: 11_000 }
  shard.onTimer('g', 'member c', atRing)
  // Its answer was five seconds before, and its session lasts for ten.
  expect(shard.take().timers).toEqual([{ groupId: 'g', key: 'member c', atMs: 15_000 }])
  shard.onTimer('g', 'member c', { ...now, monotonicMs: 15_000 })
  expect(shard.groups.get('g')!.members.size).toBe(0)
})

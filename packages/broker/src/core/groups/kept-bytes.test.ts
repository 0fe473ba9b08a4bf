import { expect, test } from '@jest/globals'
import type { GroupReply, JoinReply, SyncReply } from './group-requests.ts'
import { GroupShard } from './group-shard.ts'

/* Requests are views of buffers that the next frame is read into: what a group keeps of them has to be its own. */

const now = { monotonicMs: 0, wallMs: 0 }

test('bytes of JoinGroup and SyncGroup: what others are told later is what was sent, whatever their buffers hold by then', () => {
  const shard = new GroupShard({
    ...{ minSessionTimeoutMs: 1, maxSessionTimeoutMs: 100_000, initialRebalanceDelayMs: 10, maxSize: 10 },
    ...{ offsetMetadataMaxBytes: 10, offsetsRetentionMs: 1000 },
  })
  const replies = new Map<number, GroupReply>()
  const settle = (): void => {
    for (let effects = shard.take(); ; effects = shard.take()) {
      for (const { token, response } of effects.replies) replies.set(token, response)
      for (const write of effects.writes) {
        for (const entry of write.entries) shard.replay(entry, 0)
        shard.onWritten(write, 0, now)
      }
      if (effects.writes.length === 0) return
    }
  }
  /** Runs a step on bytes that are gone after it. */
  const withBytes = (texts: readonly string[], step: (views: Buffer[]) => void): void => {
    const views = texts.map(text => Buffer.from(text))
    step(views)
    settle()
    for (const view of views) view.fill('!')
  }
  const join = (memberId: string, metadata: string, token: number): void =>
    withBytes([metadata, 'other'], ([first, second]) =>
      shard.join(
        {
          ...{ groupId: 'g', memberId: '', groupInstanceId: null, clientId: 'c', clientHost: '/h', protocolType: 'p' },
          ...{ sessionTimeoutMs: 1000, rebalanceTimeoutMs: 1000, freshMemberId: memberId },
          ...{ requiresKnownMemberId: false, supportsSkippingAssignment: false },
          protocols: [
            { name: 'range', metadata: first! },
            { name: 'sticky', metadata: second! },
          ],
        },
        token,
        now,
      ),
    )
  join('a', 'same', 1)
  join('b', 'same', 2)
  join('c', 'different', 3)
  // Members came while it waited, so it waits once more.
  for (let ring = 0; ring < 2; ring++) shard.onTimer('g', 'join', now)
  settle()
  const joined = replies.get(1) as JoinReply
  expect(joined.members.map(({ memberId, metadata }) => [memberId, metadata.toString()])).toEqual([
    ['a', 'same'],
    ['b', 'same'],
    ['c', 'different'],
  ])
  const sync = (memberId: string, parts: readonly string[], token: number): void =>
    withBytes(parts, views => {
      const assignments = views.map((assignment, index) => ({ memberId: 'abc'[index]!, assignment }))
      const protocol = { protocolType: null, protocolName: null }
      const member = { groupId: 'g', memberId, groupInstanceId: null, generationId: joined.generationId }
      shard.sync({ ...member, ...protocol, assignments }, token, now)
    })
  sync('b', [], 4)
  sync('a', ['for a', 'for b', 'for c'], 5)
  sync('c', [], 6)
  expect([5, 4, 6].map(token => (replies.get(token) as SyncReply).assignment.toString())).toEqual([
    'for a',
    'for b',
    'for c',
  ])
  expect(shard.groups.get('g')!.record!.members.map(({ subscription }) => subscription.toString())).toEqual([
    'same',
    'same',
    'different',
  ])
})

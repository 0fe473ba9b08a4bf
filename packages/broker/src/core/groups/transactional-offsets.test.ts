import { expect, test } from '@jest/globals'
import type { OffsetEntry } from './entries.ts'
import { GroupShard } from './group-shard.ts'

/* A coordinator that loads a log with offsets of transactions, as Kafka's 3.9 does. The log that a real one wrote: test/interop/takeover.test.ts. */

const now = { monotonicMs: 0, wallMs: 1.7e12 }
const minute = 60_000
const settings = {
  ...{ minSessionTimeoutMs: 6000, maxSessionTimeoutMs: 60_000, initialRebalanceDelayMs: 0, maxSize: 10 },
  ...{ offsetMetadataMaxBytes: 4096, offsetsRetentionMs: minute },
}
const entryOf = (offset: number | null, groupId = 'g', partition = 0): OffsetEntry => ({
  ...{ kind: 'offset', groupId, topic: 't', partition },
  value:
    offset === null
      ? null
      : { offset, leaderEpoch: -1, metadata: '', commitTimestampMs: now.wallMs, expireTimestampMs: -1 },
})

/** `5`: committed without a transaction; `a5`: within one of producer a; `a+`, `a-`: its marker; `x`, `ax`: a tombstone. */
function loaded(log: string): GroupShard {
  const shard = new GroupShard(settings)
  for (const word of log.split(' ')) {
    const [, producer, rest] = /^([ab]?)(.+)$/.exec(word)!
    const producerId = producer === 'a' ? 1 : 2
    const entry = entryOf(rest === 'x' ? null : Number(rest))
    if (rest === '+') shard.endTransaction(producerId, 'commit', now.wallMs)
    else if (rest === '-') shard.endTransaction(producerId, 'abort', now.wallMs)
    else if (producer === '') shard.replay(entry, now.wallMs)
    else shard.replayInTransaction(producerId, entry, now.wallMs)
  }
  shard.onLoaded(now)
  return shard
}

test.each<[log: string, offset: number | null, stability: 'stable' | 'unstable']>([
  ['a5', null, 'unstable'],
  ['a5 a+', 5, 'stable'],
  ['a5 a-', null, 'stable'],
  ['3 a5', 3, 'unstable'],
  ['3 a5 a+', 5, 'stable'],
  ['3 a5 a-', 3, 'stable'],
  ['a5 a6 a+', 6, 'stable'],
  ['a5 a+ a6 a-', 5, 'stable'],
  ['a5 a- a6 a+', 6, 'stable'],
  // What counts is where the record stands, not where the marker stands.
  ['a5 3', 3, 'unstable'],
  ['a5 3 a+', 3, 'stable'],
  ['a5 3 a6 a+', 6, 'stable'],
  ['a5 b6 b+ a+', 6, 'stable'],
  ['a5 b6 a+ b+', 6, 'stable'],
  ['a5 b6 b- a+', 5, 'stable'],
  ['a5 b6 b+', 6, 'unstable'],
  // A tombstone outside of the transaction takes what is committed; one within takes what the transaction wrote.
  ['3 a5 x a+', 5, 'stable'],
  ['3 a5 ax a+', 3, 'stable'],
  ['a+ 3', 3, 'stable'],
  ['b5 a+', null, 'unstable'],
])('offsets of transactions: %s: %s is committed, %s', (log, offset, stability) => {
  const shard = loaded(log)
  expect(shard.offset('g', 't', 0)?.offset ?? null).toBe(offset)
  expect(shard.isUnstable('g', 't', 0)).toBe(stability === 'unstable')
  expect(shard.isUnstable('g', 't', 1)).toBe(false)
  expect(shard.isUnstable('other', 't', 0)).toBe(false)
})

test('a group that has only offsets of an open transaction: it is there, empty, and does not go while the transaction is open', () => {
  const later = { monotonicMs: 2 * minute, wallMs: now.wallMs + 2 * minute }
  const written = (shard: GroupShard): number => {
    const { writes } = shard.take()
    for (const write of writes) {
      for (const entry of write.entries) shard.replay(entry, later.wallMs)
      shard.onWritten(write, 0, later)
    }
    return writes.length
  }
  const shard = loaded('3 a5')
  expect(shard.groups.get('g')?.state).toBe('Empty')
  shard.expireOffsets(later)
  expect([written(shard), shard.offset('g', 't', 0)?.offset]).toEqual([0, 3])
  shard.endTransaction(1, 'abort', later.wallMs)
  shard.expireOffsets(later)
  expect([written(shard), shard.groups.has('g')]).toEqual([1, false])

  const open = loaded('a5')
  expect(open.groups.get('g')?.state).toBe('Empty')
  open.expireOffsets(later)
  expect([written(open), open.groups.has('g')]).toEqual([0, true])
})

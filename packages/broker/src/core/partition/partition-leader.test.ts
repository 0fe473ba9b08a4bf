import { describe, expect, test } from '@jest/globals'
import { FollowerProgress } from './follower-progress.ts'
import { PartitionLeader, type LeaderStart } from './partition-leader.ts'

function leader(
  changes: Partial<LeaderStart> = {},
  followerIds: readonly number[] = [],
): { leader: PartitionLeader; followers: FollowerProgress[]; advances: number[] } {
  const advances: number[] = []
  const followers = followerIds.map(id => new FollowerProgress(id, 0))
  const start: LeaderStart = {
    brokerId: 1,
    leaderEpoch: 5,
    partitionEpoch: 9,
    inSyncReplicas: [1, ...followerIds],
    replicaCount: 1 + followerIds.length,
    highWatermark: 0,
    logEndOffset: 0,
    minInSyncReplicas: () => 1,
    ...changes,
  }
  return {
    leader: new PartitionLeader(start, followers, { highWatermarkAdvanced: offset => advances.push(offset) }),
    followers,
    advances,
  }
}

describe('one replica', () => {
  test('what is written is committed', () => {
    const { leader: alone, advances } = leader()
    alone.onAppended(3)
    alone.onAppended(3)
    alone.onAppended(7)
    expect(advances).toEqual([3, 7])
    expect(alone.highWatermark).toBe(7)
  })

  test('elected with a log above its checkpoint: commits the log', () => {
    const { leader: alone, advances } = leader({ highWatermark: 4, logEndOffset: 10 })
    alone.onElected()
    expect(advances).toEqual([10])
    expect(alone.epochStartOffset).toBe(10)
  })

  test('min.insync.replicas above the replication factor: counts as the replication factor', () => {
    const { leader: alone, advances } = leader({ minInSyncReplicas: () => 2 })
    expect(alone.hasEnoughInSyncReplicas).toBe(true)
    alone.onAppended(1)
    expect(advances).toEqual([1])
  })
})

describe('several replicas', () => {
  test('high watermark: what the slowest in-sync replica has', () => {
    const { leader: first, followers, advances } = leader({}, [2, 3])
    first.onAppended(10)
    first.onFollowerFetch(followers[0]!, 10, 0, 1)
    expect(advances).toEqual([])
    first.onFollowerFetch(followers[1]!, 6, 0, 2)
    first.onFollowerFetch(followers[1]!, 10, 0, 3)
    expect(advances).toEqual([6, 10])
  })

  test('a replica out of sync: is not waited for', () => {
    const { leader: first, followers, advances } = leader({ inSyncReplicas: [1, 2] }, [2, 3])
    first.onAppended(10)
    first.onFollowerFetch(followers[0]!, 8, 0, 1)
    expect(advances).toEqual([8])
  })

  test('fewer in-sync replicas than min.insync.replicas: nothing is committed', () => {
    const { leader: first, advances } = leader({ inSyncReplicas: [1], minInSyncReplicas: () => 2 }, [2, 3])
    first.onAppended(10)
    expect(first.hasEnoughInSyncReplicas).toBe(false)
    expect(advances).toEqual([])
  })

  test('random appends and fetches: highWatermark never falls, never passes an in-sync replica (seeds 1-300)', () => {
    for (let seed = 1; seed <= 300; seed++) checkRandom(seed)
  })
})

function checkRandom(seed: number): void {
  let state = seed
  const below = (end: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return (state >>> 8) % end
  }
  const ids = [2, 3, 4].slice(0, below(4))
  const inSyncReplicas = [1, ...ids.filter(() => below(3) > 0)]
  const { leader: first, followers, advances } = leader({ inSyncReplicas }, ids)
  const has = new Map(ids.map(id => [id, -1]))
  for (let step = 0; step < 60; step++) {
    const follower = followers[below(followers.length + 1)]
    if (follower === undefined) first.onAppended(first.logEndOffset + below(5))
    else {
      const offset = Math.min(first.logEndOffset, Math.max(0, has.get(follower.brokerId)!) + below(4))
      has.set(follower.brokerId, offset)
      first.onFollowerFetch(follower, offset, 0, step)
    }
    const slowest = Math.min(
      first.logEndOffset,
      ...ids.filter(id => inSyncReplicas.includes(id)).map(id => has.get(id)!),
    )
    const expected = Math.max(0, slowest)
    if (first.highWatermark !== expected)
      throw new Error(`seed ${seed}, step ${step}: ${first.highWatermark}, not ${expected}`)
  }
  expect(advances).toEqual([...advances].sort((a, b) => a - b))
  expect(new Set(advances).size).toBe(advances.length)
}

describe('follower progress', () => {
  test('caught up: judged against the end at the fetch before, too', () => {
    const follower = new FollowerProgress(2, 0)
    follower.onFetch(0, 0, 100, 1000)
    follower.onFetch(100, 0, 200, 2000)
    // At 1000 the leader ended at 100, and now the follower has that: it was caught up at 1000.
    expect(follower.lags(200, 10_999, 10_000)).toBe(false)
    expect(follower.lags(200, 11_001, 10_000)).toBe(true)
  })

  test('an idle partition: stays in sync for ever', () => {
    const follower = new FollowerProgress(2, 0)
    follower.onFetch(5, 0, 5, 1)
    expect(follower.lags(5, 1e9, 10_000)).toBe(false)
  })
})

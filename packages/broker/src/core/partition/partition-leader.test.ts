import { describe, expect, test } from '@jest/globals'
import { leaderStart, type LeaderChanges } from '@millrace/testing/replication/leader-start'
import { FollowerProgress } from './follower-progress.ts'
import type { IsrProposal } from './in-sync-set.ts'
import { PartitionLeader } from './partition-leader.ts'

interface Bench {
  readonly leader: PartitionLeader
  readonly advances: number[]
  readonly proposals: IsrProposal[]
  readonly fetch: (brokerId: number, fetchOffset: number, nowMs: number, brokerEpoch?: number) => void
}

/** Broker 1 leads, `followerIds` follow; broker epochs are ten times the id. */
function leader(changes: LeaderChanges = {}, followerIds: readonly number[] = []): Bench {
  const advances: number[] = []
  const proposals: IsrProposal[] = []
  const replicas = [1, ...followerIds]
  const options = leaderStart({ inSyncReplicas: replicas, replicas, ...changes })
  const machine = new PartitionLeader(options, options, {
    leaderEpochBegan: () => {},
    highWatermarkAdvanced: offset => advances.push(offset),
    inSyncReplicasProposed: proposal => proposals.push(proposal),
  })
  const fetch: Bench['fetch'] = (brokerId, fetchOffset, nowMs, brokerEpoch = 10 * brokerId) => {
    machine.onFollowerFetch({ brokerId, brokerEpoch, fetchOffset, logStartOffset: 0 }, machine.logEndOffset, nowMs)
  }
  return { leader: machine, advances, proposals, fetch }
}

describe('one replica', () => {
  test('what is written is committed', () => {
    const { leader: alone, advances } = leader()
    alone.onAppended(3, 0)
    alone.onAppended(3, 0)
    alone.onAppended(7, 0)
    expect(advances).toEqual([3, 7])
    expect(alone.highWatermark).toBe(7)
  })

  test('elected with a log above its checkpoint: commits the log', () => {
    const { leader: alone, advances } = leader({ highWatermark: 4, logEndOffset: 10 })
    alone.onElected(0)
    expect(advances).toEqual([10])
    expect(alone.epochStartOffset).toBe(10)
  })

  test('min.insync.replicas above the replication factor: counts as the replication factor', () => {
    const { leader: alone, advances } = leader({ minInSyncReplicas: () => 2 })
    expect(alone.hasEnoughInSyncReplicas).toBe(true)
    alone.onAppended(1, 0)
    expect(advances).toEqual([1])
  })
})

describe('several replicas', () => {
  test('high watermark: what the slowest in-sync replica has', () => {
    const { leader: first, fetch, advances } = leader({}, [2, 3])
    first.onAppended(10, 0)
    fetch(2, 10, 1)
    expect(advances).toEqual([])
    fetch(3, 6, 2)
    fetch(3, 10, 3)
    expect(advances).toEqual([6, 10])
  })

  test('a fetch that read what was written in this turn, before it was announced: counts', () => {
    const { leader: first, advances } = leader({}, [2])
    first.onAppended(10, 0)
    first.onFollowerFetch({ brokerId: 2, brokerEpoch: 20, fetchOffset: 10, logStartOffset: 0 }, 12, 1)
    first.onFollowerFetch({ brokerId: 2, brokerEpoch: 20, fetchOffset: 12, logStartOffset: 0 }, 12, 2)
    first.onAppended(12, 2)
    expect(advances).toEqual([10, 12])
  })

  test('a replica out of sync: is not waited for', () => {
    const { leader: first, fetch, advances } = leader({ inSyncReplicas: [1, 2] }, [2, 3])
    first.onAppended(10, 0)
    fetch(2, 8, 1)
    expect(advances).toEqual([8])
  })

  test('fewer in-sync replicas than min.insync.replicas: nothing is committed', () => {
    const { leader: first, advances } = leader({ inSyncReplicas: [1], minInSyncReplicas: () => 2 }, [2, 3])
    first.onAppended(10, 0)
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
  const { leader: first, fetch, advances } = leader({ inSyncReplicas, isBrokerAlive: () => false }, ids)
  const has = new Map(ids.map(id => [id, -1]))
  for (let step = 0; step < 60; step++) {
    const id = ids[below(ids.length + 1)]
    if (id === undefined) first.onAppended(first.logEndOffset + below(5), step)
    else {
      const offset = Math.min(first.logEndOffset, Math.max(0, has.get(id)!) + below(4))
      has.set(id, offset)
      fetch(id, offset, step)
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
    follower.onFetch({ brokerId: 2, brokerEpoch: 1, fetchOffset: 0, logStartOffset: 0 }, 100, 1000)
    follower.onFetch({ brokerId: 2, brokerEpoch: 1, fetchOffset: 100, logStartOffset: 0 }, 200, 2000)
    // At 1000 the leader ended at 100, and now the follower has that: it was caught up at 1000.
    expect(follower.lags(200, 10_999, 10_000)).toBe(false)
    expect(follower.lags(200, 11_001, 10_000)).toBe(true)
  })

  test('an idle partition: stays in sync for ever', () => {
    const follower = new FollowerProgress(2, 0)
    follower.onFetch({ brokerId: 2, brokerEpoch: 1, fetchOffset: 5, logStartOffset: 0 }, 5, 1)
    expect(follower.lags(5, 1e9, 10_000)).toBe(false)
  })
})

import { describe, expect, test } from '@jest/globals'
import { ErrorCode } from '@millrace/protocol/errors'
import { FetchSessions, type FetchContext, type FetchSessionRequest } from './fetch-session.ts'
import type { FetchedPartition, FetchPartition } from './fetch-partition.ts'

// A follower's session reads only what has had news. Consumers' sessions: fetch-session.test.ts.

const topicId = 'abcdefghijklmnopqrstuA'
const refreshMs = 250

function asked(partition: number, fetchOffset = 0): FetchPartition {
  return {
    ...{ topic: 't', topicId, partition, currentLeaderEpoch: 0, fetchOffset, lastFetchedEpoch: 0 },
    ...{ logStartOffset: 0, maxBytes: 1000, interest: null },
  }
}

const nothingNew: FetchedPartition = {
  ...{ errorCode: ErrorCode.NONE, highWatermark: 0, logStartOffset: 0, recordsSize: 0 },
  ...{ preferredReadReplica: -1, isDiverging: false, isServed: true },
}

/** A follower of `count` partitions with an open session; every partition is tied when it is read. */
class Follower {
  readonly all = new FetchSessions({ slots: 10, refreshMs, randomUint32: () => 77 })
  readonly ended: number[] = []
  private epoch = 1
  nowMs = 0

  constructor(count: number) {
    const partitions = Array.from({ length: count }, (_, index) => asked(index))
    const first = this.begin({ partitions, sessionId: 0, sessionEpoch: 0 })
    first.complete(
      first.partitions.map(() => nothingNew),
      0,
    )
  }

  fetch(changes: Partial<FetchSessionRequest> = {}): FetchContext {
    return this.begin({ sessionId: 77, sessionEpoch: this.epoch++, ...changes })
  }

  /** What a fetch reads: ties each, and ends. */
  read(
    changes: Partial<FetchSessionRequest> = {},
    row: (partition: number) => FetchedPartition = () => nothingNew,
  ): number[] {
    const context = this.fetch(changes)
    this.tie(context)
    context.complete(
      context.partitions.map(({ partition }) => row(partition)),
      this.nowMs,
    )
    return context.partitions.map(({ partition }) => partition)
  }

  tie(context: FetchContext): void {
    for (const { interest, partition } of context.partitions) {
      interest!.tie ??= { source: partition, end: () => this.ended.push(partition) }
    }
  }

  private begin(changes: Partial<FetchSessionRequest>): FetchContext {
    const context = this.all.begin({
      ...{ sessionId: 0, sessionEpoch: 0, partitions: [], forgotten: [], usesTopicIds: true },
      ...{ follower: '2 broker-2-fetcher-0', nowMs: this.nowMs, ...changes },
    })
    if (typeof context === 'number') throw new Error(`refused with ${context}`)
    return context
  }
}

/** Read once in the session, so that all are tied and nothing is due. */
function settled(count: number): { follower: Follower; interests: NonNullable<FetchPartition['interest']>[] } {
  const follower = new Follower(count)
  const context = follower.fetch()
  follower.tie(context)
  context.complete(
    context.partitions.map(() => nothingNew),
    0,
  )
  return { follower, interests: context.partitions.map(({ interest }) => interest!) }
}

describe('session of a follower', () => {
  test('nothing new: nothing is read', () => {
    expect(settled(3).follower.read()).toEqual([])
  })

  test('news: read once', () => {
    const { follower, interests } = settled(3)
    interests[1]!.onNews()
    expect(follower.read()).toEqual([1])
    expect(follower.read()).toEqual([])
  })

  test('another offset asked for: read', () => {
    const { follower } = settled(3)
    expect(follower.read({ partitions: [asked(2, 5)] })).toEqual([2])
  })

  test.each([
    ['more to read than was sent', { isServed: false, recordsSize: 10 }],
    ['an error', { isServed: false, errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER }],
  ])('%s: read again', (_, changes) => {
    const { follower, interests } = settled(3)
    interests[0]!.onNews()
    expect(follower.read({}, () => ({ ...nothingNew, ...changes }))).toEqual([0])
    expect(follower.read()).toEqual([0])
    expect(follower.read()).toEqual([])
  })

  test('nobody would tell of news: read each time', () => {
    const { follower, interests } = settled(2)
    interests[0]!.onNews()
    const context = follower.fetch()
    interests[0]!.tie = null
    context.complete([nothingNew], 0)
    expect(follower.read()).toEqual([0])
  })

  test('after a while: all are read, so that the leader hears of the follower', () => {
    const { follower } = settled(3)
    follower.nowMs = refreshMs - 1
    expect(follower.read()).toEqual([])
    follower.nowMs = refreshMs
    expect(follower.read()).toEqual([0, 1, 2])
    expect(follower.read()).toEqual([])
  })

  test('news while the fetch waits: told, and in its answer; those of before are not lost', () => {
    const { follower, interests } = settled(4)
    interests[1]!.onNews()
    const context = follower.fetch()
    const told: number[] = []
    context.listen({ onNews: ({ partition }) => void told.push(partition) })
    interests[3]!.onNews()
    interests[1]!.onNews()
    expect(told).toEqual([3, 1])
    context.listen(null)
    interests[0]!.onNews()
    expect(told).toEqual([3, 1])
    context.refresh()
    expect(context.partitions.map(({ partition }) => partition)).toEqual([1, 3, 0])
    const { included } = context.complete(
      context.partitions.map(({ partition }) => ({ ...nothingNew, highWatermark: partition === 3 ? 9 : 0 })),
      0,
    )
    expect(included).toEqual([false, true, false])
    expect(follower.read()).toEqual([])
  })

  test('forgotten partitions and ended sessions: nobody tells them anything any more', () => {
    const { follower } = settled(3)
    follower.read({ forgotten: [{ topic: 't', topicId, partition: 1 }] })
    expect(follower.ended).toEqual([1])
    follower.all.begin({
      ...{ sessionId: 77, sessionEpoch: -1, partitions: [], forgotten: [] },
      ...{ usesTopicIds: true, follower: '2 broker-2-fetcher-0', nowMs: 0 },
    })
    expect(follower.ended).toEqual([1, 0, 2])
    expect(follower.all.size).toBe(0)
  })
})

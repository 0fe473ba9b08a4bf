import { describe, expect, test } from '@jest/globals'
import { ErrorCode } from '@millrace/protocol/errors'
import {
  FetchSessions,
  FINAL_EPOCH,
  INITIAL_EPOCH,
  nextEpoch,
  type FetchContext,
  type FetchSessionRequest,
} from './fetch-session.ts'
import type { FetchedPartition, FetchPartition } from './fetch-partition.ts'

const zeroId = 'AAAAAAAAAAAAAAAAAAAAAA'

function asked(topic: string, partition: number, fetchOffset = 0): FetchPartition {
  return {
    topic,
    topicId: zeroId,
    partition,
    currentLeaderEpoch: -1,
    fetchOffset,
    lastFetchedEpoch: -1,
    logStartOffset: -1,
    maxBytes: 1000,
    interest: null,
  }
}

function found(changes: Partial<FetchedPartition> = {}): FetchedPartition {
  return {
    errorCode: ErrorCode.NONE,
    highWatermark: 10,
    logStartOffset: 0,
    recordsSize: 0,
    preferredReadReplica: -1,
    isDiverging: false,
    isServed: true,
    ...changes,
  }
}

function request(changes: Partial<FetchSessionRequest>): FetchSessionRequest {
  return {
    sessionId: 0,
    sessionEpoch: INITIAL_EPOCH,
    partitions: [],
    forgotten: [],
    usesTopicIds: false,
    follower: null,
    nowMs: 0,
    ...changes,
  }
}

/** A generator with a seed: the same numbers every time. */
function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return (state ^ (state >>> 15)) >>> 0
  }
}

function sessions(options: { slots?: number; evictionMs?: number } = {}): FetchSessions {
  return new FetchSessions({
    slots: options.slots ?? 10,
    evictionMs: options.evictionMs ?? 120_000,
    randomUint32: seeded(1),
  })
}

function begin(all: FetchSessions, changes: Partial<FetchSessionRequest>): FetchContext {
  const context = all.begin(request(changes))
  if (typeof context === 'number') throw new Error(`refused with ${context}`)
  return context
}

/** Opens a session of `count` partitions of topic t, all answered alike. */
function open(all: FetchSessions, count: number, changes: Partial<FetchSessionRequest> = {}): number {
  const partitions = Array.from({ length: count }, (_, index) => asked('t', index))
  const context = begin(all, { partitions, ...changes })
  return context.complete(
    partitions.map(() => found()),
    changes.nowMs ?? 0,
  ).sessionId
}

describe('a follower', () => {
  const follower = '2 broker-2-fetcher-0'
  const isKnown = (all: FetchSessions, sessionId: number): boolean =>
    all.begin(request({ sessionId, sessionEpoch: 1, follower })) !== ErrorCode.FETCH_SESSION_ID_NOT_FOUND

  test('opens another session without naming the one before, of which it never heard: that one is over', () => {
    const all = sessions()
    const unheard = open(all, 3, { follower })
    const second = open(all, 3, { follower })
    expect(all.size).toBe(1)
    expect(isKnown(all, unheard)).toBe(false)
    expect(isKnown(all, second)).toBe(true)
    const of = (name: string): number => open(all, 3, { follower: name })
    const [otherBroker, otherFetcher] = [of('3 broker-3-fetcher-0'), of('2 broker-2-fetcher-1')]
    open(all, 3)
    open(all, 3)
    for (const id of [second, otherBroker, otherFetcher])
      expect(all.begin(request({ sessionId: id, sessionEpoch: 7 }))).toBe(ErrorCode.INVALID_FETCH_SESSION_EPOCH)
    expect(all.size).toBe(5)
  })

  test('its connection broke while a full fetch waited: the answer that nobody reads opens no session over the one opened since', () => {
    const all = sessions()
    const partitions = [asked('t', 0)]
    const waiting = begin(all, { partitions, follower })
    const second = open(all, 1, { follower })
    expect(waiting.complete([found()], 0).sessionId).toBe(0)
    expect(isKnown(all, second)).toBe(true)
    const third = open(all, 1, { follower })
    expect([all.size, isKnown(all, third)]).toEqual([1, true])
  })

  test('ends its session: the next one is its own again', () => {
    const all = sessions()
    const first = open(all, 1, { follower })
    begin(all, { sessionId: first, sessionEpoch: FINAL_EPOCH, follower })
    const second = open(all, 1, { follower })
    expect([all.size, isKnown(all, second)]).toEqual([1, true])
  })

  test('names a partition again: it is told all of it again, since it may not have used the answer before; a consumer is not', () => {
    const toldAgain = [follower, null].map(who => {
      const all = sessions()
      const sessionId = open(all, 2, { follower: who })
      const context = begin(all, { sessionId, sessionEpoch: 1, partitions: [asked('t', 1)], follower: who })
      const { included } = context.complete([found(), found()], 0)
      return context.partitions.filter((_, index) => included?.[index] ?? true).map(({ partition }) => partition)
    })
    expect(toldAgain).toEqual([[1], []])
  })
})

describe('life of a session', () => {
  test('full request: opens a session, all rows in the answer', () => {
    const all = sessions()
    const context = begin(all, { partitions: [asked('t', 0)] })
    const outcome = context.complete([found()], 0)
    expect(outcome).toEqual({ sessionId: expect.any(Number), errorCode: ErrorCode.NONE, included: null })
    expect(outcome.sessionId).toBeGreaterThan(0)
    expect(all.size).toBe(1)
  })

  test('epoch -1: no session is opened, the named one is closed', () => {
    const all = sessions()
    const sessionId = open(all, 1)
    const context = begin(all, { sessionId, sessionEpoch: FINAL_EPOCH, partitions: [asked('t', 0)] })
    expect(context.complete([found()], 0).sessionId).toBe(0)
    expect(all.size).toBe(0)
  })

  test('epoch 0 with an id: the old session is replaced', () => {
    const all = sessions()
    const first = open(all, 1)
    const second = open(all, 1, { sessionId: first })
    expect(second).not.toBe(first)
    expect(all.size).toBe(1)
  })

  test('full request without partitions: no session', () => {
    const all = sessions()
    expect(begin(all, {}).complete([], 0).sessionId).toBe(0)
    expect(all.size).toBe(0)
  })

  test('incremental: epochs count 1, 2, 3; a repeated or skipped one is refused', () => {
    const all = sessions()
    const sessionId = open(all, 1)
    for (const sessionEpoch of [1, 2, 3]) begin(all, { sessionId, sessionEpoch }).complete([found()], 0)
    expect(all.begin(request({ sessionId, sessionEpoch: 3 }))).toBe(ErrorCode.INVALID_FETCH_SESSION_EPOCH)
    expect(all.begin(request({ sessionId, sessionEpoch: 5 }))).toBe(ErrorCode.INVALID_FETCH_SESSION_EPOCH)
    begin(all, { sessionId, sessionEpoch: 4 })
  })

  test('unknown id: FETCH_SESSION_ID_NOT_FOUND', () => {
    expect(sessions().begin(request({ sessionId: 7, sessionEpoch: 1 }))).toBe(ErrorCode.FETCH_SESSION_ID_NOT_FOUND)
  })

  test('names in a session of ids, and the reverse: FETCH_SESSION_TOPIC_ID_ERROR', () => {
    const all = sessions()
    const byName = open(all, 1)
    const byId = open(all, 1, { usesTopicIds: true })
    const mixed = { sessionEpoch: 1 }
    expect(all.begin(request({ ...mixed, sessionId: byName, usesTopicIds: true }))).toBe(
      ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR,
    )
    expect(all.begin(request({ ...mixed, sessionId: byId }))).toBe(ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR)
  })

  test('forgetting the last partition: the session is gone, the request goes on without one', () => {
    const all = sessions()
    const sessionId = open(all, 1)
    const context = begin(all, { sessionId, sessionEpoch: 1, forgotten: [asked('t', 0)] })
    expect(context.partitions).toEqual([])
    expect(context.complete([], 0).sessionId).toBe(0)
    expect(all.size).toBe(0)
  })

  test('a newer request took the session while this one waited: INVALID_FETCH_SESSION_EPOCH', () => {
    const all = sessions()
    const sessionId = open(all, 1)
    const waiting = begin(all, { sessionId, sessionEpoch: 1 })
    begin(all, { sessionId, sessionEpoch: 2 })
    expect(waiting.complete([found()], 0).errorCode).toBe(ErrorCode.INVALID_FETCH_SESSION_EPOCH)
  })

  test('epochs wrap to 1', () => {
    expect(nextEpoch(0)).toBe(1)
    expect(nextEpoch(0x7fffffff)).toBe(1)
    expect(nextEpoch(FINAL_EPOCH)).toBe(FINAL_EPOCH)
  })
})

describe('incremental answers', () => {
  const cases: [string, Partial<FetchedPartition>, boolean][] = [
    ['nothing new', {}, false],
    ['records', { recordsSize: 1 }, true],
    ['high watermark alone', { highWatermark: 11 }, true],
    ['log start alone', { logStartOffset: 1 }, true],
    ['error', { errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER }, true],
    ['diverging epoch', { isDiverging: true }, true],
    ['preferred replica', { preferredReadReplica: 2 }, true],
  ]
  test.each(cases)('%s: in the answer: %#', (_name, change, isIncluded) => {
    const all = sessions()
    const sessionId = open(all, 1)
    const context = begin(all, { sessionId, sessionEpoch: 1 })
    expect(context.complete([found(change)], 0).included).toEqual(isIncluded ? null : [false])
  })

  test('after an error: the recovery is told even though nothing changed', () => {
    const all = sessions()
    const sessionId = open(all, 1)
    const rows = [found({ errorCode: ErrorCode.KAFKA_STORAGE_ERROR }), found(), found()]
    const included = rows.map(
      (row, index) => begin(all, { sessionId, sessionEpoch: index + 1 }).complete([row], 0).included,
    )
    expect(included).toEqual([null, null, [false]])
  })

  test('partitions that gave data: go to the end of the order', () => {
    const all = sessions()
    const sessionId = open(all, 3)
    begin(all, { sessionId, sessionEpoch: 1 }).complete([found({ recordsSize: 9 }), found(), found()], 0)
    const order = begin(all, { sessionId, sessionEpoch: 2 }).partitions.map(({ partition }) => partition)
    expect(order).toEqual([1, 2, 0])
  })

  test('one partition gives data again and again: stays at the end, and lets others pass when they have some', () => {
    const all = sessions()
    const sessionId = open(all, 3)
    const orders = [[9, 0, 0], [0, 0, 9], [0, 0, 9], [9, 0, 0], []].map((sizes, index) => {
      const context = begin(all, {
        ...{ sessionId, sessionEpoch: index + 1 },
        // The last of the order goes, and comes back: to the end again.
        ...(index === 3 && { forgotten: [asked('t', 0)] }),
        ...(index === 4 && { partitions: [asked('t', 0)] }),
      })
      const order = context.partitions.map(({ partition }) => partition)
      context.complete(
        order.map((_, place) => found({ recordsSize: sizes[place] ?? 0 })),
        0,
      )
      return order
    })
    expect(orders).toEqual([
      [0, 1, 2],
      [1, 2, 0],
      [1, 2, 0],
      [1, 2],
      [2, 1, 0],
    ])
  })

  test('updates: new offsets are used, new partitions come last, forgotten ones go', () => {
    const all = sessions()
    const sessionId = open(all, 3)
    const context = begin(all, {
      sessionId,
      sessionEpoch: 1,
      partitions: [asked('t', 1, 77), asked('u', 0)],
      forgotten: [asked('t', 0)],
    })
    expect(context.partitions.map(({ topic, partition, fetchOffset }) => [topic, partition, fetchOffset])).toEqual([
      ['t', 1, 77],
      ['t', 2, 0],
      ['u', 0, 0],
    ])
    // The new one was never told anything, so it is in.
    expect(context.complete([found(), found(), found()], 0).included).toEqual([false, false, true])
  })
})

describe('eviction', () => {
  test('full: no session for a newcomer that is worth less', () => {
    const all = sessions({ slots: 1 })
    open(all, 3)
    expect(open(all, 2)).toBe(0)
    expect(all.size).toBe(1)
  })

  test('full: an idle session goes, whoever comes', () => {
    const all = sessions({ slots: 1 })
    const idle = open(all, 50)
    const newcomer = open(all, 1, { nowMs: 120_001 })
    expect(newcomer).toBeGreaterThan(0)
    expect(all.begin(request({ sessionId: idle, sessionEpoch: 1 }))).toBe(ErrorCode.FETCH_SESSION_ID_NOT_FOUND)
  })

  test('full: a consumer pushes out a smaller session only after that had its time', () => {
    const all = sessions({ slots: 1 })
    const small = open(all, 1)
    begin(all, { sessionId: small, sessionEpoch: 1, nowMs: 119_000 }).complete([found()], 119_000)
    expect(open(all, 5, { nowMs: 119_001 })).toBe(0)
    expect(open(all, 5, { nowMs: 121_000 })).toBeGreaterThan(0)
  })

  test('full: a follower pushes out a consumer at once, a consumer never a follower', () => {
    const all = sessions({ slots: 1 })
    open(all, 9)
    expect(open(all, 1, { follower: '2 broker-2-fetcher-0' })).toBeGreaterThan(0)
    expect(open(all, 99, { nowMs: 1000 })).toBe(0)
  })
})

test('random sessions: the answer always tells exactly what the client does not know (seeds 1-200)', () => {
  for (let seed = 1; seed <= 200; seed++) checkRandomSession(seed)
})

/** A client and a broker that change at random: whatever the client knows at the end is what the broker last read. */
function checkRandomSession(seed: number): void {
  const random = seeded(seed)
  const below = (end: number): number => random() % end
  const all = new FetchSessions({ slots: 3, randomUint32: random })
  const truth = new Map<number, { highWatermark: number; logStartOffset: number; errorCode: ErrorCode }>()
  const known = new Map<number, { highWatermark: number; logStartOffset: number; errorCode: ErrorCode }>()
  const wanted = new Set<number>()
  for (let partition = 0; partition < 8; partition++) {
    truth.set(partition, { highWatermark: 0, logStartOffset: 0, errorCode: ErrorCode.NONE })
  }
  let sessionId = 0
  let sessionEpoch = 0
  for (let step = 0; step < 30; step++) {
    for (let changes = below(4); changes > 0; changes--) {
      const state = truth.get(below(8))!
      if (below(3) === 0)
        state.errorCode = state.errorCode === ErrorCode.NONE ? ErrorCode.KAFKA_STORAGE_ERROR : ErrorCode.NONE
      else if (below(2) === 0) state.highWatermark++
      else state.logStartOffset++
    }
    const added = [below(8), below(8)].filter(partition => !wanted.has(partition))
    const removed = sessionEpoch === 0 ? [] : [...wanted].filter(() => below(6) === 0)
    for (const partition of added) wanted.add(partition)
    for (const partition of removed) {
      wanted.delete(partition)
      known.delete(partition)
    }
    const named = sessionEpoch === 0 ? [...wanted] : added.filter(partition => wanted.has(partition))
    const partitions = named.map(partition => asked('t', partition))
    const context = all.begin(
      request({ sessionId, sessionEpoch, partitions, forgotten: removed.map(p => asked('t', p)) }),
    )
    if (typeof context === 'number') throw new Error(`seed ${seed}, step ${step}: refused with ${context}`)
    const rows = context.partitions.map(({ partition }) => {
      const { errorCode, ...offsets } = truth.get(partition)!
      return found(errorCode === ErrorCode.NONE ? offsets : { errorCode, highWatermark: -1, logStartOffset: -1 })
    })
    const outcome = context.complete(rows, 0)
    context.partitions.forEach(({ partition }, index) => {
      if (outcome.included === null || outcome.included[index] === true) {
        known.set(partition, { ...truth.get(partition)! })
      }
    })
    for (const partition of wanted) {
      const expected = truth.get(partition)!
      const told = known.get(partition)!
      const knows =
        expected.errorCode === ErrorCode.NONE
          ? told
          : { ...told, highWatermark: expected.highWatermark, logStartOffset: expected.logStartOffset }
      if (JSON.stringify(knows) !== JSON.stringify(expected)) {
        throw new Error(`seed ${seed}, step ${step}: partition ${partition}: ${JSON.stringify({ told, expected })}`)
      }
    }
    sessionId = outcome.sessionId
    sessionEpoch = sessionId === 0 ? 0 : nextEpoch(sessionEpoch)
    if (sessionId === 0) known.clear()
  }
}

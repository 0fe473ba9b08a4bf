import { describe, expect, test } from '@jest/globals'
import { ErrorCode } from '@millrace/protocol/errors'
import { noPlace } from '../core/partition/bag.ts'
import { FetchSessions } from '../core/partition/fetch-session.ts'
import { FollowerSession, type FollowerFetch } from './follower-session.ts'

type Mutable = { -readonly [Key in keyof FollowerFetch]: FollowerFetch[Key] }

const id = 'abcdefghijklmnopqrstuA'
const otherId = 'abcdefghijklmnopqrstuB'
const noId = 'AAAAAAAAAAAAAAAAAAAAAA'

function fetchOf(partition: number, changes: Partial<FollowerFetch> = {}): Mutable {
  return {
    topic: 't',
    topicId: id,
    partition,
    currentLeaderEpoch: 0,
    fetchOffset: 0,
    lastFetchedEpoch: -1,
    logStartOffset: 0,
    place: noPlace,
    ...changes,
  }
}

/** What the next request says, in short. */
function next(session: FollowerSession<Mutable>): string {
  const { sessionId, sessionEpoch, topics, forgottenTopicsData } = session.request()
  const asked = topics.flatMap(({ topic, partitions }) =>
    partitions.map(({ partition, fetchOffset }) => `${topic}-${partition}@${fetchOffset}`),
  )
  const gone = forgottenTopicsData.flatMap(({ topic, partitions }) => partitions.map(each => `-${topic}-${each}`))
  return [`${sessionId}/${sessionEpoch}`, ...asked, ...gone].join(' ')
}

describe('follower session', () => {
  test('requests: all at first, then what is new, changed or gone', () => {
    const session = new FollowerSession<Mutable>(1000)
    const [first, second] = [fetchOf(0), fetchOf(1)]
    session.want(first)
    session.want(second)
    expect(next(session)).toBe('0/0 t-0@0 t-1@0')
    expect(session.accept(ErrorCode.NONE, 77)).toBe(true)
    expect(next(session)).toBe('77/1')
    session.accept(ErrorCode.NONE, 77)
    first.fetchOffset = 5
    session.want(first)
    session.want(fetchOf(2))
    session.forget(second)
    expect(next(session)).toBe('77/2 t-0@5 t-2@0 -t-1')
    session.accept(ErrorCode.NONE, 77)
    expect(next(session)).toBe('77/3')
  })

  test('forgotten and wanted again before the next request: changed, not gone', () => {
    const session = new FollowerSession<Mutable>(1000)
    const fetch = fetchOf(0)
    session.want(fetch)
    next(session)
    session.accept(ErrorCode.NONE, 77)
    session.forget(fetch)
    session.want(fetchOf(0, { fetchOffset: 9 }))
    expect(next(session)).toBe('77/1 t-0@9')
  })

  test.each([
    ['the leader forgot the session', ErrorCode.FETCH_SESSION_ID_NOT_FOUND, '0/0 t-0@0'],
    ['the leader is at another request', ErrorCode.INVALID_FETCH_SESSION_EPOCH, '77/0 t-0@0'],
  ])('%s: the next request names all, and closes what may be open', (_, errorCode, expected) => {
    const session = new FollowerSession<Mutable>(1000)
    session.want(fetchOf(0))
    next(session)
    session.accept(ErrorCode.NONE, 77)
    next(session)
    expect(session.accept(errorCode, 0)).toBe(false)
    expect(next(session)).toBe(expected)
  })

  test('no answer came: begins anew, and closes the old session', () => {
    const session = new FollowerSession<Mutable>(1000)
    session.want(fetchOf(0))
    next(session)
    session.accept(ErrorCode.NONE, 77)
    session.want(fetchOf(1))
    next(session)
    session.restart()
    expect(next(session)).toBe('77/0 t-0@0 t-1@0')
  })

  test('the leader has no room for a session: every request names all', () => {
    const session = new FollowerSession<Mutable>(1000)
    session.want(fetchOf(0))
    next(session)
    session.accept(ErrorCode.NONE, 0)
    expect(next(session)).toBe('0/0 t-0@0')
  })

  test('rows: only for what was asked and has not changed since', () => {
    const session = new FollowerSession<Mutable>(1000)
    const [kept, changed, gone] = [fetchOf(0), fetchOf(1), fetchOf(2)]
    for (const fetch of [kept, changed, gone]) session.want(fetch)
    session.request()
    session.want(changed)
    session.forget(gone)
    session.want(fetchOf(3))
    expect([0, 1, 2, 3].map(partition => session.takerOf('', id, partition))).toEqual([
      kept,
      undefined,
      undefined,
      undefined,
    ])
  })

  test('a row for what is asked otherwise by now: nobody uses it, so the next request names all, and is told all', () => {
    const session = new FollowerSession<Mutable>(1000)
    for (const partition of [0, 1]) session.want(fetchOf(partition))
    next(session)
    session.accept(ErrorCode.NONE, 77)
    next(session)
    session.want(fetchOf(1, { currentLeaderEpoch: 1 }))
    session.accept(ErrorCode.NONE, 77)
    expect(session.takerOf('', id, 0)).toBeDefined()
    expect(session.takerOf('', id, 1)).toBeUndefined()
    expect(next(session)).toBe('77/0 t-0@0 t-1@0')
  })

  test('a topic that came back under its name with another id: the old one is forgotten, rows are told apart', () => {
    const session = new FollowerSession<Mutable>(1000)
    const [before, after] = [fetchOf(0), fetchOf(0, { topicId: otherId })]
    session.want(before)
    session.request()
    session.accept(ErrorCode.NONE, 77)
    session.forget(before)
    session.want(after)
    const { topics, forgottenTopicsData } = session.request()
    expect(topics.map(({ topicId }) => topicId)).toEqual([otherId])
    expect(forgottenTopicsData.map(({ topicId }) => topicId)).toEqual([id])
    expect(session.takerOf('', id, 0)).toBeUndefined()
    expect(session.takerOf('', otherId, 0)).toBe(after)
  })

  test('a topic without id: the whole session names topics, from its beginning', () => {
    const session = new FollowerSession<Mutable>(1000)
    const withId = fetchOf(0)
    session.want(withId)
    session.request()
    expect(session.apiVersion).toBe(17)
    session.accept(ErrorCode.NONE, 77)
    const withoutId = fetchOf(0, { topic: 'old', topicId: noId })
    session.want(withoutId)
    expect(next(session)).toBe('77/0 t-0@0 old-0@0')
    expect(session.apiVersion).toBe(12)
    expect(session.takerOf('t', noId, 0)).toBe(withId)
    expect(session.takerOf('old', noId, 0)).toBe(withoutId)
    session.accept(ErrorCode.NONE, 78)
    session.forget(withoutId)
    expect(next(session)).toBe('78/0 t-0@0')
    expect(session.apiVersion).toBe(17)
  })
})

/** What the leader's side believes that this side knows, and what it does, are two things: an answer may come for what is not asked any more. */
test('both sides of a session, partitions followed anew while an answer is on its way: the follower hears every high watermark (seeds 1-500)', () => {
  for (let seed = 1; seed <= 500; seed++) checkBothSides(seed)
})

function checkBothSides(seed: number): void {
  let state = seed
  const below = (end: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return (state >>> 16) % end
  }
  const leader = new FetchSessions({ slots: 4, randomUint32: () => below(1000) + 1 })
  const follower = new FollowerSession<Mutable>(1000)
  const followed = new Map<number, Mutable>()
  const highWatermarks = [0, 0, 0, 0]
  const known = [-1, -1, -1, -1]
  let nowMs = 0

  const events: readonly ((partition: number) => void)[] = [
    partition => void highWatermarks[partition]!++,
    // A new leader epoch, or its log moved: another of these stands for the same replica.
    partition => {
      const before = followed.get(partition)
      if (before !== undefined) follower.forget(before)
      const after = fetchOf(partition, { currentLeaderEpoch: (before?.currentLeaderEpoch ?? 0) + below(2) })
      followed.set(partition, after)
      follower.want(after)
    },
    partition => {
      const before = followed.get(partition)
      if (before !== undefined) follower.forget(before)
      followed.delete(partition)
    },
  ]
  const happen = (): void => {
    for (let count = below(3); count > 0; count--) events[below(events.length)]!(below(4))
  }

  /** `during`: between the leader's read and the follower's use of it. */
  const fetch = (during: () => void): void => {
    if (followed.size === 0) return
    const { sessionId, sessionEpoch, topics, forgottenTopicsData } = follower.request()
    const begun = leader.begin({
      ...{ sessionId, sessionEpoch, usesTopicIds: true, follower: '2 fetcher', nowMs: (nowMs += 300) },
      partitions: topics.flatMap(({ partitions }) =>
        partitions.map(row => ({ ...row, topic: 't', topicId: id, maxBytes: 1000, interest: null })),
      ),
      forgotten: forgottenTopicsData.flatMap(({ partitions }) =>
        partitions.map(partition => ({ topic: 't', topicId: id, partition })),
      ),
    })
    if (typeof begun === 'number') throw new Error(`seed ${seed}: refused with ${begun}`)
    const rows = begun.partitions.map(({ partition }) => ({
      ...{ errorCode: ErrorCode.NONE, highWatermark: highWatermarks[partition]!, logStartOffset: 0 },
      ...{ recordsSize: 0, preferredReadReplica: -1, isDiverging: false, isServed: true },
    }))
    const { included, ...outcome } = begun.complete(rows, nowMs)
    during()
    expect(follower.accept(outcome.errorCode, outcome.sessionId)).toBe(true)
    begun.partitions.forEach(({ partition }, index) => {
      if (included?.[index] === false || follower.takerOf('', id, partition) === undefined) return
      known[partition] = rows[index]!.highWatermark
    })
  }

  for (let step = 0; step < 20; step++) {
    happen()
    fetch(happen)
  }
  fetch(() => {})
  for (const partition of followed.keys()) {
    if (known[partition] !== highWatermarks[partition]) {
      throw new Error(`seed ${seed}: partition ${partition}: knows ${known[partition]} of ${highWatermarks[partition]}`)
    }
  }
}

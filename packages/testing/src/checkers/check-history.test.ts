import { describe, expect, test } from '@jest/globals'
import { SeededRandom } from '../world/seeded-random.ts'
import { anomalies, type Anomaly } from './anomalies.ts'
import { longestGaps } from './availability.ts'
import { checkHistory } from './check-history.ts'
import { formatOperation, parseHistory, type Operation, type Poll, type ReadRecord, type Send } from './history.ts'
import { syntheticHistory } from './synthetic-history.ts'

const seeds = [1, 2, 3, 4, 5]
const clean = (seed: number, sends = 600): Operation[] =>
  syntheticHistory({ random: new SeededRandom(seed), partitions: 3, sends })

const sendsOf = (history: readonly Operation[]): Send[] => history.filter(each => each.type === 'send')
const pollsOf = (history: readonly Operation[]): Poll[] => history.filter(each => each.type === 'poll')

/** Some send in the middle of its partition that was acknowledged with acks=all and is there once. */
function victimOf(history: readonly Operation[], process = 'ordered'): Send & { readonly offset: number } {
  const found = sendsOf(history).filter(send => send.process === process && send.result === 'ok')
  return found[Math.floor(found.length / 2)]! as Send & { readonly offset: number }
}

/** Every poll's records, changed. */
const reread = (
  history: readonly Operation[],
  change: (records: readonly ReadRecord[], poll: Poll) => ReadRecord[],
): Operation[] => history.map(each => (each.type === 'poll' ? { ...each, records: change(each.records, each) } : each))
const resent = (history: readonly Operation[], value: string, change: Partial<Send>): Operation[] =>
  history.map(each => (each.type === 'send' && each.value === value ? { ...each, ...change } : each))
const renamed = (
  history: readonly Operation[],
  value: string,
  name: string,
  only: (poll: Poll) => boolean = () => true,
): Operation[] =>
  reread(history, (records, poll) =>
    records.map(record => (record[1] === value && only(poll) ? [record[0], name, record[2]] : record)),
  )

interface Mutation {
  readonly what: string
  readonly apply: (history: readonly Operation[]) => readonly Operation[]
  readonly finds: readonly Anomaly[]
}

const mutations: readonly Mutation[] = [
  {
    what: 'a record vanished from every reader',
    apply: history => {
      const { value } = victimOf(history)
      return reread(history, records => records.filter(record => record[1] !== value))
    },
    // Where it stood, its acknowledgement says; so every reader passed it.
    finds: ['lost', 'poll-skip'],
  },
  {
    what: 'the end of a log vanished after it was acknowledged',
    apply: history => {
      const { partition } = victimOf(history)
      const end = Math.max(...sendsOf(history).flatMap(send => (send.partition === partition ? (send.offset ?? 0) : 0)))
      return reread(history, (records, poll) =>
        poll.partition === partition ? records.filter(record => record[0] < end - 4) : [...records],
      )
    },
    finds: ['unseen', 'stale-read'],
  },
  {
    what: 'a record that was acknowledged and read is gone at the end, another one stands there',
    apply: history => {
      const { value } = victimOf(history)
      const other: Send = { ...victimOf(history), process: 'other', value: 'other:1', result: 'unknown', offset: null }
      return [...renamed(history, value, other.value, ({ isFinal }) => isFinal === true), { ...other, ordered: false }]
    },
    finds: ['lost', 'vanished', 'inconsistent-offset'],
  },
  {
    what: 'a record of unknown fate was read and is gone at the end',
    apply: history => {
      const { value } = victimOf(history)
      const gone = reread(history, (records, poll) =>
        records.filter(record => poll.isFinal !== true || record[1] !== value),
      )
      return resent(gone, value, { result: 'unknown', offset: null })
    },
    finds: ['vanished', 'poll-skip'],
  },
  {
    what: 'an acks=1 record vanished: counted apart',
    apply: history => {
      const weak = sendsOf(history).find(({ acks, value }) => acks === 1 && value.startsWith('raw'))!
      return reread(history, records => records.filter(record => record[1] !== weak.value))
    },
    finds: [],
  },
  {
    what: 'an idempotent record is there twice',
    apply: history => {
      const { partition, value } = victimOf(history)
      return reread(history, (records, poll) => {
        const isEnd = poll.partition === partition && poll.isFinal === true
        return isEnd ? [...records, [records.at(-1)![0] + 1, value, records.at(-1)![2]]] : [...records]
      })
    },
    finds: ['duplicate'],
  },
  {
    what: 'a record that was sent twice is there three times',
    apply: history => {
      const { partition, value } = sendsOf(history).find(
        ({ value: each }) => each.endsWith('0') && each.startsWith('raw'),
      )!
      return reread(history, (records, poll) => {
        const isEnd = poll.partition === partition && poll.isFinal === true
        return isEnd ? [...records, [records.at(-1)![0] + 1, value, records.at(-1)![2]]] : [...records]
      })
    },
    finds: ['duplicate'],
  },
  {
    what: 'one replica shows another value at an offset',
    apply: history => {
      const victim = victimOf(history)
      const other: Send = {
        ...victim,
        process: 'other',
        value: 'other:1',
        result: 'unknown',
        offset: null,
        ordered: false,
      }
      const isThere = ({ process }: Poll): boolean => process === 'read-back-2'
      return [...renamed(history, victim.value, other.value, isThere), other]
    },
    finds: ['inconsistent-offset'],
  },
  {
    what: 'a send that failed for certain is read',
    apply: history => resent(history, victimOf(history).value, { result: 'failed', offset: null }),
    finds: ['aborted-read'],
  },
  {
    what: 'a value is read that nobody sent',
    apply: history => {
      const { value } = victimOf(history)
      return renamed(
        history.filter(each => each.type !== 'send' || each.value !== value),
        value,
        'nobody:1',
      )
    },
    finds: ['phantom'],
  },
  {
    what: 'a value is read in pieces',
    apply: history => {
      const { value } = victimOf(history)
      return renamed(
        history.filter(each => each.type !== 'send' || each.value !== value),
        value,
        'torn:12:ordered:5:xx',
      )
    },
    finds: ['torn'],
  },
  {
    what: 'half of a transaction is there',
    apply: history => {
      const half = sendsOf(history).find(({ transaction }) => transaction !== undefined)!
      const without = reread(history, records => records.filter(record => record[1] !== half.value))
      return resent(without, half.value, { result: 'unknown', offset: null })
    },
    finds: ['torn-transaction'],
  },
  {
    what: 'a reader was not shown one record',
    apply: history => {
      const poll = pollsOf(history).find(({ process, records }) => process === 'replica-reader' && records.length > 2)!
      return history.map(each => (each === poll ? { ...poll, records: poll.records.toSpliced(1, 1) } : each))
    },
    finds: ['poll-skip'],
  },
  {
    what: 'a reader was not shown what stands between two answers',
    apply: history => {
      const polls = pollsOf(history).filter(({ process, partition }) => process === 'replica-reader' && partition === 0)
      const poll = polls.find(({ records }, index) => index > 0 && records.length > 1)!
      return history.map(each => (each === poll ? { ...poll, records: poll.records.slice(1) } : each))
    },
    finds: ['poll-skip'],
  },
  {
    what: 'a reader was shown two records in the wrong order',
    apply: history => {
      const poll = pollsOf(history).find(({ process, records }) => process === 'replica-reader' && records.length > 2)!
      const [first, second, ...rest] = poll.records as [ReadRecord, ReadRecord]
      return history.map(each => (each === poll ? { ...poll, records: [second, first, ...rest] } : each))
    },
    finds: ['poll-backwards', 'poll-skip'],
  },
  {
    what: 'a reader was shown a record again',
    apply: history => {
      const polls = pollsOf(history).filter(({ process, partition }) => process === 'replica-reader' && partition === 0)
      const poll = polls.find(({ records }, index) => index > 0 && records.length > 0)!
      const before = polls[polls.indexOf(poll) - 1]!.records.at(-1)!
      return history.map(each => (each === poll ? { ...poll, records: [before, ...poll.records] } : each))
    },
    finds: ['poll-backwards'],
  },
  {
    what: 'the leader does not know an offset that it must have',
    apply: history => [
      ...history,
      {
        ...pollsOf(history).find(({ process }) => process === 'leader-reader')!,
        records: [],
        outOfRange: true,
        startMs: 1e9,
        endMs: 1e9,
      },
    ],
    finds: ['beyond-the-log'],
  },
  {
    what: 'an ordered producer had sent it later',
    apply: history => {
      const { partition, value } = victimOf(history)
      const before = sendsOf(history).findLast(
        send => send.process === 'ordered' && send.partition === partition && send.startMs < victimOf(history).startMs,
      )!
      const { startMs } = sendsOf(history).find(send => send.value === value)!
      return resent(history, before.value, { startMs: startMs + 0.5, endMs: startMs + 0.9 })
    },
    finds: ['send-reordered', 'realtime-order'],
  },
  {
    what: 'a record stands before one that was acknowledged before it was sent',
    apply: history => resent(history, victimOf(history, 'raw').value, { startMs: 1e6, endMs: 1e6 + 1 }),
    finds: ['realtime-order'],
  },
  {
    what: 'a batch of an older epoch follows a newer one',
    apply: history => {
      const { partition, startMs } = sendsOf(history).find(send => send.process === 'first-of-epoch')!
      const after = sendsOf(history).filter(send => send.partition === partition && send.startMs > startMs)
      const { value } = after.find(send => send.process === 'ordered')!
      return reread(history, records => records.map(record => (record[1] === value ? [record[0], value, 0] : record)))
    },
    finds: ['epoch-backwards'],
  },
  {
    what: 'a leader does not show what it has acknowledged',
    apply: history => {
      const poll = pollsOf(history).find(({ process, records }) => process === 'leader-reader' && records.length > 3)!
      const late = {
        ...poll,
        records: [],
        highWatermark: poll.fetchOffset!,
        startMs: poll.startMs + 0.5,
        endMs: poll.endMs + 0.5,
      }
      return [...history, late]
    },
    finds: ['stale-read'],
  },
  {
    what: 'a leader of an old epoch answers a read',
    apply: history => {
      const epochs = Map.groupBy(
        pollsOf(history).filter(each => each.leaderEpoch !== undefined),
        each => each.partition,
      )
      const polls = [...epochs.values()].find(each => each[0]!.leaderEpoch !== each.at(-1)!.leaderEpoch)!
      const poll = polls[0]!
      return [...history, { ...poll, records: [], startMs: 1e6, endMs: 1e6 }]
    },
    finds: ['answer-from-the-past', 'stale-read'],
  },
  {
    what: 'a leader of an old epoch acknowledges with acks=1',
    apply: history => {
      const lost = sendsOf(history).find(({ value }) => value.startsWith('weak'))!
      return resent(history, lost.value, { endMs: 1e6 })
    },
    finds: ['stale-ack'],
  },
]

describe('history checker', () => {
  test.each(seeds)(
    'a history without faults: no violation; acks=1 losses and repeated sends are counted apart (seed %i)',
    seed => {
      const findings = checkHistory(clean(seed))
      expect(findings.violations).toEqual({})
      expect(findings.count('lost-acks-1')).toBe(10)
      expect(findings.count('retried-duplicate')).toBeGreaterThan(0)
    },
  )

  describe.each(mutations)('$what', ({ apply, finds }) => {
    test.each(seeds)(`found, and nothing else (seed %i)`, seed => {
      const { violations } = checkHistory(apply(clean(seed)))
      const found = Object.keys(violations)
      // What else follows from the mutation is named beside it, and may not come up with every seed.
      expect(found.slice().filter(anomaly => !finds.includes(anomaly as Anomaly))).toEqual([])
      if (finds.length > 0) expect(found).toContain(finds[0])
      else expect(found).toEqual([])
    })
  })

  test('every violation that the history can show has its mutation', () => {
    const found = new Set(mutations.flatMap(({ finds }) => finds))
    const missing = Object.entries(anomalies)
      .filter(([name, { kind }]) => kind === 'violation' && !found.has(name as Anomaly))
      .map(([name]) => name)
    // The replicas' bytes are compared by whoever reads them back: workload/read-back.ts.
    expect(missing).toEqual(['replicas-differ'])
  })

  test('a history that is not over: what was not read yet is not missing', () => {
    const history = clean(1).filter(each => each.type === 'send' || !each.process.startsWith('read-back'))
    expect(checkHistory(history, { isComplete: false }).violations).toEqual({})
    expect(Object.keys(checkHistory(history).violations)).toContain('unseen')
  })

  test('the order of the operations in the history does not matter', () => {
    const history = clean(3)
    const random = new SeededRandom(3)
    const shuffled = history.map(each => ({ each, key: random.uint32() })).sort((a, b) => a.key - b.key)
    expect(checkHistory(shuffled.map(({ each }) => each)).violations).toEqual({})
  })

  test('a history as lines: the same when read again; a line that is cut off is named', () => {
    const history = clean(1, 50)
    const text = history.map(formatOperation).join('')
    expect(parseHistory(text)).toEqual(history)
    expect(() => parseHistory(text.slice(0, -5))).toThrow(`line ${history.length}`)
  })
})

describe('availability', () => {
  const ack = (partition: number, endMs: number, more: Partial<Send> = {}): Send => ({
    ...{ type: 'send', process: 'p', partition, value: `p:${endMs}`, startMs: endMs - 1, endMs },
    ...{ result: 'ok', offset: endMs, acks: -1, ordered: true, ...more },
  })

  test('the longest time without an acknowledgement, per partition, from begin to end of the load', () => {
    const history = [
      ack(0, 110),
      ack(0, 400),
      ack(0, 350, { acks: 1 }),
      ack(0, 300, { result: 'unknown' }),
      ack(1, 120),
    ]
    expect(longestGaps(history, { startMs: 100, endMs: 450 })).toEqual([
      { partition: 0, startMs: 110, gapMs: 290 },
      { partition: 1, startMs: 120, gapMs: 330 },
    ])
  })

  test('a partition that acknowledged nothing: the whole time', () => {
    const history = [ack(2, 110, { result: 'failed' })]
    expect(longestGaps(history, { startMs: 100, endMs: 450 })).toEqual([{ partition: 2, startMs: 100, gapMs: 350 }])
  })
})

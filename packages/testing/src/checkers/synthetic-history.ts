import type { SeededRandom } from '../world/seeded-random.ts'
import type { Operation, Poll, ReadRecord, Send } from './history.ts'

export interface SyntheticOptions {
  readonly random: SeededRandom
  readonly partitions: number
  /** Values sent, over all partitions. */
  readonly sends: number
}

/** Elections every so many sends. */
const sendsPerEpoch = 60
const sendsPerPoll = 7

/**
 * The history of a cluster without faults in it, for testing the checker: ordered producers, one that sends twice, one with acks=1
 * that loses something at each election, transactions, readers of leaders and of replicas, and a reading of everything at the end.
 */
export function syntheticHistory({ random, partitions, sends }: SyntheticOptions): Operation[] {
  const logs = Array.from({ length: partitions }, (_, partition) => new SyntheticLog(partition))
  const history: Operation[] = []
  let nowMs = 0
  for (let number = 0; number < sends; number++) {
    nowMs += 10 + random.below(10)
    const log = logs[random.below(partitions)]!
    if (number % sendsPerEpoch === sendsPerEpoch - 1) history.push(...log.elect(nowMs, number))
    else history.push(...log.send(nowMs, number))
    if (number % sendsPerPoll === 0) history.push(...log.poll('leader-reader', nowMs + 8))
    if (number % sendsPerPoll === 3) history.push(...log.poll('replica-reader', nowMs + 8))
  }
  for (const log of logs) {
    for (const broker of [1, 2, 3]) history.push({ ...log.readAll(`read-back-${broker}`, nowMs + 1000), isFinal: true })
  }
  return history
}

class SyntheticLog {
  private readonly partition: number
  private readonly records: ReadRecord[] = []
  private readonly positions = new Map<string, number>()
  private leaderEpoch = 0

  constructor(partition: number) {
    this.partition = partition
  }

  send(nowMs: number, number: number): Send[] {
    const kind = number % 10
    if (kind === 0) return this.twice(nowMs, `raw:${number}`)
    if (kind === 1) return [{ ...this.attempt(nowMs, `raw:${number}`), result: 'failed' }]
    if (kind === 2) return [{ ...this.attempt(nowMs, `raw:${number}`), ...this.append(`raw:${number}`), acks: 1 }]
    if (kind === 3) return this.transaction(nowMs, number)
    const value = `ordered:${number}`
    return [{ ...this.attempt(nowMs, value), ...this.append(value), ordered: true, process: 'ordered' }]
  }

  /** A value that only the old leader had was acknowledged with acks=1; the new one begins at its offset. */
  elect(nowMs: number, number: number): Send[] {
    const lost = {
      ...this.attempt(nowMs, `weak:${number}`),
      acks: 1,
      result: 'ok' as const,
      offset: this.records.length,
    }
    this.leaderEpoch++
    const value = `first-of-epoch:${number}`
    return [lost, { ...this.attempt(nowMs + 4, value), ...this.append(value) }]
  }

  poll(process: string, nowMs: number): Poll[] {
    const from = this.positions.get(process) ?? 0
    const records = this.records.slice(from)
    this.positions.set(process, this.records.length)
    const leader = process === 'leader-reader' ? { leaderEpoch: this.leaderEpoch } : {}
    return [{ ...this.readAll(process, nowMs), records, seek: from === 0, fetchOffset: from, ...leader }]
  }

  readAll(process: string, nowMs: number): Poll {
    const times = { startMs: nowMs, endMs: nowMs + 1 }
    const { partition, records } = this
    const highWatermark = records.length
    return {
      type: 'poll',
      process,
      partition,
      ...times,
      records: [...records],
      seek: true,
      fetchOffset: 0,
      highWatermark,
    }
  }

  private twice(nowMs: number, value: string): Send[] {
    const first = { ...this.attempt(nowMs, value), result: 'unknown' as const }
    this.append(value)
    return [first, { ...this.attempt(nowMs + 2, value), ...this.append(value) }]
  }

  private transaction(nowMs: number, number: number): Send[] {
    return ['a', 'b'].map((part, index) => {
      const value = `transactional:${number}${part}`
      const transaction = `transaction ${number}`
      return { ...this.attempt(nowMs + index, value), ...this.append(value), transaction, endMs: nowMs + 5 }
    })
  }

  private append(value: string): { readonly result: 'ok'; readonly offset: number } {
    this.records.push([this.records.length, value, this.leaderEpoch])
    return { result: 'ok', offset: this.records.length - 1 }
  }

  private attempt(nowMs: number, value: string): Send {
    const process = value.slice(0, value.indexOf(':'))
    const times = { startMs: nowMs, endMs: nowMs + 1 }
    return {
      type: 'send',
      process,
      partition: this.partition,
      value,
      ...times,
      result: 'unknown',
      offset: null,
      acks: -1,
      ordered: false,
    }
  }
}

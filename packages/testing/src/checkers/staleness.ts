import type { Findings } from './anomalies.ts'
import type { Send } from './history.ts'
import type { PartitionHistory } from './partition-history.ts'

/**
 * Does a leader answer from the past? Records carry the leader epoch that wrote them, and readers name the epoch of the leader
 * that they ask, so the history tells when an epoch had begun for certain: when one of its records was acknowledged.
 *
 * `toleranceMs`: a leader that is replaced in an orderly way learns of it milliseconds after its successor, in Kafka too.
 */
export function checkStaleness(history: PartitionHistory, toleranceMs: number, findings: Findings): void {
  const acknowledged = history.sends
    .flatMap(send => {
      if (send.result !== 'ok' || send.acks !== -1 || send.offset === null) return []
      const epoch = history.epochAt(send.offset)
      return epoch < 0 ? [] : [{ endMs: send.endMs, offset: send.offset, epoch, value: send.value }]
    })
    .sort((a, b) => a.endMs - b.endMs)
  checkReads(history, acknowledged, toleranceMs, findings)
  checkAcks(history, acknowledged, toleranceMs, findings)
}

interface Acknowledged {
  readonly endMs: number
  readonly offset: number
  readonly epoch: number
  readonly value: string
}

function checkReads(
  { partition, polls }: PartitionHistory,
  acknowledged: readonly Acknowledged[],
  toleranceMs: number,
  findings: Findings,
): void {
  const newest = new Newest(acknowledged)
  const endOfEpoch = new Map<number, number>()
  let next = 0
  for (const poll of polls.toSorted((a, b) => a.startMs - b.startMs)) {
    const { leaderEpoch, highWatermark, startMs, process } = poll
    if (leaderEpoch === undefined || poll.outOfRange === true) continue
    for (; next < acknowledged.length && acknowledged[next]!.endMs < startMs; next++) {
      const { epoch, offset } = acknowledged[next]!
      endOfEpoch.set(epoch, Math.max(endOfEpoch.get(epoch) ?? -1, offset))
    }
    const later = newest.before(startMs - toleranceMs)
    if (later !== null && later.epoch > leaderEpoch) {
      findings.add('answer-from-the-past', { partition, process, leaderEpoch, startMs, newerEpoch: later.epoch })
    }
    const offset = endOfEpoch.get(leaderEpoch)
    if (highWatermark !== undefined && offset !== undefined && highWatermark <= offset) {
      findings.add('stale-read', { partition, process, leaderEpoch, startMs, highWatermark, acknowledged: offset })
    }
  }
}

/**
 * A value that acks=1 acknowledged at an offset where another value stands now was written in an older epoch than that one.
 * That is the loss that acks=1 allows, unless the newer epoch had long been at work when the acknowledgement came.
 */
function checkAcks(
  history: PartitionHistory,
  acknowledged: readonly Acknowledged[],
  toleranceMs: number,
  findings: Findings,
): void {
  const { partition, present } = history
  const newest = new Newest(acknowledged)
  for (const { value, offset, endMs, process } of weakAcks(history.sends)) {
    if (present.has(value)) continue
    const winner = history.epochAt(offset)
    const later = newest.before(endMs - toleranceMs)
    if (winner < 0 || later === null || later.epoch < winner) continue
    findings.add('stale-ack', { partition, process, value, offset, endMs, newerEpoch: winner })
  }
}

function weakAcks(sends: readonly Send[]): (Send & { readonly offset: number })[] {
  return sends.filter(
    (send): send is Send & { readonly offset: number } =>
      send.result === 'ok' && send.acks === 1 && send.offset !== null,
  )
}

/** The newest epoch of which a record was acknowledged before a moment. */
class Newest {
  /** Where the newest epoch rises, by time. */
  private readonly steps: Acknowledged[] = []

  constructor(acknowledged: readonly Acknowledged[]) {
    for (const each of acknowledged) {
      if (each.epoch > (this.steps.at(-1)?.epoch ?? -1)) this.steps.push(each)
    }
  }

  before(ms: number): Acknowledged | null {
    return this.steps.findLast(({ endMs }) => endMs < ms) ?? null
  }
}

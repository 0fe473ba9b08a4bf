import type { Findings } from './anomalies.ts'
import { isTorn, type Send } from './history.ts'
import type { PartitionHistory } from './partition-history.ts'

/** Is everything there that must be, and nothing else? `isComplete`: the history ends with a reading of everything. */
export function checkPresence(history: PartitionHistory, isComplete: boolean, findings: Findings): void {
  const { partition, places, read, present } = history
  const bound = lastIndexPresent(history)
  for (const [value, attempts] of history.attempts) {
    if (present.has(value)) continue
    if (read.has(value)) findings.add('vanished', { partition, value })
    const acknowledged = attempts.find(({ result, acks }) => result === 'ok' && acks === -1)
    if (acknowledged !== undefined) {
      const place = places.get(value)
      const { offset, endMs } = acknowledged
      const example = { partition, value, offset, endMs, wasRead: read.has(value) }
      if (place !== undefined && place.last <= bound) findings.add('lost', example)
      else if (isComplete) findings.add('unseen', example)
    } else if (isComplete) {
      const weak = attempts.find(({ result }) => result === 'ok')
      if (weak !== undefined) findings.add('lost-acks-1', { partition, value, offset: weak.offset, endMs: weak.endMs })
    }
  }
  for (const value of read) {
    const attempts = history.attempts.get(value)
    if (isTorn(value)) findings.add('torn', { partition, value })
    else if (attempts === undefined) findings.add('phantom', { partition, value })
    else if (attempts.every(({ result }) => result === 'failed')) findings.add('aborted-read', { partition, value })
  }
}

/** One place per value; as many as attempts that may have written it, for producers that send again. */
export function checkDuplicates(history: PartitionHistory, findings: Findings): void {
  const { partition, order } = history
  for (const [value, { first, last, count }] of history.places) {
    if (count === 1) continue
    const mayHaveWritten = (history.attempts.get(value) ?? []).filter(({ result }) => result !== 'failed').length
    const example = { partition, value, offsets: [order[first]!.offset, order[last]!.offset], count, mayHaveWritten }
    findings.add(count > mayHaveWritten ? 'duplicate' : 'retried-duplicate', example)
  }
  for (const { offset, values } of order) {
    if (values.length > 1) findings.add('inconsistent-offset', { partition, offset, values })
  }
}

/** All of a transaction is there at the end, or none of it. Over all partitions; only for complete histories. */
export function checkTransactions(partitions: readonly PartitionHistory[], findings: Findings): void {
  const byTransaction = new Map<string, { there: Send[]; missing: Send[] }>()
  for (const { sends, present } of partitions) {
    for (const send of sends) {
      if (send.transaction === undefined) continue
      const parts = byTransaction.get(send.transaction) ?? { there: [], missing: [] }
      byTransaction.set(send.transaction, parts)
      parts[present.has(send.value) ? 'there' : 'missing'].push(send)
    }
  }
  for (const [transaction, { there, missing }] of byTransaction) {
    if (there.length === 0 || missing.length === 0) continue
    findings.add('torn-transaction', { transaction, there: there[0]!.value, missing: missing[0]!.value })
  }
}

/** Records before this one were passed by the last reading. By first places: a duplicate further back proves nothing. */
function lastIndexPresent({ present, places }: PartitionHistory): number {
  let bound = -1
  for (const value of present) bound = Math.max(bound, places.get(value)?.first ?? -1)
  return bound
}

import type { Findings } from './anomalies.ts'
import type { Send } from './history.ts'
import type { PartitionHistory } from './partition-history.ts'

/** Each reader sees every record once and in order, from where it started or sought to. */
export function checkReadOrder(history: PartitionHistory, findings: Findings): void {
  const { partition, order } = history
  const lastByProcess = new Map<string, number>()
  for (const poll of [...history.polls].sort((a, b) => a.endMs - b.endMs)) {
    const { process, fetchOffset } = poll
    if (poll.outOfRange === true) findings.add('beyond-the-log', { partition, process, fetchOffset })
    let last = poll.seek === true ? undefined : lastByProcess.get(process)
    for (const [offset, value] of poll.records) {
      const index = history.indexFrom(offset)
      const step = last === undefined ? 1 : index - last
      const example = { partition, process, offset, value, after: order[last ?? index]?.offset }
      if (step > 1) findings.add('poll-skip', example)
      else if (step < 1) findings.add('poll-backwards', example)
      last = index
    }
    if (last === undefined) lastByProcess.delete(process)
    else lastByProcess.set(process, last)
  }
}

/** The log's leader epochs do not go back. */
export function checkEpochs({ partition, order }: PartitionHistory, findings: Findings): void {
  let newest = -1
  for (const { offset, leaderEpoch } of order) {
    if (leaderEpoch < 0) continue
    if (leaderEpoch < newest) findings.add('epoch-backwards', { partition, offset, leaderEpoch, newest })
    newest = Math.max(newest, leaderEpoch)
  }
}

/** What an ordered producer sent later stands later. Sends that are nowhere (unknown outcome) do not count. */
export function checkSendOrder(history: PartitionHistory, findings: Findings): void {
  const { partition, places } = history
  const ordered = history.sends.filter(({ ordered: isOrdered, result }) => isOrdered && result !== 'failed')
  for (const [process, sends] of Map.groupBy(ordered, each => each.process)) {
    let last: { readonly index: number; readonly value: string } | null = null
    for (const { value } of sends.toSorted((a, b) => a.startMs - b.startMs)) {
      const index = places.get(value)?.first
      if (index === undefined) continue
      if (last !== null && index <= last.index) {
        findings.add('send-reordered', { partition, process, value, after: last.value })
      }
      last = { index, value }
    }
  }
}

/**
 * Sent after another was acknowledged: it stands after it, whoever the two are. Only of sends that stand where their
 * acknowledgement says; the others are found by other rules, or were lost with acks=1.
 */
export function checkRealTimeOrder(history: PartitionHistory, findings: Findings): void {
  const { partition } = history
  const placed = history.sends.filter(
    (send): send is Send & { readonly offset: number } =>
      send.result === 'ok' && send.offset !== null && history.standsAt(send.value, send.offset),
  )
  const byEnd = placed.toSorted((a, b) => a.endMs - b.endMs)
  let next = 0
  let highest = -1
  for (const { startMs, offset, value } of placed.toSorted((a, b) => a.startMs - b.startMs)) {
    for (; next < byEnd.length && byEnd[next]!.endMs < startMs; next++) highest = Math.max(highest, byEnd[next]!.offset)
    if (offset <= highest) findings.add('realtime-order', { partition, value, offset, acknowledgedBefore: highest })
  }
}

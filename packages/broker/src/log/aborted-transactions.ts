import type { Segments } from './segments.ts'

/** A transaction that a reader of committed data must hide (KIP-98). */
export interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: number
}

/** The aborted transactions that touch `fetchOffset..endOffset`: those that began earlier too. */
export function abortedTransactions(segments: Segments, fetchOffset: number, endOffset: number): AbortedTransaction[] {
  const found: AbortedTransaction[] = []
  for (let index = Math.max(0, segments.floorIndex(fetchOffset)); index < segments.count; index++) {
    for (const entry of segments.at(index)!.transactions.entries) {
      const { producerId, firstOffset, lastOffset } = entry
      if (lastOffset >= fetchOffset && firstOffset < endOffset) found.push({ producerId, firstOffset })
      // Every transaction that begins below this offset had ended by then.
      if (entry.lastStableOffset >= endOffset) return found
    }
  }
  return found
}

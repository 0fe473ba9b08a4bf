import type { TransactionIndexEntry } from '@millrace/protocol/storage/transaction-index'
import type { Segments } from './segments.ts'

/** A transaction that a reader of committed data must hide (KIP-98). */
export interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: number
}

/** The aborted transactions that touch `fetchOffset..endOffset`: those that began earlier too. */
export function abortedTransactions(
  segments: Segments,
  fetchOffset: number,
  endOffset: number,
): TransactionIndexEntry[] {
  const found: TransactionIndexEntry[] = []
  for (let index = Math.max(0, segments.floorIndex(fetchOffset)); index < segments.count; index++) {
    for (const entry of segments.at(index)!.transactions.entries) {
      if (entry.lastOffset >= fetchOffset && entry.firstOffset < endOffset) found.push(entry)
      // Every transaction that begins below this offset had ended by then.
      if (entry.lastStableOffset >= endOffset) return found
    }
  }
  return found
}

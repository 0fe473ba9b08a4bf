import {
  isControlAt,
  isTransactionalAt,
  lastOffsetAt,
  producerIdAt,
  recordCountAt,
} from '@millrace/protocol/records/record-batch'
import type { TransactionIndexEntry } from '@millrace/protocol/storage/transaction-index'
import { endMarkerOf } from './end-marker.ts'

interface OngoingAbort {
  readonly transaction: TransactionIndexEntry
  /** A batch of it is still in the log. */
  isSeen: boolean
}

/**
 * Follows the transactions of a log from batch to batch, as compaction reads them: which data was aborted, and which marker has no data left
 * in front of it, so that it may go. Batches must come in the order of the log; before them the aborted transactions that touch them.
 */
export class CleanedTransactions {
  /** By first offset; those that no batch has reached yet. */
  #upcoming: TransactionIndexEntry[] = []
  readonly #aborted = new Map<number, OngoingAbort>()
  /** Producers with data of a transaction that is not known to be aborted. */
  readonly #committed = new Set<number>()
  /** Aborted transactions whose marker was read while data of theirs is left: their entries belong to the new transaction index. */
  #retained: TransactionIndexEntry[] = []

  /** Transactions may be announced again for the next segment while they go on. */
  announce(aborted: readonly TransactionIndexEntry[]): void {
    if (aborted.length === 0) return
    this.#upcoming = [...this.#upcoming, ...aborted].sort((left, right) => left.firstOffset - right.firstOffset)
  }

  /** The entries of the transaction index since the last call. */
  takeRetained(): readonly TransactionIndexEntry[] {
    const retained = this.#retained
    this.#retained = []
    return retained
  }

  /** Takes in a batch of magic 2. True when it may go for its transaction's sake: aborted data, or a marker that nothing stands in front of. */
  onBatch(buffer: Uint8Array, position: number): boolean {
    this.beginUpTo(lastOffsetAt(buffer, position))
    if (isControlAt(buffer, position)) return this.onControlBatch(buffer, position)
    if (!isTransactionalAt(buffer, position)) return false
    const producerId = producerIdAt(buffer, position)
    const ongoing = this.#aborted.get(producerId)
    if (ongoing === undefined) {
      this.#committed.add(producerId)
      return false
    }
    ongoing.isSeen = true
    return true
  }

  private onControlBatch(buffer: Uint8Array, position: number): boolean {
    if (recordCountAt(buffer, position) === 0) return true
    const marker = endMarkerOf(buffer, position)
    if (marker === null) return false
    const producerId = producerIdAt(buffer, position)
    if (!marker.isAbort) return !this.#committed.delete(producerId)
    const ended = this.#aborted.get(producerId)
    this.#aborted.delete(producerId)
    if (ended === undefined || !ended.isSeen) return true
    this.#retained.push(ended.transaction)
    return false
  }

  private beginUpTo(offset: number): void {
    let count = 0
    for (; count < this.#upcoming.length; count++) {
      const transaction = this.#upcoming[count]!
      if (transaction.firstOffset > offset) break
      if (!this.#aborted.has(transaction.producerId))
        this.#aborted.set(transaction.producerId, { transaction, isSeen: false })
    }
    if (count > 0) this.#upcoming.splice(0, count)
  }
}

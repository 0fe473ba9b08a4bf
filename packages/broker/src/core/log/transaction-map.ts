export interface CompletedTransaction {
  readonly producerId: number
  readonly firstOffset: number
  /** Offset of the marker. */
  readonly lastOffset: number
  readonly isAborted: boolean
}

/**
 * The transactions of a partition that readers of committed data must wait for: those still open, and those whose marker is
 * not below the high watermark yet, because a leader change could still undo the marker (KIP-98).
 */
export class TransactionMap {
  /** First offset → producer. Offsets are noted in log order, so the first key is the smallest. */
  readonly #open = new Map<number, number>()
  #completed: { firstOffset: number; lastOffset: number }[] = []

  /** Nothing at or above it is stable; null when everything is. */
  get firstUnstableOffset(): number | null {
    let first: number | null = null
    for (const firstOffset of this.#open.keys()) {
      first = firstOffset
      break
    }
    for (const { firstOffset } of this.#completed) {
      if (first === null || firstOffset < first) first = firstOffset
    }
    return first
  }

  get openCount(): number {
    return this.#open.size
  }

  begin(producerId: number, firstOffset: number): void {
    const isLast = this.#open.size === 0 || firstOffset > this.newestOpen()
    this.#open.set(firstOffset, producerId)
    // A snapshot lists producers in no order: put the offsets into theirs.
    if (!isLast) this.sortOpen()
  }

  complete(transaction: CompletedTransaction): CompletedTransaction {
    this.#open.delete(transaction.firstOffset)
    this.#completed.push({ firstOffset: transaction.firstOffset, lastOffset: transaction.lastOffset })
    return transaction
  }

  /** What the transaction index notes as stable beside an abort: the oldest transaction open after it, or the marker's end. */
  lastStableOffsetAfter(transaction: CompletedTransaction): number {
    for (const [firstOffset, producerId] of this.#open) {
      if (producerId !== transaction.producerId) return firstOffset
    }
    return transaction.lastOffset + 1
  }

  /** Transactions whose marker is committed are stable. */
  onHighWatermark(highWatermark: number): void {
    if (this.#completed.length === 0) return
    this.#completed = this.#completed.filter(({ lastOffset }) => lastOffset >= highWatermark)
  }

  /** Becomes what another one is. */
  replaceWith(other: TransactionMap): void {
    this.clear()
    for (const [firstOffset, producerId] of other.#open) this.#open.set(firstOffset, producerId)
    this.#completed = [...other.#completed]
  }

  clear(): void {
    this.#open.clear()
    this.#completed = []
  }

  private newestOpen(): number {
    let newest = -1
    for (const firstOffset of this.#open.keys()) newest = firstOffset
    return newest
  }

  private sortOpen(): void {
    const sorted = [...this.#open].sort(([left], [right]) => left - right)
    this.#open.clear()
    for (const [firstOffset, producerId] of sorted) this.#open.set(firstOffset, producerId)
  }
}

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
  #open: Map<number, number> | null = null
  #completed: { firstOffset: number; lastOffset: number }[] = []

  /** Nothing at or above it is stable; null when everything is. */
  get firstUnstableOffset(): number | null {
    // Asked with each read; most partitions never see a transaction.
    if (this.#open === null && this.#completed.length === 0) return null
    let first: number | null = null
    for (const firstOffset of this.#open?.keys() ?? []) {
      first = firstOffset
      break
    }
    for (const { firstOffset } of this.#completed) {
      if (first === null || firstOffset < first) first = firstOffset
    }
    return first
  }

  get openCount(): number {
    return this.#open?.size ?? 0
  }

  begin(producerId: number, firstOffset: number): void {
    const isLast = this.openCount === 0 || firstOffset > this.newestOpen()
    this.#open ??= new Map()
    this.#open.set(firstOffset, producerId)
    // A snapshot lists producers in no order: put the offsets into theirs.
    if (!isLast) this.sortOpen()
  }

  complete(transaction: CompletedTransaction): CompletedTransaction {
    this.#open?.delete(transaction.firstOffset)
    this.#completed.push({ firstOffset: transaction.firstOffset, lastOffset: transaction.lastOffset })
    return transaction
  }

  /** What the transaction index notes as stable beside an abort: the oldest transaction open after it, or the marker's end. */
  lastStableOffsetAfter(transaction: CompletedTransaction): number {
    for (const [firstOffset, producerId] of this.#open ?? []) {
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
    this.#open = other.#open === null ? null : new Map(other.#open)
    this.#completed = [...other.#completed]
  }

  clear(): void {
    this.#open = null
    this.#completed = []
  }

  private newestOpen(): number {
    let newest = -1
    for (const firstOffset of this.#open?.keys() ?? []) newest = firstOffset
    return newest
  }

  private sortOpen(): void {
    this.#open = new Map([...(this.#open ?? [])].sort(([left], [right]) => left - right))
  }
}

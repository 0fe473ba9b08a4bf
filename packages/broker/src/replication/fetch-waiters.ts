/** A fetch that found less than it asked for. `token` says which of its partitions has news. */
export interface FetchWaiter {
  /** More can be read, or the answer has changed (leadership, storage). May leave the set meanwhile. */
  onPartitionChanged(token: number): void
}

/** Fetches that wait for one partition. A fetch waits in the sets of all its partitions and leaves them together. */
export class FetchWaiters {
  /** Null where nobody has waited yet: a broker follows thousands of partitions in which nobody does. */
  private tokens: Map<FetchWaiter, number> | null = null

  get count(): number {
    return this.tokens?.size ?? 0
  }

  add(waiter: FetchWaiter, token: number): void {
    this.tokens ??= new Map()
    this.tokens.set(waiter, token)
  }

  remove(waiter: FetchWaiter): void {
    this.tokens?.delete(waiter)
  }

  notify(): void {
    const { tokens } = this
    if (tokens === null || tokens.size === 0) return
    // Those that come in meanwhile have seen the news; those that leave meanwhile want to hear nothing.
    for (const [waiter, token] of [...tokens]) {
      if (tokens.has(waiter)) waiter.onPartitionChanged(token)
    }
  }
}

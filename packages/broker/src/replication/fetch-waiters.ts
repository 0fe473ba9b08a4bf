/** A fetch that found less than it asked for. `token` says which of its partitions has news. */
export interface FetchWaiter {
  /** More can be read, or the answer has changed (leadership, storage). May leave the set meanwhile. */
  onPartitionChanged(token: number): void
}

/** Fetches that wait for one partition. A fetch waits in the sets of all its partitions and leaves them together. */
export class FetchWaiters {
  private readonly tokens = new Map<FetchWaiter, number>()

  get count(): number {
    return this.tokens.size
  }

  add(waiter: FetchWaiter, token: number): void {
    this.tokens.set(waiter, token)
  }

  remove(waiter: FetchWaiter): void {
    this.tokens.delete(waiter)
  }

  notify(): void {
    if (this.tokens.size === 0) return
    // Those that come in meanwhile have seen the news; those that leave meanwhile want to hear nothing.
    for (const [waiter, token] of [...this.tokens]) {
      if (this.tokens.has(waiter)) waiter.onPartitionChanged(token)
    }
  }
}

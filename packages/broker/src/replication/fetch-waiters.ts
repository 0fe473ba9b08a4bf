/** A fetch that found less than it asked for. `token` says which of its partitions has news. */
export interface FetchWaiter {
  /** More can be read, or the answer has changed (leadership, storage). May leave the set meanwhile. */
  onPartitionChanged(token: number): void
}

/** The session of a follower, which hears of all news until it is untied. */
export interface FollowerTie {
  onPartitionChanged(): void
}

/** Fetches that wait for one partition. A fetch waits in the sets of all its partitions and leaves them together. */
export class FetchWaiters {
  /** Null where nobody has waited yet: a broker follows thousands of partitions in which nobody does. */
  private tokens: Map<FetchWaiter, number> | null = null
  /** One per follower: a list that is replaced, so that to tell them costs nothing. */
  private ties: readonly FollowerTie[] = nobody

  get count(): number {
    return (this.tokens?.size ?? 0) + this.ties.length
  }

  add(waiter: FetchWaiter, token: number): void {
    this.tokens ??= new Map()
    this.tokens.set(waiter, token)
  }

  remove(waiter: FetchWaiter): void {
    this.tokens?.delete(waiter)
  }

  tie(tie: FollowerTie): void {
    this.ties = [...this.ties, tie]
  }

  untie(tie: FollowerTie): void {
    this.ties = this.ties.filter(each => each !== tie)
  }

  notify(): void {
    // Those that come in meanwhile have seen the news; those that leave meanwhile want to hear nothing.
    const { ties, tokens } = this
    for (const tie of ties) if (ties === this.ties || this.ties.includes(tie)) tie.onPartitionChanged()
    if (tokens === null || tokens.size === 0) return
    for (const [waiter, token] of [...tokens]) {
      if (tokens.has(waiter)) waiter.onPartitionChanged(token)
    }
  }
}

const nobody: readonly FollowerTie[] = []

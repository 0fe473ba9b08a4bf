/** What the leader knows of one follower. Offsets count records, times are milliseconds. Source: KIP-16. */
export class FollowerProgress {
  readonly brokerId: number
  /** -1: unknown until its first fetch in this epoch. The follower's fetch offset: what it has, it asks to follow. */
  logEndOffset = -1
  logStartOffset = -1
  private caughtUpAtMs: number
  private lastFetchAtMs = -Infinity
  private leaderEndAtLastFetch = Infinity

  constructor(brokerId: number, caughtUpAtMs: number) {
    this.brokerId = brokerId
    this.caughtUpAtMs = caughtUpAtMs
  }

  onFetch(fetchOffset: number, logStartOffset: number, leaderEnd: number, nowMs: number): void {
    // Under steady load a follower never reaches the leader's end.
    // Reaching the end it saw last time means it was caught up at that time.
    if (fetchOffset >= leaderEnd) this.caughtUpAtMs = nowMs
    else if (fetchOffset >= this.leaderEndAtLastFetch) {
      this.caughtUpAtMs = Math.max(this.caughtUpAtMs, this.lastFetchAtMs)
    }
    this.logEndOffset = fetchOffset
    this.logStartOffset = logStartOffset
    this.lastFetchAtMs = nowMs
    this.leaderEndAtLastFetch = leaderEnd
  }

  /** Out of sync only when behind *and* not caught up for that long: an idle partition stays in sync. */
  lags(leaderEnd: number, nowMs: number, lagTimeMaxMs: number): boolean {
    return this.logEndOffset !== leaderEnd && nowMs - this.caughtUpAtMs > lagTimeMaxMs
  }
}

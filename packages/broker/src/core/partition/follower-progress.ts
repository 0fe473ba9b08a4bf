import { assert } from '@millrace/runtime/invariant'

/** One follower fetch, after its leader epoch was checked and its read found the offset in the leader's log. */
export interface FollowerFetch {
  readonly brokerId: number
  /** Which life of the broker asks (Fetch v15, KIP-903); -1: it does not say. */
  readonly brokerEpoch: number
  readonly fetchOffset: number
  /** Where the follower's log begins. */
  readonly logStartOffset: number
}

/** What the leader knows of one follower in its leader epoch. Offsets count records, times are milliseconds. Source: KIP-16. */
export class FollowerProgress {
  readonly brokerId: number
  /** -1: unknown until its first fetch in this epoch. The follower's fetch offset: what it has, it asks to follow. */
  logEndOffset = -1
  logStartOffset = -1
  /** -1: never said. */
  brokerEpoch = -1
  /** Last fetch in this leader epoch. */
  lastFetchAtMs = -Infinity
  private caughtUpAtMs: number
  private leaderEndAtLastFetch = Infinity

  constructor(brokerId: number, caughtUpAtMs: number) {
    this.brokerId = brokerId
    this.caughtUpAtMs = caughtUpAtMs
  }

  /** False: the fetch is from an earlier life of that broker, which may have had more than this one. Nothing changed. */
  onFetch(fetch: FollowerFetch, leaderEnd: number, nowMs: number): boolean {
    const { fetchOffset, logStartOffset, brokerEpoch } = fetch
    assert(fetch.brokerId === this.brokerId, 'progress belongs to one broker')
    if (brokerEpoch >= 0 && brokerEpoch < this.brokerEpoch) return false
    // Under steady load a follower never reaches the leader's end.
    // Reaching the end it saw last time means it was caught up at that time.
    if (fetchOffset >= leaderEnd) this.caughtUpAtMs = Math.max(this.caughtUpAtMs, nowMs)
    else if (fetchOffset >= this.leaderEndAtLastFetch) {
      this.caughtUpAtMs = Math.max(this.caughtUpAtMs, this.lastFetchAtMs)
    }
    this.brokerEpoch = brokerEpoch
    this.logEndOffset = fetchOffset
    this.logStartOffset = logStartOffset
    this.lastFetchAtMs = nowMs
    this.leaderEndAtLastFetch = leaderEnd
    return true
  }

  /** Out of sync only when behind *and* not caught up for that long: an idle partition stays in sync. */
  lags(leaderEnd: number, nowMs: number, lagTimeMaxMs: number): boolean {
    return this.logEndOffset !== leaderEnd && nowMs - this.caughtUpAtMs > lagTimeMaxMs
  }

  /** Since it had everything, ms; smaller is better. */
  caughtUpForMs(nowMs: number): number {
    return nowMs - this.caughtUpAtMs
  }
}

import { assert } from '@millrace/runtime/invariant'

/**
 * The longest pause of the event loop that no read of the own registration has followed: `unconfirmedGapMs` of leader-right.ts.
 * `onTurn` is called by a timer and before every answer, so the first thing that runs after a pause sees it.
 */
export class EventLoopGap {
  private readonly leastMs: number
  private lastTurnMs: number
  private longestMs = 0
  private endedMs = -Infinity

  /** Pauses below `leastMs` are not noted. */
  constructor(nowMs: number, leastMs: number) {
    this.lastTurnMs = nowMs
    this.leastMs = leastMs
  }

  get unconfirmedMs(): number {
    return this.longestMs
  }

  onTurn(nowMs: number): void {
    assert(nowMs >= this.lastTurnMs, 'a monotonic clock does not go back')
    const gapMs = nowMs - this.lastTurnMs
    this.lastTurnMs = nowMs
    if (gapMs < this.leastMs) return
    this.longestMs = Math.max(this.longestMs, gapMs)
    // The shorter of two pauses counts like the longer one: a read sent between them proves nothing about the second.
    this.endedMs = nowMs
  }

  /** A read of the own znode found our registration with our broker epoch. Counts when it was sent after the pause. */
  onConfirmed(readSentMs: number): void {
    if (readSentMs >= this.endedMs) this.longestMs = 0
  }
}

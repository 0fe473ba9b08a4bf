import { assert } from '@millrace/runtime/invariant'

/**
 * The longest pause of the event loop that no read of the own registration has followed: `unconfirmedGapMs` of leader-right.ts.
 * `onTurn` is called by a timer and before every answer, so the first thing that runs after a pause sees it.
 */
export class EventLoopGap {
  private lastTurnMs: number
  private longestMs = 0
  private longestEndedMs = -Infinity

  constructor(nowMs: number) {
    this.lastTurnMs = nowMs
  }

  get unconfirmedMs(): number {
    return this.longestMs
  }

  onTurn(nowMs: number): void {
    assert(nowMs >= this.lastTurnMs, 'a monotonic clock does not go back')
    const gapMs = nowMs - this.lastTurnMs
    this.lastTurnMs = nowMs
    // Any later pause starts the proof anew if it is as long: the read must have begun after the last of them.
    if (gapMs === 0 || gapMs < this.longestMs) return
    this.longestMs = gapMs
    this.longestEndedMs = nowMs
  }

  /** A read of the own znode found our registration with our broker epoch. Counts when it was sent after the pause. */
  onConfirmed(readSentMs: number): void {
    if (readSentMs >= this.longestEndedMs) this.longestMs = 0
  }
}

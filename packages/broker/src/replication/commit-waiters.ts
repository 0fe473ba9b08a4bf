import type { ErrorCode } from '@millrace/protocol/errors'

/** Whoever produced. `token` says which of its partitions. Plain objects: no promise and no closure per produce. */
export interface CommitListener {
  onCommitted(token: number, errorCode: ErrorCode): void
}

interface Waiter {
  readonly endOffset: number
  readonly listener: CommitListener
  readonly token: number
}

/**
 * Produces of one partition that wait until the log is written (acks 0 and 1) or replicated (acks -1) up to their last record.
 * Ordered by offset; offsets are nearly always asked for in order, so adding and completing cost O(1).
 * Deadlines belong to the listener, which waits for several partitions at once: it calls `cancel`.
 */
export class CommitWaiters {
  private waiters: Waiter[] = []
  private first = 0

  get count(): number {
    return this.waiters.length - this.first
  }

  /** Tells the listener once everything below `endOffset` is there. */
  until(endOffset: number, listener: CommitListener, token: number): void {
    const waiter: Waiter = { endOffset, listener, token }
    let index = this.waiters.length
    // Only a duplicate asks for an offset that others are past already.
    while (index > this.first && (this.waiters[index - 1] as Waiter).endOffset > endOffset) index--
    if (index === this.waiters.length) this.waiters.push(waiter)
    else this.waiters.splice(index, 0, waiter)
  }

  /** Completes those that waited for no more than `endOffset`, in order. */
  advance(endOffset: number, errorCode: ErrorCode): void {
    for (;;) {
      const waiter = this.waiters[this.first]
      if (waiter === undefined || waiter.endOffset > endOffset) break
      this.first++
      waiter.listener.onCommitted(waiter.token, errorCode)
    }
    if (this.first === this.waiters.length) {
      if (this.first > 0) this.waiters = []
      this.first = 0
    } else if (this.first >= 256) {
      this.waiters.splice(0, this.first)
      this.first = 0
    }
  }

  /** Nobody waits any longer: the leadership or the disk is gone. */
  failAll(errorCode: ErrorCode): void {
    const all = this.waiters.slice(this.first)
    this.waiters = []
    this.first = 0
    for (const waiter of all) waiter.listener.onCommitted(waiter.token, errorCode)
  }

  /** Forgets a listener that gave up. */
  cancel(listener: CommitListener): void {
    this.waiters = this.waiters.slice(this.first).filter(waiter => waiter.listener !== listener)
    this.first = 0
  }
}

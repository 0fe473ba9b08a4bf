import type { ErrorCode } from '@millrace/protocol/errors'

/** Whoever produced. `token` says which of its partitions. Plain objects: no promise and no closure per produce. */
export interface CommitListener {
  onCommitted(token: number, errorCode: ErrorCode): void
}

interface Waiter {
  readonly endOffset: number
  readonly listener: CommitListener
  readonly token: number
  next: Waiter | null
}

/**
 * Produces of one partition that wait until the log is written (acks 0 and 1) or replicated (acks -1) up to their last record.
 * A list by offset; offsets are nearly always asked for in order, so adding and completing cost O(1).
 * Deadlines belong to the listener, which waits for several partitions at once: it calls `cancel`.
 */
export class CommitWaiters {
  private first: Waiter | null = null
  private last: Waiter | null = null
  private size = 0

  get count(): number {
    return this.size
  }

  /** Tells the listener once everything below `endOffset` is there. */
  until(endOffset: number, listener: CommitListener, token: number): void {
    const waiter: Waiter = { endOffset, listener, token, next: null }
    this.size++
    if (this.last === null) {
      this.first = waiter
      this.last = waiter
    } else if (this.last.endOffset <= endOffset) {
      this.last.next = waiter
      this.last = waiter
    } else {
      this.insert(waiter)
    }
  }

  /** Completes those that waited for no more than `endOffset`, in order. */
  advance(endOffset: number, errorCode: ErrorCode): void {
    while (this.first !== null && this.first.endOffset <= endOffset) {
      const { listener, token } = this.takeFirst(this.first)
      listener.onCommitted(token, errorCode)
    }
  }

  /** Nobody waits any longer: the leadership or the disk is gone. */
  failAll(errorCode: ErrorCode): void {
    this.advance(Infinity, errorCode)
  }

  /** Forgets a listener that gave up. */
  cancel(listener: CommitListener): void {
    let waiter = this.first
    this.first = null
    this.last = null
    this.size = 0
    for (; waiter !== null; waiter = waiter.next) {
      if (waiter.listener !== listener) this.until(waiter.endOffset, waiter.listener, waiter.token)
    }
  }

  /** Only a duplicate asks for an offset that others are past already. The last one is known to come behind it. */
  private insert(waiter: Waiter): void {
    let before: Waiter | null = null
    let after = this.first
    while (after !== null && after.endOffset <= waiter.endOffset) {
      before = after
      after = after.next
    }
    waiter.next = after
    if (before === null) this.first = waiter
    else before.next = waiter
  }

  private takeFirst(waiter: Waiter): Waiter {
    this.first = waiter.next
    if (this.first === null) this.last = null
    this.size--
    return waiter
  }
}

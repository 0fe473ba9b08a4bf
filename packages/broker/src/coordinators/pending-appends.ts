import { ErrorCode } from '@millrace/protocol/errors'
import type { Deadline, Deadlines } from '@millrace/runtime/deadline'
import type { Clock } from '@millrace/runtime/ports'
import type { CommitListener } from '../replication/commit-waiters.ts'

export interface PendingAppendsOptions<Entry> {
  readonly clock: Clock
  readonly deadlines: Deadlines
  /** How long whoever waits for a write is kept waiting. */
  readonly writeTimeoutMs: number
  /** These entries are in the log, as far as this code says so. Before whoever waits is told. */
  readonly onCommitted: (entries: readonly Entry[], errorCode: ErrorCode) => void
}

/**
 * What a shard appended and is not committed yet. All wait equally long, so their deadlines come in the order of the appends: one timer
 * for the first, where one per append was a tenth of a commit's work. A list through the appends: nothing else is allocated per append.
 */
export class PendingAppends<Entry> {
  readonly #options: PendingAppendsOptions<Entry>
  #first: PendingAppend<Entry> | null = null
  #last: PendingAppend<Entry> | null = null
  /** The first that was not told that time is over; nor was anyone behind it. */
  #nextDue: PendingAppend<Entry> | null = null
  #deadline: Deadline | null = null

  constructor(options: PendingAppendsOptions<Entry>) {
    this.#options = options
  }

  /** `onEnd` is told once: how the commit ended, or REQUEST_TIMED_OUT; the entries still count when they commit after that. */
  add(entries: readonly Entry[], onEnd: (errorCode: ErrorCode) => void): CommitListener {
    const { clock, writeTimeoutMs } = this.#options
    const append = new PendingAppend(this, entries, onEnd, clock.monotonicMs() + writeTimeoutMs)
    append.previous = this.#last
    if (this.#last === null) this.#first = append
    else this.#last.next = append
    this.#last = append
    this.#nextDue ??= append
    if (this.#deadline === null) this.#arm(append.dueMs)
    return append
  }

  /** Nobody waits any longer; what commits after this is not heard of. */
  failAll(errorCode: ErrorCode): void {
    this.#deadline?.cancel()
    this.#deadline = null
    for (let append = this.#first; append !== null; append = this.#first) {
      this.#remove(append)
      append.tell(errorCode)
    }
  }

  /** @internal for PendingAppend.onCommitted */
  end(append: PendingAppend<Entry>, errorCode: ErrorCode): void {
    this.#remove(append)
    this.#options.onCommitted(append.entries, errorCode)
    append.tell(errorCode)
  }

  /** Left as it is when the append it was set for has ended: it looks again when it rings. */
  #arm(atMs: number): void {
    this.#deadline = this.#options.deadlines.at(atMs, () => this.#onDeadline())
  }

  #onDeadline(): void {
    this.#deadline = null
    const nowMs = this.#options.clock.monotonicMs()
    for (let append = this.#nextDue; append !== null && append.dueMs <= nowMs; append = this.#nextDue) {
      this.#nextDue = append.next
      append.tell(ErrorCode.REQUEST_TIMED_OUT)
    }
    // Who was told may have appended again, and set it.
    if (this.#nextDue !== null && this.#deadline === null) this.#arm(this.#nextDue.dueMs)
  }

  #remove(append: PendingAppend<Entry>): void {
    const { previous, next } = append
    if (previous === null) this.#first = next
    else previous.next = next
    if (next === null) this.#last = previous
    else next.previous = previous
    if (this.#nextDue === append) this.#nextDue = next
    append.isOver = true
  }
}

class PendingAppend<Entry> implements CommitListener {
  readonly entries: readonly Entry[]
  readonly dueMs: number
  previous: PendingAppend<Entry> | null = null
  next: PendingAppend<Entry> | null = null
  /** Not in the list any more. */
  isOver = false
  readonly #owner: PendingAppends<Entry>
  #onEnd: ((errorCode: ErrorCode) => void) | null

  constructor(
    owner: PendingAppends<Entry>,
    entries: readonly Entry[],
    onEnd: (errorCode: ErrorCode) => void,
    dueMs: number,
  ) {
    this.#owner = owner
    this.entries = entries
    this.#onEnd = onEnd
    this.dueMs = dueMs
  }

  onCommitted(_token: number, errorCode: ErrorCode): void {
    if (!this.isOver) this.#owner.end(this, errorCode)
  }

  tell(errorCode: ErrorCode): void {
    const onEnd = this.#onEnd
    this.#onEnd = null
    onEnd?.(errorCode)
  }
}

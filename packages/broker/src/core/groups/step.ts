import type { ErrorCode } from '@millrace/protocol/errors'
import type { GroupEntry } from './entries.ts'
import type { GroupReply, Moment } from './group-requests.ts'

/** To be appended in one batch; `GroupShard.onWritten` is told how that ended. */
export class Write {
  readonly entries: readonly GroupEntry[]
  #onWritten: WriteOutcome | null

  constructor(entries: readonly GroupEntry[], onWritten: WriteOutcome) {
    this.entries = entries
    this.#onWritten = onWritten
  }

  /** Runs what waited for it; once. */
  finish(errorCode: ErrorCode, now: Moment): void {
    const onWritten = this.#onWritten
    this.#onWritten = null
    onWritten?.(errorCode, now)
  }
}

/** The answer of a request that was parked under `token`, or is answered at once. Exactly one per token. */
export interface Reply {
  readonly token: number
  readonly response: GroupReply
}

/** One timer per key: a new moment replaces the old one; null cancels. When it is due: `GroupShard.onTimer(groupId, key)`. */
export interface TimerChange {
  readonly groupId: string
  readonly key: string
  readonly atMs: number | null
}

export type WriteOutcome = (errorCode: ErrorCode, now: Moment) => void

/**
 * What one step of the machine asks of its shell: plain data, in order. The shell takes it after the step is complete, so nothing
 * comes back into the middle of one.
 */
export class Step {
  #writes: Write[] = []
  #replies: Reply[] = []
  #timers: TimerChange[] = []

  reply(token: number, response: GroupReply): void {
    this.#replies.push({ token, response })
  }

  timer(groupId: string, key: string, atMs: number | null): void {
    this.#timers.push({ groupId, key, atMs })
  }

  /** `onWritten` runs in a later step. */
  write(entries: readonly GroupEntry[], onWritten: WriteOutcome): void {
    this.#writes.push(new Write(entries, onWritten))
  }

  get isEmpty(): boolean {
    return this.#writes.length === 0 && this.#replies.length === 0 && this.#timers.length === 0
  }

  take(): Effects {
    const effects = { writes: this.#writes, replies: this.#replies, timers: this.#timers }
    this.#writes = []
    this.#replies = []
    this.#timers = []
    return effects
  }
}

export interface Effects {
  readonly writes: readonly Write[]
  readonly replies: readonly Reply[]
  readonly timers: readonly TimerChange[]
}

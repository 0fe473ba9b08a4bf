import { assert } from '@millrace/runtime/invariant'

/**
 * When a lost connection tells that a process is dead, and how much may be done about it. Why this is safe:
 * docs/decisions/0006-faster-than-the-session-timeout.md. All times are of a monotonic clock, ms.
 */

/** Connects that must fail in a row, and the least time between the first and the last of them. */
export const refusalsNeeded = 3
export const refusalsSpanMs = 300

/** Answers that only a host without that process gives. A timeout may be a network that is slow, or cut. */
const proofs: ReadonlySet<string> = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENOTFOUND'])
/** How a connection ends when the other side's system ended it: FIN has no code. */
const endings: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE'])

/** What one process saw at one address of a peer. */
export class PeerEvidence {
  #hasConnectionEnded = false
  #refusals = 0
  #firstRefusalMs = -Infinity
  #lastRefusalMs = -Infinity

  get refusals(): number {
    return this.#refusals
  }

  /** Somebody is there: nothing of before counts. */
  onConnected(): void {
    this.#hasConnectionEnded = false
    this.#forgetRefusals()
  }

  /** `code` null: in order (FIN). Answers whether it counts; a connection that timed out says nothing of the process. */
  onConnectionEnded(code: string | null): boolean {
    const counts = code === null || endings.has(code)
    this.#hasConnectionEnded = counts
    this.#forgetRefusals()
    return counts
  }

  /** Answers whether it counts: what does not breaks the row. */
  onConnectFailed(code: string, nowMs: number): boolean {
    if (!proofs.has(code)) {
      this.#forgetRefusals()
      return false
    }
    assert(nowMs >= this.#lastRefusalMs, 'a monotonic clock does not go back')
    if (this.#refusals === 0) this.#firstRefusalMs = nowMs
    this.#refusals += 1
    this.#lastRefusalMs = nowMs
    assert(
      this.#refusals > 0 && this.#firstRefusalMs <= this.#lastRefusalMs,
      'a row of refusals has a first and a last',
    )
    return true
  }

  /**
   * Is the loss of the peer hinted? Refusals of before `sinceMs` count, but not alone: the one who asks knows an
   * incarnation of the peer since then, and it must have been refused at least once itself.
   */
  isLossHinted(question: { readonly sinceMs: number; readonly needsConnection: boolean }): boolean {
    if (question.needsConnection && !this.#hasConnectionEnded) return false
    if (this.#refusals < refusalsNeeded || this.#lastRefusalMs < question.sinceMs) return false
    return this.#lastRefusalMs - this.#firstRefusalMs >= refusalsSpanMs
  }

  #forgetRefusals(): void {
    this.#refusals = 0
    this.#firstRefusalMs = -Infinity
    this.#lastRefusalMs = -Infinity
  }
}

/** Of `registered` brokers, so many may be fenced by hint per session timeout: never a majority, and one where there are few. */
export const fencedAtMost = (registered: number): number => Math.max(1, Math.floor((registered - 1) / 2))

/** A registration that was deleted by hint. */
export interface FencedBroker {
  readonly brokerId: number
  readonly brokerEpoch: number
  /** Owner of the deleted znode. */
  readonly sessionId: bigint
}

/** What one controller did by hint in its term. */
export class Fencing {
  readonly #sessionTimeoutMs: number
  #recent: { readonly broker: FencedBroker; readonly atMs: number }[] = []
  #lastHintMs: number

  /** `electedMs`: the controller before may have fenced somebody just then, so that counts as a hint. */
  constructor(options: { readonly sessionTimeoutMs: number; readonly electedMs: number }) {
    assert(options.sessionTimeoutMs > 0, 'a session timeout is positive')
    this.#sessionTimeoutMs = options.sessionTimeoutMs
    this.#lastHintMs = options.electedMs
  }

  /** Those that count against the next one now. */
  recent(nowMs: number): readonly FencedBroker[] {
    this.#recent = this.#recent.filter(({ atMs }) => nowMs - atMs < this.#sessionTimeoutMs)
    return this.#recent.map(({ broker }) => broker)
  }

  /** `registered`: ids of the brokers there are now. Those that were fenced a moment ago count as if they were. */
  mayFence(registered: Iterable<number>, nowMs: number): boolean {
    const fenced = this.recent(nowMs)
    const all = new Set([...registered, ...fenced.map(({ brokerId }) => brokerId)])
    return fenced.length < fencedAtMost(all.size)
  }

  onFenced(broker: FencedBroker, nowMs: number): void {
    this.#recent.push({ broker, atMs: nowMs })
    this.#lastHintMs = Math.max(this.#lastHintMs, nowMs)
  }

  /** It came back in another session: the fenced one was dead, and nothing was taken from anybody. It counts no more. */
  onProvenDead(broker: FencedBroker): void {
    this.#recent = this.#recent.filter(one => one.broker !== broker)
  }

  /** 0: leaders may be elected outside of the ISR, where that is allowed. */
  uncleanElectionInMs(nowMs: number): number {
    return Math.max(0, this.#lastHintMs + this.#sessionTimeoutMs - nowMs)
  }
}

/** A controller that was deposed by hint. */
export interface DeposedController {
  readonly brokerId: number
  /** -1: its registration was gone already. */
  readonly brokerEpoch: number
  /** Owner of `/controller`. */
  readonly sessionId: bigint
}

/** How often one broker may depose controllers: nobody may keep a cluster from having one. */
export class Depositions {
  readonly #sessionTimeoutMs: number
  readonly #deposed = new Set<string>()
  #last: DeposedController | null = null
  #notBeforeMs = -Infinity
  #pauseMs: number

  constructor(sessionTimeoutMs: number) {
    assert(sessionTimeoutMs > 0, 'a session timeout is positive')
    this.#sessionTimeoutMs = sessionTimeoutMs
    this.#pauseMs = sessionTimeoutMs
  }

  /** The latest one, while nobody knows whether it was dead. */
  get unproven(): DeposedController | null {
    return this.#last
  }

  /** One incarnation once, then a pause, doubled each time. */
  mayDepose(suspect: DeposedController, nowMs: number): boolean {
    return nowMs >= this.#notBeforeMs && !this.#deposed.has(nameOf(suspect))
  }

  onDeposed(suspect: DeposedController, nowMs: number): void {
    assert(this.mayDepose(suspect, nowMs), 'a controller is deposed only where that is allowed')
    this.#deposed.add(nameOf(suspect))
    this.#last = suspect
    this.#notBeforeMs = nowMs + this.#pauseMs
    this.#pauseMs *= 2
  }

  /** Its session is over, whoever ended it: the hint was true, and true hints need no pause. */
  onProvenDead(): void {
    this.#last = null
    this.#notBeforeMs = -Infinity
    this.#pauseMs = this.#sessionTimeoutMs
  }
}

const nameOf = ({ brokerId, brokerEpoch }: DeposedController): string => `${brokerId} ${brokerEpoch}`

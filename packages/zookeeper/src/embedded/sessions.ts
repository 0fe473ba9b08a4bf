import { assert } from '@millrace/runtime/invariant'
import type { Timer, World } from '@millrace/runtime/ports'

/** A session as the server side knows it. */
export interface TreeSession {
  readonly id: bigint
  readonly password: Uint8Array
  readonly timeoutMs: number
}

export interface SessionsOptions {
  readonly world: Pick<World, 'clock' | 'timers' | 'random'>
  /** The session got no sign of life for its timeout; it is gone from the table already. */
  readonly onExpired: (id: bigint) => void
}

/**
 * The live sessions. A client in this process is alive as long as its session is attached: there is nothing to ping.
 * Detached (its connection was cut, or its owner died), the session ends after its timeout.
 */
export class Sessions {
  readonly #options: SessionsOptions
  readonly #sessions = new Map<bigint, { readonly session: TreeSession; expiry: Timer | null }>()
  #lastId: bigint

  constructor(options: SessionsOptions) {
    this.#options = options
    this.#lastId = firstId(options.world.clock.wallMs())
  }

  open(timeoutMs: number): TreeSession {
    const session = { id: ++this.#lastId, password: this.#options.world.random.bytes(16), timeoutMs }
    this.#sessions.set(session.id, { session, expiry: null })
    return session
  }

  isAlive(id: bigint): boolean {
    return this.#sessions.has(id)
  }

  detach(id: bigint): void {
    const entry = this.#sessions.get(id)
    if (entry === undefined || entry.expiry !== null) return
    entry.expiry = this.#options.world.timers.after(entry.session.timeoutMs, () => {
      this.end(id)
      this.#options.onExpired(id)
    })
  }

  /** False when the session is gone. */
  attach(id: bigint): boolean {
    const entry = this.#sessions.get(id)
    entry?.expiry?.cancel()
    if (entry !== undefined) entry.expiry = null
    return entry !== undefined
  }

  /** Forgets the session. False when it was gone already. */
  end(id: bigint): boolean {
    this.#sessions.get(id)?.expiry?.cancel()
    return this.#sessions.delete(id)
  }

  /** Forgets all. */
  clear(): void {
    for (const id of this.#sessions.keys()) this.end(id)
  }
}

/** As ZooKeeper's server 1: the server in the first byte, then 40 bits of milliseconds and 16 to count. */
function firstId(nowMs: number): bigint {
  const id = (1n << 56n) | (BigInt.asUintN(40, BigInt(Math.trunc(nowMs))) << 16n)
  assert(id > 0n, 'a session id is not zero: zero owns nothing')
  return id
}

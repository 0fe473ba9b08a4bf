import type { Message } from '@millrace/protocol/schema'
import { Backoff } from '@millrace/runtime/backoff'
import { Deadlines } from '@millrace/runtime/deadline'
import { silentLogger, type Logger } from '@millrace/runtime/logger'
import type { Random, Timer } from '@millrace/runtime/ports'
import {
  Connection,
  type BorrowedAnswer,
  type ConnectionOptions,
  type ConnectionPorts,
  type RequestOptions,
} from './connection.ts'
import { ConnectionLost, ConnectionOverloaded, RequestTimedOut } from './request-failure.ts'

export interface ReconnectingOptions extends ConnectionOptions {
  /** Waiting time after the first failure, and the longest (Kafka: reconnect.backoff.ms 50, reconnect.backoff.max.ms 1000). */
  readonly backoffInitialMs: number
  readonly backoffMaxMs: number
  /**
   * What becomes of a request while there is no connection: `wait` for one until its time is over, or `fail` with
   * ConnectionLost as soon as an attempt fails (and at once during back-off), so that the caller can try another broker.
   */
  readonly whileDown: 'wait' | 'fail'
  /** Requests that may wait for a connection. Default 1000. */
  readonly waitingMax?: number
  readonly log?: Logger
  /** After each successful connect, before any request goes out on it. */
  readonly onConnected?: (connection: Connection) => void
}

export type ReconnectingPorts = ConnectionPorts & { readonly random: Random }

interface Waiter {
  readonly use: (connection: Connection) => void
  readonly fail: (cause: Error | null) => void
}

/**
 * One broker's connection, made on first use and made again, after a back-off, when it was lost. Never sends a request
 * twice: whether a lost one may be repeated is the caller's to know.
 */
export class ReconnectingConnection {
  readonly address: string
  readonly #options: ReconnectingOptions
  readonly #ports: ReconnectingPorts
  readonly #deadlines: Deadlines
  readonly #backoff: Backoff
  readonly #log: Logger
  #connection: Connection | null = null
  #isConnecting = false
  #backoffTimer: Timer | null = null
  #waiters: Waiter[] = []
  #lastError: Error | null = null
  #isClosed = false
  /** The attempt under way or last made, and how to give it up. */
  #attempt: Promise<void> = Promise.resolve()
  readonly #abort = new AbortController()

  constructor(options: ReconnectingOptions, ports: ReconnectingPorts) {
    this.address = `${options.host}:${options.port}`
    this.#options = options
    this.#ports = ports
    this.#deadlines = new Deadlines(ports)
    this.#backoff = new Backoff({
      initialMs: options.backoffInitialMs,
      maxMs: options.backoffMaxMs,
      random: ports.random,
    })
    this.#log = options.log ?? silentLogger
  }

  get isConnected(): boolean {
    return this.#connection !== null
  }

  /** Why the last attempt failed or the last connection ended; null after a success or an orderly end. */
  get lastError(): Error | null {
    return this.#lastError
  }

  /** As Connection.request; waiting for a connection counts against the request's time. */
  request<Q, R>(request: Message<Q>, response: Message<R>, value: Q, options: RequestOptions = {}): Promise<R> {
    return this.#whenConnected(request.name, options, (connection, rest) =>
      connection.request(request, response, value, rest),
    )
  }

  /** As Connection.requestBorrowed. */
  requestBorrowed<Q, R>(
    request: Message<Q>,
    response: Message<R>,
    value: Q,
    options: RequestOptions = {},
  ): Promise<BorrowedAnswer<R>> {
    return this.#whenConnected(request.name, options, (connection, rest) =>
      connection.requestBorrowed(request, response, value, rest),
    )
  }

  /** As Connection.sendOnly. */
  sendOnly<Q>(request: Message<Q>, value: Q, options: RequestOptions = {}): Promise<void> {
    return this.#whenConnected(request.name, options, (connection, rest) => connection.sendOnly(request, value, rest))
  }

  /** Ends the connection and makes none any more. What waits or is under way fails with ConnectionLost. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#abort.abort()
    this.#backoffTimer?.cancel()
    this.#backoffTimer = null
    this.#failWaiters(null)
    this.#deadlines.close()
    await this.#connection?.close()
    await this.#attempt
  }

  #whenConnected<T>(
    name: string,
    options: RequestOptions,
    send: (connection: Connection, rest: RequestOptions) => Promise<T>,
  ): Promise<T> {
    const connection = this.#connection
    if (connection !== null && !connection.isClosed) return send(connection, options)
    const timeoutMs = options.timeoutMs ?? this.#options.requestTimeoutMs
    const address = this.address
    const lost = (cause: Error | null): ConnectionLost =>
      new ConnectionLost({ outcome: 'not-sent', address, request: name }, { cause: cause ?? undefined })
    if (this.#isClosed) return Promise.reject(lost(null))
    if (this.#options.whileDown === 'fail' && this.#backoffTimer !== null) return Promise.reject(lost(this.#lastError))
    if (this.#waiters.length >= (this.#options.waitingMax ?? 1000)) {
      return Promise.reject(new ConnectionOverloaded({ address, request: name, waitingBytes: 0 }))
    }
    return new Promise((resolve, reject) => {
      const deadline = this.#deadlines.after(timeoutMs, () => {
        this.#waiters = this.#waiters.filter(each => each !== waiter)
        const cause = this.#lastError ?? undefined
        reject(new RequestTimedOut({ outcome: 'not-sent', address, request: name, timeoutMs }, { cause }))
      })
      const waiter: Waiter = {
        use: usable => {
          deadline.cancel()
          const leftMs = Math.max(0, deadline.atMs - this.#ports.clock.monotonicMs())
          resolve(send(usable, { ...options, timeoutMs: leftMs }))
        },
        fail: cause => {
          deadline.cancel()
          reject(lost(cause))
        },
      }
      this.#waiters.push(waiter)
      this.#connect()
    })
  }

  /** Begins an attempt, unless one is under way or not yet due, or the last connection is about to end. */
  #connect(): void {
    if (this.#isClosed || this.#isConnecting || this.#connection !== null || this.#backoffTimer !== null) return
    this.#isConnecting = true
    this.#attempt = this.#tryToConnect()
  }

  async #tryToConnect(): Promise<void> {
    let ended: { error: Error | null } | null = null
    let opened: Connection | null = null
    const onClosed = (error: Error | null): void => {
      ended = { error }
      if (opened !== null && this.#connection === opened) this.#onLost(opened, error)
    }
    try {
      opened = await Connection.open({ ...this.#options, onClosed }, this.#ports, this.#abort.signal)
    } catch (error) {
      this.#isConnecting = false
      this.#onFailed(error as Error)
      return
    }
    this.#isConnecting = false
    if (this.#isClosed) {
      await opened.close()
      return
    }
    // It may have ended between its last answer and this continuation.
    if (ended !== null || opened.isClosed) {
      this.#onFailed((ended as { error: Error | null } | null)?.error ?? null)
      return
    }
    this.#connection = opened
    this.#lastError = null
    this.#log.debug('connected', { address: this.address })
    this.#options.onConnected?.(opened)
    const waiters = this.#waiters
    this.#waiters = []
    for (const waiter of waiters) waiter.use(opened)
  }

  #onLost(connection: Connection, error: Error | null): void {
    this.#connection = null
    this.#lastError = error
    // A broker that accepts and hangs up must be called less and less often: only an answer is a success.
    if (connection.answeredCount > 0) this.#backoff.reset()
    if (this.#isClosed) return
    this.#log.debug('connection lost', { address: this.address, error })
    this.#pause()
  }

  #onFailed(error: Error | null): void {
    this.#lastError = error
    if (this.#isClosed) return
    this.#log.debug('connecting failed', { address: this.address, failures: this.#backoff.failures + 1, error })
    if (this.#options.whileDown === 'fail') this.#failWaiters(error)
    this.#pause()
  }

  /** Then connects again if somebody waits; else the next request does. */
  #pause(): void {
    this.#backoffTimer = this.#ports.timers.after(this.#backoff.nextDelayMs(), () => {
      this.#backoffTimer = null
      if (this.#waiters.length > 0) this.#connect()
    })
  }

  #failWaiters(cause: Error | null): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const waiter of waiters) waiter.fail(cause)
  }
}

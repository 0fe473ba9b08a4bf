/**
 * What the broker may have done with a request that got no answer:
 * - `not-sent`: nothing, the bytes never left. Trying again is always safe.
 * - `unknown`: the bytes may have arrived and may have been acted upon. Trying again is safe for what may happen twice.
 */
export type Outcome = 'not-sent' | 'unknown'

/** A request that got no answer. Answers that carry an error code are answers, not failures. */
export abstract class RequestFailure extends Error {
  readonly outcome: Outcome
  /** `host:port` of the broker. */
  readonly address: string

  constructor(message: string, fields: { outcome: Outcome; address: string }, options?: { cause?: unknown }) {
    super(message, options)
    this.outcome = fields.outcome
    this.address = fields.address
  }
}

/** The connection ended, or could not be made, before the answer came. `cause` says why, if anything is known. */
export class ConnectionLost extends RequestFailure {
  override readonly name = 'ConnectionLost'

  constructor(fields: { outcome: Outcome; address: string; request: string }, options?: { cause?: unknown }) {
    const what = fields.outcome === 'not-sent' ? 'was not sent' : 'may have arrived'
    const why = options?.cause instanceof Error ? ` (${options.cause.message})` : ''
    super(`Connection to ${fields.address} lost: ${fields.request} ${what}${why}`, fields, options)
  }
}

/** No answer within the time given. If the request had been sent, its connection was ended: the order of answers was lost. */
export class RequestTimedOut extends RequestFailure {
  override readonly name = 'RequestTimedOut'
  readonly timeoutMs: number

  constructor(
    fields: { outcome: Outcome; address: string; request: string; timeoutMs: number },
    options?: { cause?: unknown },
  ) {
    const what = fields.outcome === 'not-sent' ? 'could not be sent' : 'got no answer'
    super(`${fields.request} to ${fields.address} ${what} within ${fields.timeoutMs} ms`, fields, options)
    this.timeoutMs = fields.timeoutMs
  }
}

/** More waits for this connection already than it may hold: the sender is faster than the broker. */
export class ConnectionOverloaded extends RequestFailure {
  override readonly name = 'ConnectionOverloaded'

  constructor(fields: { address: string; request: string; waitingBytes: number }) {
    const { address, request, waitingBytes } = fields
    super(`${request} to ${address} was not sent: ${waitingBytes} bytes wait already`, { outcome: 'not-sent', address })
  }
}

/** The broker speaks no version of this request that we speak too (or that the caller asked for). */
export class UnsupportedVersion extends RequestFailure {
  override readonly name = 'UnsupportedVersion'

  constructor(fields: { address: string; request: string; ours: string; theirs: string }) {
    const { address, request, ours, theirs } = fields
    super(`${address} speaks ${request} ${theirs}, asked for was ${ours}`, { outcome: 'not-sent', address })
  }
}

/** The peer answered something that no broker answers: an unknown correlation id, an answer nobody waits for. */
export class UnexpectedAnswer extends Error {
  override readonly name = 'UnexpectedAnswer'
}

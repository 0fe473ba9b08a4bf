import { ApiKey } from '@millrace/protocol/api-keys'
import { MalformedMessage } from '@millrace/protocol/malformed-message'
import { Reader } from '@millrace/protocol/reader'
import { InvariantViolation } from '@millrace/runtime/invariant'
import type { Logger } from '@millrace/runtime/logger'
import { tooNewApiVersions } from './18-api-versions.ts'
import { answersLater, CloseConnection, type Answer, type Handler } from './handler.ts'
import type { AnswerDoubt, Request } from './request.ts'

/** How a connection has to treat a frame before it knows what is in it. */
export interface Route {
  readonly isPipelined: boolean
  /** Frames of at least this size are retained until the answer. */
  readonly retainFrom: number
}

/** What connections need of a dispatcher, whatever its handlers need. */
export interface RequestDispatcher {
  /** By the API key alone: the first two bytes. */
  route(buffer: Buffer, start: number, end: number): Route
  /** Starts the request in `buffer[start..end)`. Its answer comes through `request.answer`, often before this returns. */
  start(request: Request, buffer: Buffer, start: number, end: number): void
}

/** Frames whose API key we do not know are closed on sight: nothing has to be kept. */
const unknownRoute: Route = { isPipelined: false, retainFrom: Infinity }

export interface DispatcherOptions<Services> {
  readonly handlers: ReadonlyMap<number, Handler<Services>>
  readonly services: Services
  readonly logger: Logger
  /** Asked before an answer as leader leaves; absent: nobody else can lead. */
  readonly leaderDoubt?: AnswerDoubt
  /** A promise of the code was broken: stop the broker. */
  readonly onInvariantViolation: (error: InvariantViolation) => void
}

/** Frame in, answer out: header, version check, handler, and the one place where failures become answers or closed connections. */
export class Dispatcher<Services> implements RequestDispatcher {
  private readonly handlers: (Handler<Services> | undefined)[] = []
  private readonly services: Services
  private readonly logger: Logger
  private readonly onInvariantViolation: (error: InvariantViolation) => void
  private readonly leaderDoubt: AnswerDoubt | null

  constructor(options: DispatcherOptions<Services>) {
    for (const [apiKey, handler] of options.handlers) this.handlers[apiKey] = handler
    this.services = options.services
    this.logger = options.logger
    this.onInvariantViolation = options.onInvariantViolation
    this.leaderDoubt = options.leaderDoubt ?? null
  }

  route(buffer: Buffer, start: number, end: number): Route {
    if (end - start < 2) return unknownRoute
    return this.handlers[buffer.readInt16BE(start)] ?? unknownRoute
  }

  start(request: Request, buffer: Buffer, start: number, end: number): void {
    const reader = new Reader(buffer, start, end)
    request.onFailure = this.fail
    try {
      const refusal = this.readHeader(request, reader)
      if (refusal !== null) {
        request.answer(refusal)
        return
      }
      const handler = this.handlers[request.apiKey]
      if (handler === undefined) throw new InvariantViolation('readHeader has checked the API key')
      if (handler.answersAsLeader === true) request.doubt = this.leaderDoubt
      const result = handler.run(reader, request, this.services)
      if (result === answersLater) return
      if (result instanceof Promise) this.settleLater(request, result)
      else request.answer(result)
    } catch (error) {
      this.fail(request, error)
    }
  }

  /** Fills in the header; answers how to refuse the request, or null. */
  private readHeader(request: Request, reader: Reader): Answer | null {
    request.apiKey = reader.int16()
    request.apiVersion = reader.int16()
    request.correlationId = reader.int32()
    const { apiKey, apiVersion } = request
    // The one request of API version 0 without a client id is answered by the controller: ControlledShutdown v0.
    if (apiKey !== ApiKey.ControlledShutdown || apiVersion !== 0) request.clientId = reader.nullableString()
    const handler = this.handlers[apiKey]
    if (handler === undefined) return close('the API is not supported')
    const { versions, servedFrom } = handler
    if (apiVersion > versions[1] && apiKey === ApiKey.ApiVersions) return tooNewApiVersions(request, versions)
    if (apiVersion < versions[0] || apiVersion > versions[1]) {
      return close(`the version is not supported, only ${versions[0]} to ${versions[1]}`)
    }
    if (apiVersion < servedFrom) {
      return close(`the version is advertised, but served from ${servedFrom} only`)
    }
    if (apiVersion >= handler.flexibleSince) skipTaggedFields(reader)
    return null
  }

  private settleLater(request: Request, result: Promise<Answer>): void {
    result.then(
      answer => request.answer(answer),
      (error: unknown) => this.fail(request, error),
    )
  }

  private readonly fail = (request: Request, error: unknown): void => {
    if (error instanceof InvariantViolation) {
      this.logger.error('a promise of the code was broken', { ...request.describe(), error: error.stack })
      if (request.result === null) request.answer({ kind: 'close', reason: 'the broker stops', isLogged: true })
      this.onInvariantViolation(error)
      return
    }
    if ((error instanceof MalformedMessage || error instanceof CloseConnection) && request.result === null) {
      request.answer({ kind: 'close', reason: error.message })
      return
    }
    const stack = error instanceof Error ? error.stack : String(error)
    this.logger.error('request failed, connection closed', { ...request.describe(), error: stack })
    // Sending the answer itself may be what failed: then nothing is left to answer.
    if (request.result === null) request.answer({ kind: 'close', reason: 'the request failed', isLogged: true })
  }
}

function close(reason: string): Answer {
  return { kind: 'close', reason }
}

function skipTaggedFields(reader: Reader): void {
  for (let count = reader.uvarint(); count > 0; count--) {
    reader.tag()
    reader.position = reader.tagEnd()
  }
}

import { codec } from '@millrace/protocol/codec'
import type { Reader } from '@millrace/protocol/reader'
import type { Message, VersionRange } from '@millrace/protocol/schema'
import { encodeResponse } from './response-frame.ts'

/** What one request may know of where it came from. Built per request by net/connection.ts; holds no socket. */
export interface RequestContext {
  readonly apiKey: number
  readonly apiVersion: number
  readonly correlationId: number
  readonly clientId: string | null
  /** `User:ANONYMOUS` until authentication is built. */
  readonly principal: string
  /** Listener name (`PLAINTEXT`, `INTERNAL`…) that the request came in on: answers name endpoints of the same listener. */
  readonly listener: string
  readonly clientAddress: string
  /** Wall clock when the frame was complete. */
  readonly nowMs: number
  /** The answer of a handler that returned `answersLater`. Exactly once. */
  answer(answer: Answer): void
  /** For a handler that returned `answersLater`: what it would have thrown. Exactly once, instead of `answer`. */
  fail(error: unknown): void
  /** Runs once, when the answer was handed to the operating system or will never be: release pooled buffers here. */
  onAnswered(run: () => void): void
  /**
   * Runs when the connection ends before the answer: nobody waits any more. Not called once answered. The request still has
   * to be answered, with whatever: that gives its bytes back.
   */
  onAbandoned(run: () => void): void
}

/**
 * - parts: a whole response frame, length and header included, to be written in this order; unchanged until `onAnswered`.
 * - none: no answer at all (acks=0).
 * - close: end this connection, because of `reason`, which is logged unless it has been.
 */
export type Answer =
  | { readonly kind: 'parts'; readonly parts: readonly Uint8Array[] }
  | { readonly kind: 'none' }
  | { readonly kind: 'close'; readonly reason: string; readonly isLogged?: boolean }

/** Returned by a handler that will call `context.answer` itself: the hot path needs no promise per request. */
export const answersLater = Symbol('answers later')

/** Thrown by a handler to end the connection instead of answering, as Kafka does for acks=0 failures. */
export class CloseConnection extends Error {
  override readonly name = 'CloseConnection'
}

export interface Handler<Services> {
  readonly apiKey: number
  readonly name: string
  /** What ApiVersions advertises. */
  readonly versions: VersionRange
  /** First version whose request header has tagged fields. */
  readonly flexibleSince: number
  /** Lowest version that is served; below it the connection is closed although the version is advertised. */
  readonly servedFrom: number
  /**
   * Frames of at least this size are retained until the answer, so that byte fields stay valid. Infinity: none is, and byte
   * fields must be used up before `run` returns.
   */
  readonly retainFrom: number
  /**
   * May a request start while earlier ones of its connection wait? Only if those are pipelined too: its effects happen
   * inside `run`, in order. Everything else has the connection to itself, as in Kafka.
   */
  readonly isPipelined: boolean
  /** Does it answer as leader of partitions? Then no answer leaves that may be from the past: replication/leader-proof.ts. */
  readonly answersAsLeader?: boolean
  /** Body reader -> answer; synchronous where the handler is. Throws MalformedMessage on a body that cannot be decoded. */
  run(body: Reader, context: RequestContext, services: Services): HandlerResult
}

export type HandlerResult = Answer | Promise<Answer> | typeof answersLater

export const noAnswer: Answer = { kind: 'none' }

export interface HandlerOptions {
  readonly servedFrom?: number
  readonly retainFrom?: number
  readonly answersAsLeader?: boolean
}

/**
 * Ties one API key to its two messages and its code. `handle` answers what a client can cause with a Kafka error code;
 * it throws only for our own failures. Answering `undefined` sends nothing. Byte fields of the request are views of the
 * frame: they are valid until the answer is complete; copy what must live longer.
 */
export function defineHandler<Services, Request, Response>(
  request: Message<Request>,
  response: Message<Response>,
  versions: VersionRange,
  handle: (
    request: Request,
    context: RequestContext,
    services: Services,
  ) => Response | undefined | Promise<Response | undefined>,
  options: HandlerOptions = {},
): Handler<Services> {
  const encode = (value: Response | undefined, context: RequestContext): Answer => {
    if (value === undefined) return noAnswer
    return { kind: 'parts', parts: encodeResponse(response, context, value) }
  }
  return {
    ...declared(request, versions, options),
    run(body, context, services) {
      const decoded = codec(request, context.apiVersion).decode(body)
      const value = handle(decoded, context, services)
      if (value instanceof Promise) return value.then(settled => encode(settled, context))
      return encode(value, context)
    },
  }
}

/**
 * As `defineHandler`, for requests that are parked until something happens: `handle` calls `reply` once, before it returns or later. No
 * promise: what happens to one often answers many, in the same turn.
 */
export function defineParkedHandler<Services, Request, Response>(
  request: Message<Request>,
  response: Message<Response>,
  versions: VersionRange,
  handle: (request: Request, context: RequestContext, services: Services, reply: (response: Response) => void) => void,
  options: HandlerOptions = {},
): Handler<Services> {
  return {
    ...declared(request, versions, options),
    run(body, context, services) {
      const decoded = codec(request, context.apiVersion).decode(body)
      handle(decoded, context, services, value => {
        let answer: Answer
        try {
          answer = { kind: 'parts', parts: encodeResponse(response, context, value) }
        } catch (error) {
          // Whoever replies has others to tell.
          context.fail(error)
          return
        }
        context.answer(answer)
      })
      return answersLater
    },
  }
}

/** What a handler says of itself. Throws RangeError for versions that its request does not have. */
function declared<Services, Request>(
  request: Message<Request>,
  versions: VersionRange,
  options: HandlerOptions,
): Omit<Handler<Services>, 'run'> {
  const isDeclared = versions[0] >= request.versions[0] && versions[1] <= request.versions[1]
  if (!isDeclared) throw new RangeError(`${request.name} does not declare v${versions.join('-')}`)
  return {
    apiKey: request.apiKey,
    name: request.name.replace(/Request$/, ''),
    versions,
    flexibleSince: request.flexibleSince,
    servedFrom: options.servedFrom ?? versions[0],
    retainFrom: options.retainFrom ?? 0,
    isPipelined: false,
    answersAsLeader: options.answersAsLeader ?? false,
  }
}

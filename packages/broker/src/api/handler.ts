import { codec } from '@millrace/protocol/codec'
import type { Reader } from '@millrace/protocol/reader'
import { Writer } from '@millrace/protocol/writer'
import type { Message, VersionRange } from '@millrace/protocol/schema'

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
  /** Runs once, when the answer was handed to the operating system or will never be: release pooled buffers here. */
  onAnswered(run: () => void): void
}

/**
 * - parts: the response body, to be written in this order; they stay unchanged until `onAnswered`.
 * - none: no answer at all (acks=0).
 * - close: end this connection, because of `reason`, which is logged.
 */
export type Answer =
  | { readonly kind: 'parts'; readonly parts: readonly Uint8Array[] }
  | { readonly kind: 'none' }
  | { readonly kind: 'close'; readonly reason: string }

/** Thrown or returned by a handler to end the connection instead of answering, as Kafka does for acks=0 failures. */
export class CloseConnection extends Error {
  override readonly name = 'CloseConnection'
}

export interface Handler<Services> {
  readonly apiKey: number
  readonly name: string
  /** What ApiVersions advertises. */
  readonly versions: VersionRange
  /** Body reader -> answer; synchronous where the handler is. Throws MalformedMessage on a body that cannot be decoded. */
  run(body: Reader, context: RequestContext, services: Services): Answer | Promise<Answer>
}

const noAnswer: Answer = { kind: 'none' }

/**
 * Ties one API key to its two messages and its code. `handle` answers what a client can cause with a Kafka error code;
 * it throws only for our own failures. Answering `undefined` sends nothing. Byte fields of the request are views of the
 * frame: they are valid until the answer is complete; copy what must live longer.
 */
export function defineHandler<Services, Request, Response>(
  request: Message<Request>,
  response: Message<Response>,
  versions: VersionRange,
  handle: (request: Request, context: RequestContext, services: Services) => Response | undefined | Promise<Response | undefined>,
): Handler<Services> {
  const declared = versions[0] >= request.versions[0] && versions[1] <= request.versions[1]
  if (!declared) throw new RangeError(`${request.name} does not declare v${versions.join('-')}`)
  const encode = (value: Response | undefined, version: number): Answer => {
    if (value === undefined) return noAnswer
    const writer = new Writer()
    codec(response, version).encode(writer, value)
    return { kind: 'parts', parts: writer.finishParts() }
  }
  return {
    apiKey: request.apiKey,
    name: request.name.replace(/Request$/, ''),
    versions,
    run(body, context, services) {
      const decoded = codec(request, context.apiVersion).decode(body)
      const value = handle(decoded, context, services)
      if (value instanceof Promise) return value.then(settled => encode(settled, context.apiVersion))
      return encode(value, context.apiVersion)
    },
  }
}

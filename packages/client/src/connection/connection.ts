import {
  apiVersionsRequest,
  type ApiVersionsRequest,
  type ApiVersionsResponse,
} from '@millrace/protocol/messages/18-api-versions'
import { codec } from '@millrace/protocol/codec'
import { beginFrame, finishFrame } from '@millrace/protocol/frame'
import { decodeResponseHeader, encodeRequestHeader, type RequestHeader } from '@millrace/protocol/header'
import { Reader } from '@millrace/protocol/reader'
import type { Message, VersionRange } from '@millrace/protocol/schema'
import { Writer } from '@millrace/protocol/writer'
import { Deadlines, type Deadline } from '@millrace/runtime/deadline'
import { assert } from '@millrace/runtime/invariant'
import type { Clock, Frame, FrameConnection, Timers, Transport } from '@millrace/runtime/ports'
import {
  decodeApiVersions,
  highestCommon,
  holdsBytes,
  negotiate,
  showVersions,
  type ApiVersionTable,
} from './api-versions.ts'
import {
  ConnectionLost,
  ConnectionOverloaded,
  RequestTimedOut,
  UnexpectedAnswer,
  UnsupportedVersion,
  type Outcome,
} from './request-failure.ts'

export interface ConnectionOptions {
  readonly host: string
  readonly port: number
  /** In every request header: what the broker's logs and quotas call us. */
  readonly clientId: string
  /**
   * `negotiate` asks the broker first (ApiVersions); then a request without a version of its own uses the highest that both
   * speak. `fixed` asks nothing: every request uses the version it names, or its highest. For brokers of one cluster.
   */
  readonly versions: 'negotiate' | 'fixed'
  /** TCP handshake and negotiation together. */
  readonly connectTimeoutMs: number
  /** For requests that name no time of their own. */
  readonly requestTimeoutMs: number
  /** Answers above this size end the connection. Default 100 MiB. */
  readonly maxFrameBytes?: number
  /** Requests that may be under way at once; more wait here. Default 100. With 1 the broker sees one at a time. */
  readonly inFlightMax?: number
  /** Bytes of requests under way and waiting; beyond that requests are refused with ConnectionOverloaded. Default 64 MiB. */
  readonly pendingBytesMax?: number
  /** Called once, after every request was settled: the connection ended, `null` for an orderly end by either side. */
  readonly onClosed?: (error: Error | null) => void
}

export interface RequestOptions {
  /** Instead of the highest common version. */
  readonly version?: number
  /** What the caller's code can handle, if less than the message row: the highest common version within it is used. */
  readonly versions?: VersionRange
  /** From now until the answer is there, waiting included. Default: `requestTimeoutMs` of the connection. */
  readonly timeoutMs?: number
}

/** An answer whose byte fields are views of a pooled buffer: valid until `release`, which is called exactly once. */
export interface BorrowedAnswer<R> {
  readonly value: R
  release(): void
}

export type ConnectionPorts = { readonly transport: Transport; readonly clock: Clock; readonly timers: Timers }

const defaults = { maxFrameBytes: 100 * 1024 * 1024, inFlightMax: 100, pendingBytesMax: 64 * 1024 * 1024 }

/** Reads an answer; `apiVersion` is that of its request. */
type ReadAnswer = (body: Reader, frame: Frame, apiVersion: number) => void

/** One request between `request` and its answer. */
interface Pending {
  readonly apiKey: number
  readonly apiVersion: number
  readonly correlationId: number
  readonly request: string
  readonly parts: readonly Uint8Array[]
  readonly bytes: number
  readonly timeoutMs: number
  /** Null: there is none (acks=0). */
  readonly answer: ReadAnswer | null
  readonly settle: () => void
  readonly fail: (error: Error) => void
  deadline: Deadline | null
}

/**
 * A connection to one broker: any number of requests at a time, answered in the order they were sent. The requests of one turn
 * leave in one write. When it ends it stays ended: see ReconnectingConnection.
 */
export class Connection {
  readonly address: string
  readonly #options: Required<Omit<ConnectionOptions, 'onClosed'>>
  readonly #onClosed: (error: Error | null) => void
  readonly #deadlines: Deadlines
  #frames: FrameConnection | null = null
  #versions: ApiVersionTable | null = null
  #correlationId = 0
  readonly #waiting: Pending[] = []
  /** Sent, in order of their answers. */
  readonly #inFlight: Pending[] = []
  #pendingBytes = 0
  #answeredCount = 0
  #isEnding = false
  #isClosed = false
  #closedWaiters: (() => void)[] = []

  /**
   * Resolves once the connection is usable. Rejects with TransportError, RequestTimedOut, NegotiationFailed or ConnectionLost.
   * `signal` gives the attempt up; it has no effect on an open connection.
   */
  static async open(options: ConnectionOptions, ports: ConnectionPorts, signal?: AbortSignal): Promise<Connection> {
    const connection = new Connection(options, ports)
    const onAbort = (): void => connection.#end(null)
    signal?.addEventListener('abort', onAbort)
    try {
      await connection.#open(ports, signal)
    } finally {
      signal?.removeEventListener('abort', onAbort)
    }
    return connection
  }

  private constructor(options: ConnectionOptions, ports: ConnectionPorts) {
    const { onClosed, ...rest } = options
    this.#options = { ...defaults, ...rest }
    this.#onClosed = onClosed ?? (() => {})
    this.address = `${options.host}:${options.port}`
    this.#deadlines = new Deadlines(ports)
  }

  get isClosed(): boolean {
    return this.#isEnding || this.#isClosed
  }

  /** Answers so far, that to the negotiation included. */
  get answeredCount(): number {
    return this.#answeredCount
  }

  /** Requests under way and waiting. */
  get pendingCount(): number {
    return this.#waiting.length + this.#inFlight.length
  }

  /** What the broker said that it speaks; null when it was not asked. */
  get versions(): ApiVersionTable | null {
    return this.#versions
  }

  /** The version that `request` would use. Throws UnsupportedVersion. `ours` narrows what the message row allows. */
  versionOf<Q>(request: Message<Q>, ours: VersionRange = request.versions): number {
    if (this.#versions === null) return ours[1]
    const theirs = this.#versions.get(request.apiKey)
    const version = theirs === undefined ? null : highestCommon(ours, theirs)
    if (version !== null) return version
    throw new UnsupportedVersion({
      address: this.address,
      request: request.name,
      ours: showVersions(ours),
      theirs: showVersions(theirs),
    })
  }

  /**
   * Sends `value` and gives the answer, which owns its bytes. Rejects with a RequestFailure, whose `outcome` tells whether the
   * broker may have seen the request, or with MalformedMessage if the answer is none (then the connection ended, too).
   * Byte fields of `value` must stay unchanged until then.
   */
  request<Q, R>(request: Message<Q>, response: Message<R>, value: Q, options: RequestOptions = {}): Promise<R> {
    return new Promise((resolve, reject) => {
      const copies = holdsBytes(response as Message<never>)
      this.#send(request, value, options, reject, (body, frame, version) => {
        const from = copies ? ownCopy(body, frame) : body
        resolve(codec(response, version).decode(from))
      })
    })
  }

  /** Like `request`, without a copy: for fetched records. */
  requestBorrowed<Q, R>(
    request: Message<Q>,
    response: Message<R>,
    value: Q,
    options: RequestOptions = {},
  ): Promise<BorrowedAnswer<R>> {
    return new Promise((resolve, reject) => {
      this.#send(request, value, options, reject, (body, frame, version) => {
        const retained = frame.retain()
        const headerBytes = body.position - frame.start
        try {
          const answer = codec(response, version).decode(
            new Reader(retained.buffer, retained.start + headerBytes, retained.end),
          )
          resolve({ value: answer, release: () => retained.release() })
        } catch (error) {
          retained.release()
          throw error
        }
      })
    })
  }

  /** For requests that are never answered (Produce with acks=0). Resolves when the operating system took the bytes. */
  sendOnly<Q>(request: Message<Q>, value: Q, options: RequestOptions = {}): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#send(request, value, options, reject, null, resolve)
    })
  }

  /** Ends the connection. Requests without an answer fail with ConnectionLost. Resolves when it is over. */
  close(): Promise<void> {
    this.#end(null)
    if (this.#isClosed) return Promise.resolve()
    return new Promise(resolve => this.#closedWaiters.push(resolve))
  }

  async #open({ transport, clock }: ConnectionPorts, signal: AbortSignal | undefined): Promise<void> {
    const { host, port, connectTimeoutMs, maxFrameBytes } = this.#options
    const beginMs = clock.monotonicMs()
    const receiver = {
      onFrame: (frame: Frame) => this.#onFrame(frame),
      onClosed: (error: Error | null) => this.#onFramesClosed(error),
    }
    this.#frames = await transport.connect({
      host,
      port,
      timeoutMs: connectTimeoutMs,
      maxFrameBytes,
      receiver,
      ...(signal && { signal }),
    })
    if (this.#options.versions === 'fixed') return
    try {
      const ask = (version: number, value: ApiVersionsRequest): Promise<ApiVersionsResponse> =>
        new Promise((resolve, reject) => {
          const timeoutMs = Math.max(0, connectTimeoutMs - (clock.monotonicMs() - beginMs))
          const answer = (body: Reader): void => resolve(decodeApiVersions(body, version))
          this.#send(apiVersionsRequest, value, { version, timeoutMs }, reject, answer)
        })
      this.#versions = await negotiate(ask)
    } catch (error) {
      this.#end(null)
      throw error
    }
  }

  #send<Q>(
    request: Message<Q>,
    value: Q,
    options: RequestOptions,
    fail: (error: Error) => void,
    answer: ReadAnswer | null,
    settle: () => void = nothing,
  ): void {
    if (this.isClosed) {
      fail(new ConnectionLost({ outcome: 'not-sent', address: this.address, request: request.name }))
      return
    }
    const apiVersion = options.version ?? this.versionOf(request, options.versions)
    const correlationId = this.#correlationId
    const { clientId } = this.#options
    const parts = encodeFrame(request, value, { apiKey: request.apiKey, apiVersion, correlationId, clientId })
    let bytes = 0
    for (const part of parts) bytes += part.length
    // A request larger than the whole bound passes when nothing else is pending, else it never could.
    if (this.#pendingBytes > 0 && this.#pendingBytes + bytes > this.#options.pendingBytesMax) {
      fail(
        new ConnectionOverloaded({
          address: this.address,
          request: `${request.name} v${apiVersion}`,
          waitingBytes: this.#pendingBytes,
        }),
      )
      return
    }
    this.#correlationId = correlationId === 0x7fffffff ? 0 : correlationId + 1
    const timeoutMs = options.timeoutMs ?? this.#options.requestTimeoutMs
    const pending: Pending = {
      apiKey: request.apiKey,
      apiVersion,
      correlationId,
      request: request.name,
      parts,
      bytes,
      timeoutMs,
      answer,
      settle,
      fail,
      deadline: null,
    }
    pending.deadline = this.#deadlines.after(timeoutMs, () => this.#onTimeout(pending))
    this.#pendingBytes += bytes
    if (this.#waiting.length === 0 && this.#inFlight.length < this.#options.inFlightMax) this.#sendNow(pending)
    else this.#waiting.push(pending)
  }

  #sendWaiting(): void {
    while (this.#waiting.length > 0 && this.#inFlight.length < this.#options.inFlightMax) {
      this.#sendNow(this.#waiting.shift()!)
    }
  }

  #sendNow(pending: Pending): void {
    if (pending.answer === null) this.#sendUnanswered(pending)
    else {
      this.#inFlight.push(pending)
      this.#frames!.send(pending.parts)
    }
  }

  #sendUnanswered(pending: Pending): void {
    this.#unanswered.add(pending)
    this.#frames!.send(pending.parts, () => {
      // Also called when the connection ended: then the pending ones were failed already, or will be by onClosed.
      if (!this.#frames!.isClosed && this.#unanswered.delete(pending)) {
        this.#retire(pending)
        pending.settle()
      }
    })
  }

  /** Requests without an answer that the operating system has not taken yet. */
  readonly #unanswered = new Set<Pending>()

  #onFrame(frame: Frame): void {
    try {
      this.#answer(frame)
    } catch (error) {
      this.#end(error instanceof Error ? error : new Error(String(error)))
    }
  }

  #answer(frame: Frame): void {
    const pending = this.#inFlight[0]
    if (pending === undefined) throw new UnexpectedAnswer(`${this.address} answers though nothing was asked`)
    const body = new Reader(frame.buffer, frame.start, frame.end)
    const correlationId = decodeResponseHeader(body, pending)
    if (correlationId !== pending.correlationId) {
      throw new UnexpectedAnswer(
        `${this.address} answers ${correlationId} where ${pending.correlationId} is due (${nameOf(pending)})`,
      )
    }
    this.#inFlight.shift()
    this.#answeredCount++
    this.#retire(pending)
    try {
      pending.answer!(body, frame, pending.apiVersion)
    } catch (error) {
      // What cannot be decoded is this request's failure, and the end of the connection for the others.
      pending.fail(error instanceof Error ? error : new Error(String(error)))
      throw error
    }
    this.#sendWaiting()
  }

  #onTimeout(pending: Pending): void {
    pending.deadline = null
    const request = nameOf(pending)
    const { timeoutMs } = pending
    const waitingAt = this.#waiting.indexOf(pending)
    const outcome: Outcome = waitingAt >= 0 ? 'not-sent' : 'unknown'
    if (waitingAt >= 0) this.#waiting.splice(waitingAt, 1)
    else if (!this.#unanswered.delete(pending)) this.#inFlight.splice(this.#inFlight.indexOf(pending), 1)
    this.#retire(pending)
    const timedOut = new RequestTimedOut({ outcome, address: this.address, request, timeoutMs })
    pending.fail(timedOut)
    // The answer may still come, and it would be taken for that of the next request.
    if (outcome === 'unknown') this.#end(timedOut)
  }

  /** Fails what is pending and ends the transport; `#onFramesClosed` follows. Idempotent. */
  #end(cause: Error | null): void {
    if (this.#isEnding || this.#isClosed) return
    this.#isEnding = true
    this.#failAll(cause)
    if (cause === null) this.#frames?.close()
    else this.#frames?.destroy(cause)
  }

  #onFramesClosed(error: Error | null): void {
    assert(!this.#isClosed, 'a connection ends once')
    this.#isClosed = true
    this.#failAll(error)
    this.#deadlines.close()
    for (const closed of this.#closedWaiters.splice(0)) closed()
    this.#onClosed(error)
  }

  #failAll(cause: Error | null): void {
    const failures: [Pending, Outcome][] = [
      ...this.#inFlight.splice(0).map(pending => [pending, 'unknown'] as [Pending, Outcome]),
      ...[...this.#unanswered].map(pending => [pending, 'unknown'] as [Pending, Outcome]),
      ...this.#waiting.splice(0).map(pending => [pending, 'not-sent'] as [Pending, Outcome]),
    ]
    this.#unanswered.clear()
    for (const [pending, outcome] of failures) {
      this.#retire(pending)
      pending.fail(
        new ConnectionLost({ outcome, address: this.address, request: nameOf(pending) }, { cause: cause ?? undefined }),
      )
    }
  }

  #retire(pending: Pending): void {
    pending.deadline?.cancel()
    pending.deadline = null
    this.#pendingBytes -= pending.bytes
  }
}

/** For messages to people: `Metadata v9`. */
function nameOf({ request, apiVersion }: Pending): string {
  return `${request} v${apiVersion}`
}

function encodeFrame<Q>(request: Message<Q>, value: Q, header: RequestHeader): Uint8Array[] {
  const writer = new Writer()
  beginFrame(writer)
  encodeRequestHeader(writer, header)
  codec(request, header.apiVersion).encode(writer, value)
  return finishFrame(writer)
}

const nothing = (): void => {}

/** The rest of the frame in memory of its own: small frames share a buffer that the next read overwrites. */
function ownCopy(body: Reader, frame: Frame): Reader {
  const copy = Buffer.allocUnsafeSlow(frame.end - body.position)
  frame.buffer.copy(copy, 0, body.position, frame.end)
  return new Reader(copy)
}

import { apiName } from '@millrace/protocol/api-keys'
import { assert } from '@millrace/runtime/invariant'
import type { LogFields } from '@millrace/runtime/logger'
import type { RetainedFrame } from '@millrace/runtime/ports'
import type { Answer, RequestContext } from './handler.ts'

/** Where requests come from: one per connection. */
export interface RequestOrigin {
  readonly principal: string
  readonly listener: string
  readonly clientAddress: string
  /** A request that was started has its answer: send it when its turn comes. */
  onAnswer(request: Request): void
}

/** May this broker still say what it says as a leader? replication/leader-proof.ts fits. */
export interface AnswerDoubt {
  readonly isInDoubt: boolean
  /** False: it may not. */
  confirmed(): Promise<boolean>
}

/**
 * One request from its first byte to the last byte of its answer. It is the context that the handler sees and the place in
 * the order of answers, so that a request costs one object.
 */
export class Request implements RequestContext {
  /** Set while it is not sure that the answer is true: it waits for this. */
  doubt: AnswerDoubt | null = null
  apiKey = -1
  apiVersion = -1
  correlationId = 0
  clientId: string | null = null
  readonly nowMs: number
  /** Set once, by `answer`. */
  result: Answer | null = null
  /** The bytes it was decoded from, if they had to outlive the decoding. Released with the answer. */
  retained: RetainedFrame | null = null
  readonly isPipelined: boolean
  /** The one that was started after it, while both wait: see net/response-order.ts. */
  next: Request | null = null
  /** How the dispatcher treats an error; set when it starts the request. */
  onFailure: ((request: Request, error: unknown) => void) | null = null
  private readonly origin: RequestOrigin
  private finishing: (() => void) | (() => void)[] | null = null
  private abandoning: (() => void) | null = null
  private isFinished = false

  constructor(origin: RequestOrigin, isPipelined: boolean, nowMs: number) {
    this.origin = origin
    this.isPipelined = isPipelined
    this.nowMs = nowMs
  }

  get principal(): string {
    return this.origin.principal
  }
  get listener(): string {
    return this.origin.listener
  }
  get clientAddress(): string {
    return this.origin.clientAddress
  }

  answer(answer: Answer): void {
    assert(this.result === null, 'a request is answered once')
    if (this.doubt?.isInDoubt === true) {
      this.answerLater(answer, this.doubt)
      return
    }
    this.result = answer
    this.abandoning = null
    this.origin.onAnswer(this)
  }

  private answerLater(answer: Answer, doubt: AnswerDoubt): void {
    this.doubt = null
    // The handler has done its part: nobody gives up on its behalf.
    this.abandoning = null
    void doubt.confirmed().then(isTrue => {
      // What was read and written here may be no part of history: better no answer than this one.
      this.answer(isTrue ? answer : { kind: 'close', reason: 'this broker may not be leader any more' })
    })
  }

  fail(error: unknown): void {
    assert(this.onFailure !== null, 'a request is started before it fails')
    this.onFailure(this, error)
  }

  onAnswered(run: () => void): void {
    if (this.finishing === null) this.finishing = run
    else if (typeof this.finishing === 'function') this.finishing = [this.finishing, run]
    else this.finishing.push(run)
  }

  onAbandoned(run: () => void): void {
    assert(this.abandoning === null, 'one party waits on behalf of a request')
    this.abandoning = run
  }

  /** For log lines. */
  describe(): LogFields {
    const { apiKey, apiVersion, clientId, clientAddress, listener } = this
    return { api: apiName(apiKey), version: apiVersion, client: clientId, clientAddress, listener }
  }

  /** Does anybody want to know when the answer was written? */
  get hasFinisher(): boolean {
    return this.finishing !== null
  }

  /** The connection ended: nobody waits for the answer. It may still come. */
  abandon(): void {
    const run = this.abandoning
    this.abandoning = null
    run?.()
  }

  /** The answer was written, or never will be. */
  finish(): void {
    if (this.isFinished) return
    this.isFinished = true
    const run = this.finishing
    this.finishing = null
    if (typeof run === 'function') run()
    else if (run !== null) for (const one of run) one()
  }
}

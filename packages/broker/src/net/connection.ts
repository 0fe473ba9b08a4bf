import type { RequestDispatcher } from '../api/dispatch.ts'
import { Request, type RequestOrigin } from '../api/request.ts'
import { assert } from '@millrace/runtime/invariant'
import type { ByteBudget } from '@millrace/runtime/byte-budget'
import type { Logger } from '@millrace/runtime/logger'
import type { Clock, Frame, FrameConnection, FrameReceiver, RetainedFrame } from '@millrace/runtime/ports'
import { TransportError } from '@millrace/runtime/transport-error'
import { ResponseOrder } from './response-order.ts'

export interface ConnectionOptions {
  readonly transport: FrameConnection
  /** Listener name. */
  readonly listener: string
  readonly principal: string
  readonly dispatcher: RequestDispatcher
  /** Bytes of frames that wait, all connections of the broker together. */
  readonly requestMemory: ByteBudget
  /** Requests that wait to be started, all connections of the broker together: one unit each. */
  readonly waitingRequests: ByteBudget
  /** A reader that leaves more than this unread is not read from. */
  readonly queuedResponseBytesMax: number
  readonly clock: Clock
  readonly logger: Logger
  readonly onClosed: (connection: Connection) => void
}

/** Requests of one connection that may have been started and not answered. */
const IN_FLIGHT_MAX = 512
/** Frames of one connection that may wait for their turn before we stop reading it. */
const WAITING_MAX = 16

/** Why a connection is not read from: bits, because reasons overlap. */
const Pause = { notStarted: 1, requestMemory: 2, slowReader: 4, inFlight: 8, waiting: 16, waitingRequests: 32 } as const

/**
 * One client connection: frames in, answers out in order.
 *
 * ```
 *  frame ─► may it start? ─► Dispatcher.start ─► answered at once ─────────► send
 *             │ no                          └─► later ─► ResponseOrder ─► send when all before it were sent
 *             └─► waiting (retained, counted in requestMemory)
 * ```
 *
 * Nothing is ever dropped: whoever asks for too much is not read from until what it asked for is done.
 */
export class Connection implements FrameReceiver, RequestOrigin {
  readonly principal: string
  readonly listener: string
  readonly clientAddress: string
  private readonly transport: FrameConnection
  private readonly dispatcher: RequestDispatcher
  private readonly requestMemory: ByteBudget
  private readonly waitingRequests: ByteBudget
  private readonly queuedResponseBytesMax: number
  private readonly clock: Clock
  private readonly logger: Logger
  private readonly closed: (connection: Connection) => void
  private readonly order = new ResponseOrder()
  private readonly waiting: RetainedFrame[] = []
  /** The request whose `Dispatcher.start` is on the stack, if its answer could leave at once. */
  private starting: Request | null = null
  private pauses = 0
  private cancelMemoryWait: (() => void) | null = null
  private cancelTurnWait: (() => void) | null = null
  private isClosing = false
  private isDraining = false
  /** Monotonic ms of the last frame or answer. */
  lastActiveMs: number

  constructor(options: ConnectionOptions) {
    this.transport = options.transport
    this.listener = options.listener
    this.principal = options.principal
    this.clientAddress = options.transport.remoteAddress
    this.dispatcher = options.dispatcher
    this.requestMemory = options.requestMemory
    this.waitingRequests = options.waitingRequests
    this.queuedResponseBytesMax = options.queuedResponseBytesMax
    this.clock = options.clock
    this.logger = options.logger
    this.closed = options.onClosed
    this.lastActiveMs = options.clock.monotonicMs()
  }

  /** Nothing is under way: no request, no answer that the client has yet to read. */
  get isIdle(): boolean {
    return this.order.size === 0 && this.waiting.length === 0 && this.transport.queuedBytes === 0
  }

  /** Reads nothing until `startReading`: a broker accepts before it serves. */
  holdReading(): void {
    this.pause(Pause.notStarted)
  }

  startReading(): void {
    this.resume(Pause.notStarted)
  }

  /** Starts no further request; ends once what was started is answered. Fetches that only wait for news do not wait for it. */
  drain(): void {
    this.isDraining = true
    this.pause(Pause.notStarted)
    for (const request of this.order.unanswered()) request.abandon()
    if (this.order.size === 0) this.close()
  }

  close(): void {
    if (this.isClosing) return
    this.isClosing = true
    this.transport.close()
  }

  destroy(): void {
    this.isClosing = true
    this.transport.destroy()
  }

  onFrame(frame: Frame): void {
    if (this.isClosing || this.isDraining) return
    this.lastActiveMs = this.clock.monotonicMs()
    // A pause that was asked for before the transport began to read does not hold: say it again.
    if (this.pauses !== 0) this.transport.pause()
    const { buffer, start, end } = frame
    const route = this.dispatcher.route(buffer, start, end)
    if (this.waiting.length > 0 || !this.mayStart(route.isPipelined)) {
      this.waiting.push(this.hold(frame))
      this.countWaiting()
      if (this.waiting.length >= WAITING_MAX) this.pause(Pause.waiting)
      return
    }
    if (end - start >= route.retainFrom) this.startRetained(this.hold(frame), route.isPipelined)
    else this.start(buffer, start, end, route.isPipelined, null)
  }

  onAnswer(request: Request): void {
    // The usual case: the handler answered at once, and nobody waits before it.
    if (request === this.starting) return
    if (this.isClosing) this.dropAnswer(request)
    else this.flush()
  }

  onDrained(): void {
    this.resume(Pause.slowReader)
  }

  onClosed(error: Error | null): void {
    this.isClosing = true
    if (error instanceof TransportError && error.code === 'FRAME_SIZE') {
      const { clientAddress, listener } = this
      this.logger.warn('request refused, connection closed', { clientAddress, listener, reason: error.message })
    }
    this.cancelMemoryWait?.()
    this.cancelMemoryWait = null
    this.cancelTurnWait?.()
    this.cancelTurnWait = null
    for (const frame of this.waiting.splice(0)) {
      this.letGo(frame)
      this.waitingRequests.give(1)
    }
    for (const request of this.order.takeAll()) {
      if (request.result === null) request.abandon()
      else this.finish(request)
    }
    this.closed(this)
  }

  private mayStart(isPipelined: boolean): boolean {
    const cannot = Pause.notStarted | Pause.slowReader | Pause.inFlight
    return (this.pauses & cannot) === 0 && this.order.admits(isPipelined)
  }

  private startRetained(frame: RetainedFrame, isPipelined: boolean): void {
    this.start(frame.buffer, frame.start, frame.end, isPipelined, frame)
  }

  private start(
    buffer: Buffer,
    start: number,
    end: number,
    isPipelined: boolean,
    retained: RetainedFrame | null,
  ): void {
    const request = new Request(this, isPipelined, this.clock.wallMs())
    request.retained = retained
    const isAlone = this.order.size === 0
    if (isAlone) this.starting = request
    else this.order.add(request)
    this.dispatcher.start(request, buffer, start, end)
    if (isAlone) {
      this.starting = null
      if (request.result !== null) this.send(request)
      else if (this.isClosing) request.abandon()
      else this.order.add(request)
    }
    if (this.order.size >= IN_FLIGHT_MAX) this.pause(Pause.inFlight)
  }

  /** Sends what may leave, then starts what may start. */
  private flush(): void {
    // Who is answered at once was active a moment ago, when the frame came.
    this.lastActiveMs = this.clock.monotonicMs()
    for (let next = this.order.takeAnswered(); next !== null; next = this.order.takeAnswered()) {
      this.send(next)
      if (this.isClosing) return
    }
    if (this.order.size === 0 && this.isDraining) return this.close()
    if (this.order.size < IN_FLIGHT_MAX / 2) this.resume(Pause.inFlight)
    this.startWaiting()
  }

  private startWaiting(): void {
    while (this.waiting.length > 0 && !this.isClosing && !this.isDraining) {
      const frame = this.waiting[0] as RetainedFrame
      const { isPipelined, retainFrom } = this.dispatcher.route(frame.buffer, frame.start, frame.end)
      if (!this.mayStart(isPipelined)) return
      this.waiting.shift()
      if (frame.end - frame.start >= retainFrom) this.startRetained(frame, isPipelined)
      else {
        this.start(frame.buffer, frame.start, frame.end, isPipelined, null)
        this.letGo(frame)
      }
      // Only now, because it may make this connection go on, which must not overtake the request just started.
      this.waitingRequests.give(1)
    }
    if (this.waiting.length === 0) this.resume(Pause.waiting)
  }

  private send(request: Request): void {
    const answer = request.result
    assert(answer !== null, 'only answered requests leave')
    this.releaseFrame(request)
    if (answer.kind === 'parts' && !this.transport.isClosed) {
      if (request.hasFinisher) this.transport.send(answer.parts, () => request.finish())
      else this.transport.send(answer.parts)
      if (this.transport.queuedBytes > this.queuedResponseBytesMax) this.pause(Pause.slowReader)
      return
    }
    request.finish()
    if (answer.kind !== 'close') return
    if (answer.isLogged !== true) {
      this.logger.warn('request refused, connection closed', { ...request.describe(), reason: answer.reason })
    }
    this.close()
  }

  /** The connection ended before the answer came. */
  private dropAnswer(request: Request): void {
    this.releaseFrame(request)
    request.finish()
  }

  private finish(request: Request): void {
    this.releaseFrame(request)
    request.finish()
  }

  private releaseFrame(request: Request): void {
    const frame = request.retained
    if (frame === null) return
    request.retained = null
    this.letGo(frame)
  }

  private hold(frame: Frame): RetainedFrame {
    const held = frame.retain()
    const memory = this.requestMemory
    memory.take(held.end - held.start)
    if (memory.usedBytes > memory.limitBytes && this.cancelMemoryWait === null) {
      this.pause(Pause.requestMemory)
      this.cancelMemoryWait = memory.whenTaken(0, () => {
        this.cancelMemoryWait = null
        this.resume(Pause.requestMemory)
      })
    }
    return held
  }

  /** One more is waiting: when the broker holds as many as it may, this connection is not read from until there are fewer. */
  private countWaiting(): void {
    const { waitingRequests } = this
    waitingRequests.take(1)
    if (waitingRequests.usedBytes < waitingRequests.limitBytes || this.cancelTurnWait !== null) return
    this.pause(Pause.waitingRequests)
    this.cancelTurnWait = waitingRequests.whenTaken(1, () => {
      this.cancelTurnWait = null
      waitingRequests.give(1)
      this.resume(Pause.waitingRequests)
    })
  }

  private letGo(frame: RetainedFrame): void {
    const size = frame.end - frame.start
    frame.release()
    this.requestMemory.give(size)
  }

  private pause(reason: number): void {
    if (this.pauses === 0) this.transport.pause()
    this.pauses |= reason
  }

  private resume(reason: number): void {
    if ((this.pauses & reason) === 0) return
    this.pauses &= ~reason
    this.startWaiting()
    if (this.pauses === 0 && !this.isClosing) this.transport.resume()
  }
}

import type { RequestDispatcher } from '../api/dispatch.ts'
import { ByteBudget } from '@millrace/runtime/byte-budget'
import type { Logger } from '@millrace/runtime/logger'
import type { FrameConnection, FrameReceiver, Listener, Timer, World } from '@millrace/runtime/ports'
import { Connection } from './connection.ts'

export interface ListenerAddress {
  /** Listener name: `PLAINTEXT`, `INTERNAL`… */
  readonly name: string
  readonly host: string
  /** 0: any free port. */
  readonly port: number
}

export interface BoundListener extends ListenerAddress {
  /** The port it really has. */
  readonly port: number
}

/** Read at each use, because most of them are dynamic. Bytes, milliseconds, connections. */
export interface ConnectionLimits {
  /** `max.connections` */
  readonly connectionsMax: number
  /** `max.connections.per.ip` */
  readonly connectionsPerIpMax: number
  /** `max.connections.per.ip.overrides`: by address */
  readonly connectionsPerIpOverrides: ReadonlyMap<string, number>
  /** `max.connection.creation.rate`: per second */
  readonly connectionCreationRate: number
  /** `listener.name.<listener>.max.connections`, `….max.connection.creation.rate`: beside those of the broker; Infinity: none. */
  readonly ofListener: (listener: string) => {
    readonly connectionsMax: number
    readonly connectionCreationRate: number
  }
  /** `connections.max.idle.ms`; below 0: never */
  readonly idleMaxMs: number
}

export interface RequestServerOptions {
  readonly world: World
  readonly logger: Logger
  readonly listeners: readonly ListenerAddress[]
  /** The listener that brokers talk on: never refused because of `connectionsMax`. */
  readonly interBrokerListener: string
  readonly dispatcher: RequestDispatcher
  readonly limits: ConnectionLimits
  /** `socket.request.max.bytes` */
  readonly requestBytesMax: number
  /** `queued.max.request.bytes`; below 1: `defaultQueuedRequestBytesMax` */
  readonly queuedRequestBytesMax: number
  /** `queued.max.requests`: those that wait to be started; which a client may do by sending behind one that takes long */
  readonly queuedRequestsMax: number
  /** A client that leaves more unread is not read from. */
  readonly queuedResponseBytesMax?: number
  /** `socket.listen.backlog.size` */
  readonly backlog?: number
  /** `socket.send.buffer.bytes`, `socket.receive.buffer.bytes`; below 0: the system's */
  readonly sendBufferBytes?: number
  readonly receiveBufferBytes?: number
}

/** Kafka queues 500 requests of any size; we count bytes, and this many are a bound that no sane set of clients meets. */
export const defaultQueuedRequestBytesMax = 256 * 1024 * 1024
/** More than a socket buffer takes at once, so a reader that keeps up is never held back. */
export const defaultQueuedResponseBytesMax = 4 * 1024 * 1024

/** A listener could not be bound: `host`, `port` and the system's `cause`. */
export class BindFailed extends Error {
  override readonly name = 'BindFailed'
  readonly listener: ListenerAddress

  constructor(listener: ListenerAddress, cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause)
    super(`Listener ${listener.name} cannot be bound to ${listener.host}:${listener.port}: ${why}`, { cause })
    this.listener = listener
  }
}

/**
 * All listeners of one broker and their connections. Life: `bind` (ports are known, clients may connect and wait),
 * `startProcessing` (once the broker is registered), `stop`.
 */
export class RequestServer {
  private readonly options: RequestServerOptions
  private readonly logger: Logger
  private readonly requestMemory: ByteBudget
  /** Counts requests. */
  private readonly waitingRequests: ByteBudget
  private readonly listeners: Listener[] = []
  private bound: readonly BoundListener[] = []
  private readonly connections = new Map<Connection, ConnectionPlace>()
  private readonly countByIp = new Map<string, number>()
  private readonly countByListener = new Map<string, number>()
  private readonly admission: ConnectionRate
  private readonly admissionByListener: ReadonlyMap<string, ConnectionRate>
  private isProcessing = false
  private isStopping = false
  private idleTimer: Timer | null = null
  private onEmpty: (() => void) | null = null

  constructor(options: RequestServerOptions) {
    this.options = options
    this.logger = options.logger
    const { queuedRequestBytesMax, limits } = options
    this.requestMemory = new ByteBudget(
      queuedRequestBytesMax > 0 ? queuedRequestBytesMax : defaultQueuedRequestBytesMax,
    )
    this.waitingRequests = new ByteBudget(options.queuedRequestsMax)
    this.admission = new ConnectionRate(() => limits.connectionCreationRate)
    this.admissionByListener = new Map(
      options.listeners.map(({ name }) => [
        name,
        new ConnectionRate(() => limits.ofListener(name).connectionCreationRate),
      ]),
    )
  }

  get connectionCount(): number {
    return this.connections.size
  }

  /** Bytes of frames that wait or are worked on. */
  get queuedRequestBytes(): number {
    return this.requestMemory.usedBytes
  }

  /** Requests that wait to be started. */
  get queuedRequests(): number {
    return this.waitingRequests.usedBytes
  }

  /** Empty before `bind`. */
  get boundListeners(): readonly BoundListener[] {
    return this.bound
  }

  /** Opens every listener, in order. Throws BindFailed; then none stays open. */
  async bind(): Promise<BoundListener[]> {
    const bound: BoundListener[] = []
    for (const address of this.options.listeners) {
      try {
        const listener = await this.listen(address)
        this.listeners.push(listener)
        bound.push({ ...address, port: listener.port })
      } catch (error) {
        await this.closeListeners()
        throw new BindFailed(address, error)
      }
    }
    this.bound = bound
    this.watchIdleness()
    return bound
  }

  /** Reads what has arrived since `bind`, and all that comes. */
  startProcessing(): void {
    this.isProcessing = true
    for (const connection of this.connections.keys()) connection.startReading()
  }

  /**
   * Accepts and starts nothing more, lets what was started be answered, for at most `graceMs`; then every connection ends.
   */
  async stop(graceMs: number): Promise<void> {
    if (this.isStopping) return
    this.isStopping = true
    this.idleTimer?.cancel()
    await this.closeListeners()
    if (this.connections.size === 0) return
    await new Promise<void>(resolve => {
      const timer = this.options.world.timers.after(graceMs, () => this.destroyAll())
      this.onEmpty = () => {
        timer.cancel()
        resolve()
      }
      for (const connection of [...this.connections.keys()]) connection.drain()
    })
  }

  /** Ends everything at once: as a kill would. */
  async abandon(): Promise<void> {
    this.isStopping = true
    this.idleTimer?.cancel()
    this.destroyAll()
    await this.closeListeners()
  }

  private listen(address: ListenerAddress): Promise<Listener> {
    const { world, requestBytesMax, backlog, sendBufferBytes = -1, receiveBufferBytes = -1 } = this.options
    return world.transport.listen({
      host: address.host,
      port: address.port,
      maxFrameBytes: requestBytesMax,
      ...(backlog === undefined ? {} : { backlog }),
      ...(sendBufferBytes > 0 ? { sendBufferBytes } : {}),
      ...(receiveBufferBytes > 0 ? { receiveBufferBytes } : {}),
      accept: connection => this.accept(address.name, connection),
      onError: error => this.logger.warn('connection failed before it was accepted', { listener: address.name, error }),
    })
  }

  private accept(listener: string, transport: FrameConnection): FrameReceiver | null {
    const address = transport.remoteAddress
    const refusal = this.refusal(listener, address)
    if (refusal !== null) {
      this.logger.warn('connection refused', { listener, clientAddress: address, reason: refusal })
      return null
    }
    const { world, dispatcher, logger, queuedResponseBytesMax = defaultQueuedResponseBytesMax } = this.options
    const connection = new Connection({
      transport,
      listener,
      principal: 'User:ANONYMOUS',
      dispatcher,
      requestMemory: this.requestMemory,
      waitingRequests: this.waitingRequests,
      queuedResponseBytesMax,
      clock: world.clock,
      logger,
      onClosed: closed => this.forget(closed),
    })
    this.connections.set(connection, { listener, address })
    count(this.countByIp, address, 1)
    count(this.countByListener, listener, 1)
    const nowMs = world.clock.monotonicMs()
    const delayMs = Math.max(this.admission.admit(nowMs), this.admissionByListener.get(listener)?.admit(nowMs) ?? 0)
    if (!this.isProcessing) connection.holdReading()
    else if (delayMs > 0) {
      connection.holdReading()
      world.timers.after(delayMs, () => connection.startReading())
    }
    return connection
  }

  /** Why a connection from `address` may not be accepted; null: it may. */
  private refusal(listener: string, address: string): string | null {
    const { limits, interBrokerListener } = this.options
    if (this.isStopping) return 'the broker is stopping'
    const perIpMax = limits.connectionsPerIpOverrides.get(address) ?? limits.connectionsPerIpMax
    if ((this.countByIp.get(address) ?? 0) >= perIpMax) return `more than ${perIpMax} connections from this address`
    const ofListener = limits.ofListener(listener).connectionsMax
    if ((this.countByListener.get(listener) ?? 0) >= ofListener)
      return `more than ${ofListener} connections on ${listener}`
    if (this.connections.size < limits.connectionsMax) return null
    // Brokers must reach each other, whatever clients do: the idlest connection of another listener makes room.
    if (listener !== interBrokerListener || this.options.listeners.length === 1) {
      return `more than ${limits.connectionsMax} connections`
    }
    this.closeIdlestOutside(listener)
    return null
  }

  private closeIdlestOutside(listener: string): void {
    let idlest: Connection | null = null
    for (const [connection, place] of this.connections) {
      if (place.listener === listener) continue
      if (idlest === null || connection.lastActiveMs < idlest.lastActiveMs) idlest = connection
    }
    idlest?.destroy()
  }

  private forget(connection: Connection): void {
    const place = this.connections.get(connection)
    if (place === undefined) return
    this.connections.delete(connection)
    count(this.countByIp, place.address, -1)
    count(this.countByListener, place.listener, -1)
    if (this.connections.size === 0) this.onEmpty?.()
  }

  /** Looks ten times per idle time: a connection lives at most a tenth longer than it should. */
  private watchIdleness(): void {
    const { world, limits } = this.options
    if (limits.idleMaxMs < 0) return
    const intervalMs = Math.min(Math.max(limits.idleMaxMs / 10, 10), 30_000)
    this.idleTimer = world.timers.every(intervalMs, () => this.closeIdle(world.clock.monotonicMs()))
  }

  private closeIdle(nowMs: number): void {
    const { idleMaxMs } = this.options.limits
    for (const [connection, { listener, address }] of [...this.connections]) {
      if (!connection.isIdle || nowMs - connection.lastActiveMs < idleMaxMs) continue
      this.logger.debug('idle connection closed', { listener, clientAddress: address })
      connection.close()
    }
  }

  private destroyAll(): void {
    for (const connection of [...this.connections.keys()]) connection.destroy()
  }

  private async closeListeners(): Promise<void> {
    await Promise.all(this.listeners.splice(0).map(listener => listener.close()))
  }
}

function count(counts: Map<string, number>, key: string, change: 1 | -1): void {
  const next = (counts.get(key) ?? 0) + change
  if (next === 0) counts.delete(key)
  else counts.set(key, next)
}

interface ConnectionPlace {
  readonly listener: string
  readonly address: string
}

/** `max.connection.creation.rate`: connections beyond it are accepted and wait for their second before they are read from. */
class ConnectionRate {
  private readonly ratePerSecond: () => number
  /** Monotonic ms from which on the next connection is on time. */
  private nextMs = -Infinity

  constructor(ratePerSecond: () => number) {
    this.ratePerSecond = ratePerSecond
  }

  /** How long this connection has to wait. A second's worth may come at once. */
  admit(nowMs: number): number {
    const rate = this.ratePerSecond()
    // Kafka's default, int max, means no limit; nobody counts two billion per second.
    if (rate >= 0x7fffffff) return 0
    const spacingMs = 1000 / rate
    this.nextMs = Math.max(this.nextMs, nowMs - 1000) + spacingMs
    return Math.max(0, this.nextMs - nowMs)
  }
}

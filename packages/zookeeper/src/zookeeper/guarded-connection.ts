import ConnectionManager from 'node-zookeeper-client/lib/ConnectionManager.js'
import jute from 'node-zookeeper-client/lib/jute/index.js'
import type { Failure } from 'node-zookeeper-client/lib/ConnectionManager.js'
import type { Request } from 'node-zookeeper-client/lib/jute/index.js'
import type { Logger } from '@millrace/runtime/logger'
import type { Timer, World } from '@millrace/runtime/ports'
import { WatchType } from '../coordination.ts'
import type { Credential, WatchEvent } from '../coordination.ts'
import type { WatchKind } from '../watch-table.ts'
import { BulkRequest } from './bulk-calls.ts'
import type { Call } from './call.ts'
import type { ServerAddress } from './connect-string.ts'
import { FrameSplitter } from './frame-splitter.ts'
import { Liveness } from './liveness.ts'
import type { SessionKey } from './session-key.ts'

/** Calls come in this order: connected, then disconnected, and so on; after `onEnded` none. */
export interface ConnectionEvents {
  /** A server has confirmed the session: the first time a new one, then the same again. */
  onConnected(): void
  onDisconnected(): void
  /** Paths are the server's. */
  onWatchEvent(event: WatchEvent): void
  onEnded(end: SessionEnd): void
}

/** `expired`: a server said so. `lease-over`: no server was heard for the timeout. `auth-failed`: credentials were refused. */
export type SessionEnd = 'expired' | 'lease-over' | 'auth-failed'

export interface GuardedConnectionOptions {
  readonly world: Pick<World, 'clock' | 'timers' | 'random'>
  readonly logger: Logger
  readonly servers: readonly ServerAddress[]
  readonly sessionTimeoutMs: number
  /** A session to take over instead of beginning one. */
  readonly session: SessionKey | null
  readonly auth: readonly Credential[]
  /** Calls that may wait for their answers at once; more wait here, in order, and were never sent if the connection ends. */
  readonly inFlightMax: number
  /** What must be watched again on a new connection: paths of the server. */
  readonly watchedPaths: (kind: WatchKind) => readonly string[]
  readonly events: ConnectionEvents
}

/** Why a call has no answer: an error code of ZooKeeper, or what became of the connection. */
export type CallFailure = Failure
export type CallAnswer<T> = (failure: CallFailure | null, value: T | null) => void

const { STATES } = ConnectionManager
const { OP_CODES, protocol } = jute

/**
 * One session, over one connection after the other. The library's connection manager speaks the protocol; the guard
 * around it adds what keeps a broker safe (rows Z2 to Z16 of the fitness report that this package's README names):
 * dead servers are noticed, nothing queues while disconnected, every call is answered, an ended session stays ended,
 * and nothing that a server sends throws.
 */
export class GuardedConnection extends ConnectionManager {
  readonly #options: GuardedConnectionOptions
  readonly #liveness: Liveness
  #splitter = new FrameSplitter()
  #handshake: Timer | null = null
  #isEnded = false
  #isCorked = false
  #closed: (() => void) | null = null
  #inFlight = 0
  /** Beyond `inFlightMax`, as what to do with each: send it, or answer it with a failure. */
  #waiting: { readonly send: () => void; readonly fail: (failure: CallFailure) => void }[] = []
  #nextServer = 0
  /** Servers tried since the last one that confirmed the session. */
  #attempts = 0

  constructor(options: GuardedConnectionOptions) {
    const { servers, sessionTimeoutMs, session, auth, world } = options
    const key =
      session === null ? {} : { sessionId: idBytes(session.id), sessionPassword: Buffer.from(session.password) }
    // The library's parser knows neither IPv6 nor our Random: it gets a name to chew on, and the servers are set here.
    super('localhost', { sessionTimeout: sessionTimeoutMs, spinDelay: 0, ...key }, () => {})
    this.#options = options
    this.servers = shuffled(servers, world)
    this.connectTimeout = Math.floor(sessionTimeoutMs / servers.length)
    for (const { scheme, auth: secret } of auth)
      this.credentials.push({ scheme, auth: typeof secret === 'string' ? Buffer.from(secret) : Buffer.from(secret) })
    this.#liveness = new Liveness({
      world,
      timeoutMs: sessionTimeoutMs,
      ping: () => this.#send(new jute.Request(new protocol.RequestHeader(jute.XID_PING, OP_CODES.PING), null)),
      onSilent: () => {
        options.logger.warn('ZooKeeper server is silent, trying another', { sessionTimeoutMs: this.sessionTimeout })
        this.socket?.destroy()
      },
      onLeaseOver: () => this.#end('lease-over'),
    })
  }

  get isConnected(): boolean {
    return this.state === STATES.CONNECTED
  }

  get key(): SessionKey {
    return { id: this.sessionId.readBigInt64BE(0), password: Buffer.from(this.sessionPassword) }
  }

  /** Sends now or fails: nothing waits for a connection, or a deposed controller's writes would be sent after the fact. */
  call<T>(call: Call<T>, answer: CallAnswer<T>): void {
    if (!this.isConnected) return answer({ reason: this.#isEnded ? 'session-ended' : 'not-sent' }, null)
    // The event loop may have stood still for longer than the session lives: then no write may leave.
    if (this.#liveness.isOver) {
      this.#end('lease-over')
      return answer({ reason: 'session-ended' }, null)
    }
    const send = (): void => this.#sendCall(call, answer)
    if (this.#inFlight < this.#options.inFlightMax) return send()
    this.#waiting.push({ send, fail: failure => answer(failure, null) })
  }

  #sendCall<T>(call: Call<T>, answer: CallAnswer<T>): void {
    this.#inFlight += 1
    this.#send(call.request, (failure, payload) => {
      this.#inFlight -= 1
      if (failure !== null) answer(failure, null)
      else {
        try {
          answer(null, call.decode(payload))
        } catch (error) {
          this.#options.logger.error('ZooKeeper answer cannot be read', { error })
          answer({ reason: 'connection-lost' }, null)
          this.socket?.destroy()
        }
      }
      this.#sendWaiting(this.#options.inFlightMax)
    })
  }

  #sendWaiting(inFlightMax: number): void {
    while (this.isConnected && this.#inFlight < inFlightMax) {
      const next = this.#waiting.shift()
      if (next === undefined) return
      next.send()
    }
  }

  /** Ends the session at the server, or gives up after `deadlineMs`: it then ends by its timeout. No event follows. */
  async end(deadlineMs: number): Promise<void> {
    if (this.#isEnded || !this.isConnected) return this.abandon()
    const { promise, resolve } = Promise.withResolvers<void>()
    const deadline = this.#options.world.timers.after(deadlineMs, resolve)
    this.#closed = resolve
    // What was asked for before the end is to be answered before it.
    this.#sendWaiting(Infinity)
    super.close()
    await promise
    deadline.cancel()
    this.abandon()
  }

  /** Leaves the session to its timeout and the connection to its fate. Every call is answered. No event follows. */
  abandon(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#liveness.stop()
    this.#handshake?.cancel()
    if (this.connectTimeoutHandler !== null) clearTimeout(this.connectTimeoutHandler)
    this.state = STATES.CLOSED
    this.#failCalls('session-ended')
    this.socket?.destroy()
    this.#closed?.()
  }

  override connect(): void {
    if (!this.#isEnded) super.connect()
  }

  /** One round through the servers without waiting, then a pause, so that a lost ensemble is not hammered. */
  override findNextServer(callback: (server: ServerAddress) => void): void {
    const { timers, random } = this.#options.world
    const server = this.servers[this.#nextServer++ % this.servers.length]!
    const isRoundOver = this.#attempts > 0 && this.#attempts % this.servers.length === 0
    this.#attempts += 1
    const go = (): void => {
      if (!this.#isEnded) callback(server)
    }
    if (isRoundOver) timers.after(random.uint32() % Math.max(50, Math.min(1000, this.sessionTimeout / 8)), go)
    else timers.soon(go)
  }

  override onSocketConnected(): void {
    if (this.#isEnded) return
    const { socket } = this
    this.#splitter = new FrameSplitter()
    this.#isCorked = false
    this.xid = 1
    super.onSocketConnected()
    // Behind the credentials, ahead of every call: nothing else is in the queue, because nothing waits there while disconnected.
    for (const request of this.#setWatches()) super.queue(request)
    this.#handshake = this.#options.world.timers.after(this.connectTimeout, () => {
      if (this.state === STATES.CONNECTING && this.socket === socket) socket?.destroy()
    })
  }

  override onSocketData(bytes: Buffer): void {
    if (this.#isEnded) return
    if (this.#liveness.isOver && this.isConnected) return this.#end('lease-over')
    if (this.state !== STATES.CONNECTING) this.#liveness.heard()
    try {
      if (!this.#splitter.push(bytes, frame => this.#onFrame(frame))) throw new Error('impossible frame length')
    } catch (error) {
      this.#options.logger.error('ZooKeeper server sent what cannot be read, reconnecting', { error })
      this.socket?.destroy()
    }
  }

  override onSocketClosed(hasError: boolean): void {
    if (this.#isEnded) return
    this.#handshake?.cancel()
    this.#liveness.disconnected()
    if (this.state === STATES.CLOSING) {
      this.#failCalls('connection-lost')
      this.#closed?.()
      return
    }
    const wasConnected = this.isConnected
    this.setState(STATES.DISCONNECTED)
    this.#failCalls('connection-lost')
    if (wasConnected) this.#options.events.onDisconnected()
    super.onSocketClosed(hasError)
  }

  /** The library pings only when the socket is idle in both directions, so that a stream of watches would end the session. */
  override onSocketTimeout(): void {}

  override onPacketQueueReadable(): void {
    if (this.state !== STATES.CONNECTED && this.state !== STATES.CLOSING) return
    const { socket } = this
    if (socket === undefined || this.packetQueue.queue.length === 0) return
    // The server echoes the xid; it only has to be unique among the calls on their way.
    if (this.xid >= maxXid) this.xid = 1
    if (!this.#isCorked) {
      this.#isCorked = true
      socket.cork()
      this.#options.world.timers.soon(() => {
        this.#isCorked = false
        socket.uncork()
      })
    }
    this.#liveness.sent()
    super.onPacketQueueReadable()
  }

  #send(request: Request, answer?: (failure: CallFailure | null, payload: unknown) => void): void {
    super.queue(request, (error, response) => {
      if (error === null) answer?.(null, response?.payload)
      else answer?.(error, null)
    })
  }

  #onFrame(frame: Buffer): void {
    if (this.#isEnded) return
    if (this.state === STATES.CONNECTING) return this.#onConnectResponse(frame)
    const xid = frame.readInt32BE(4)
    const errorCode = frame.readInt32BE(16)
    if (xid === jute.XID_PING) return this.#liveness.pingAnswered()
    if (xid === jute.XID_NOTIFICATION) return this.#onNotification(frame)
    if (xid === jute.XID_AUTHENTICATION) {
      if (errorCode !== 0) this.#end('auth-failed')
      return
    }
    this.#onReply(frame, xid, errorCode)
  }

  #onReply(frame: Buffer, xid: number, code: number): void {
    const packet = this.pendingQueue[0]
    if (packet === undefined || packet.request.header?.xid !== xid)
      throw new Error(`answer to xid ${xid} is out of order`)
    const lastZxid = this.zxid
    if (code === 0 && packet.request instanceof BulkRequest) {
      this.pendingQueue.shift()
      this.zxid = Buffer.from(frame.subarray(8, 16))
      packet.callback?.(null, { payload: frame })
    } else if (code === 0) {
      try {
        super.onSocketData(frame)
      } catch (error) {
        // The library has taken the packet from its queue: nobody else will answer it.
        packet.callback?.({ reason: 'connection-lost' })
        throw error
      }
    } else {
      // The library throws at codes it does not know (-118 session moved, -125 quota, -127 throttled).
      this.pendingQueue.shift()
      this.zxid = Buffer.from(frame.subarray(8, 16))
      packet.callback?.({ code })
    }
    // What has been seen only grows: a server behind it must not be accepted.
    if (this.zxid[0]! >= 0x80 || this.zxid.compare(lastZxid) < 0) this.zxid = lastZxid
  }

  #onConnectResponse(frame: Buffer): void {
    super.onSocketData(frame)
    this.#handshake?.cancel()
    if (this.state === STATES.SESSION_EXPIRED) return this.#end('expired')
    this.#attempts = 0
    this.#liveness.connected(this.sessionTimeout)
    this.#options.events.onConnected()
  }

  #onNotification(frame: Buffer): void {
    const event = new protocol.WatcherEvent()
    event.deserialize(frame, 20)
    const type = watchTypes[event.type]
    if (type !== undefined) this.#options.events.onWatchEvent({ type, path: event.path })
  }

  /** In packets of 128 KiB: servers drop a connection that sends more than jute.maxbuffer at once. */
  #setWatches(): Request[] {
    const requests: Request[] = []
    let payload = new protocol.SetWatches()
    let size = 0
    const flush = (): void => {
      if (size === 0) return
      requests.push(new jute.Request(new protocol.RequestHeader(0, OP_CODES.SET_WATCHES), payload))
      size = 0
    }
    for (const [kind, field] of watchFields) {
      for (const path of this.#options.watchedPaths(kind)) {
        if (size === 0) {
          payload = new protocol.SetWatches()
          Object.assign(payload, { relativeZxid: this.zxid, dataWatches: [], existWatches: [], childWatches: [] })
        }
        payload[field].push(path)
        size += 4 + Buffer.byteLength(path)
        if (size > maxSetWatchesBytes) flush()
      }
    }
    flush()
    return requests
  }

  /** Sent calls may have been applied; calls in the queue have not left, those behind it even less. */
  #failCalls(reason: 'connection-lost' | 'session-ended'): void {
    const sent = this.pendingQueue.splice(0)
    const queued = this.packetQueue.queue.splice(0)
    const waiting = this.#waiting.splice(0)
    const notSent = reason === 'session-ended' ? reason : 'not-sent'
    for (const packet of sent) packet.callback?.({ reason })
    for (const packet of queued) packet.callback?.({ reason: notSent })
    for (const { fail } of waiting) fail({ reason: notSent })
  }

  #end(end: SessionEnd): void {
    if (this.#isEnded) return
    const wasConnected = this.isConnected
    this.abandon()
    if (wasConnected) this.#options.events.onDisconnected()
    this.#options.events.onEnded(end)
  }
}

const maxXid = 2 ** 31 - 2 ** 16
const maxSetWatchesBytes = 128 * 1024
const watchTypes: Readonly<Record<number, WatchType>> = {
  1: WatchType.created,
  2: WatchType.deleted,
  3: WatchType.dataChanged,
  4: WatchType.childrenChanged,
}
const watchFields = [
  ['data', 'dataWatches'],
  ['missing', 'existWatches'],
  ['children', 'childWatches'],
] as const

function idBytes(id: bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(id)
  return bytes
}

/** Fisher and Yates, so that the clients of an ensemble spread over it. */
function shuffled(servers: readonly ServerAddress[], { random }: Pick<World, 'random'>): ServerAddress[] {
  const result = [...servers]
  for (let last = result.length - 1; last > 0; last--) {
    const other = random.uint32() % (last + 1)
    const server = result[last]!
    result[last] = result[other]!
    result[other] = server
  }
  return result
}

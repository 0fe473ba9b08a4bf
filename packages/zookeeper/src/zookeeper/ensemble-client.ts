import type { Logger } from '@millrace/runtime/logger'
import type { World } from '@millrace/runtime/ports'
import { CoordinationError, CreateMode, isCoordinationError, openAcl } from '../coordination.ts'
import type {
  Acl,
  Coordination,
  CreateOptions,
  Credential,
  Operation,
  OperationResult,
  ReadZnode,
  Session,
  SessionEvent,
  Stat,
  Watcher,
  WatchEvent,
} from '../coordination.ts'
import { DeliveryQueue } from '../delivery-queue.ts'
import { ancestorsAndSelf, withChroot, withoutChroot } from '../path.ts'
import { checkRequests } from '../request-check.ts'
import { SessionListeners } from '../session-listeners.ts'
import type { SessionListener } from '../session-listeners.ts'
import { WatchKind, WatchTable } from '../watch-table.ts'
import type { ReadOutcome } from './bulk-calls.ts'
import type { Call } from './call.ts'
import { formatServers } from './connect-string.ts'
import type { ServerAddress } from './connect-string.ts'
import { coordinationErrorOf, errorOfCode, isNodeExists, isNoNode, isUnimplemented } from './failures.ts'
import type { CallFailure, GuardedConnection, SessionEnd } from './guarded-connection.ts'
import type { SessionKey } from './session-key.ts'

export interface EnsembleClientOptions {
  readonly servers: readonly ServerAddress[]
  readonly chroot: string
  readonly sessionTimeoutMs: number
  readonly connectionTimeoutMs: number
  readonly world: Pick<World, 'clock' | 'timers' | 'random'>
  readonly logger: Logger
  readonly auth: readonly Credential[]
  readonly requestsInFlightMax: number
  readonly previousSession: SessionKey | null
}

/** What needs node-zookeeper-client: loaded by the first `connect`, so that programs without an ensemble start without it. */
interface Library {
  readonly connections: typeof import('./guarded-connection.ts')
  readonly calls: typeof import('./calls.ts') & typeof import('./bulk-calls.ts')
}

/** Fewer are as well read one by one: then a server of before 3.6, which closes the connection at the first such request, hears none for now. */
const manyReads = 16

/** A `connect` that has not settled. */
interface Connecting {
  readonly promise: Promise<void>
  readonly settle: (error: Error | null) => void
}

/**
 * One session after the other:
 *
 *   new -> opening -> connected <-> suspended
 *             ^           |             |
 *             +------- expired <--------+          closed: from anywhere
 *
 * `opening` ends when a server has confirmed the session, accepted the credentials, and has the chroot.
 */
export class EnsembleClient implements Coordination {
  readonly #options: EnsembleClientOptions
  readonly #deliveries: DeliveryQueue
  readonly #listeners: SessionListeners
  readonly #watches = new WatchTable()
  #library: Library | null = null
  #connection: GuardedConnection | null = null
  #state: 'new' | 'opening' | 'connected' | 'suspended' | 'expired' | 'closed' = 'new'
  #session: Session | null = null
  #generation = 0
  /** Until a server of before 3.6 says otherwise. */
  #readsMany = true
  #connecting: Connecting | null = null
  #closing: Promise<void> | null = null

  constructor(options: EnsembleClientOptions) {
    this.#options = options
    this.#deliveries = new DeliveryQueue(options.world.timers)
    this.#listeners = new SessionListeners(options.logger)
  }

  get session(): Session | null {
    return this.#session
  }

  get isConnected(): boolean {
    return this.#state === 'connected'
  }

  onSessionEvent(listener: SessionListener): () => void {
    return this.#listeners.add(listener)
  }

  connect(): Promise<void> {
    if (this.#state === 'closed') return Promise.reject(new CoordinationError('CLOSED'))
    if (this.#connecting === null && this.#generation === 0) this.#connecting = this.#startConnecting()
    return this.#connecting?.promise ?? Promise.resolve()
  }

  create(path: string, data: Uint8Array | null, options: CreateOptions = {}): Promise<string> {
    const { mode = CreateMode.persistent, acl = openAcl } = options
    return this.#request(
      path,
      (calls, serverPath) => {
        checkRequests([{ path, data, mode, acl }])
        return calls.createCall(serverPath, data, mode, acl)
      },
      created => withoutChroot(this.#options.chroot, created),
    )
  }

  set(path: string, data: Uint8Array | null, version: number): Promise<Stat> {
    return this.#request(
      path,
      (calls, serverPath) => {
        checkRequests([{ path, data, version }])
        return calls.setCall(serverPath, data, version)
      },
      stat => stat,
    )
  }

  delete(path: string, version: number): Promise<void> {
    return this.#request(
      path,
      (calls, serverPath) => {
        checkRequests([{ path, version }])
        return calls.deleteCall(serverPath, version)
      },
      () => {},
    )
  }

  setAcl(path: string, acl: readonly Acl[], version: number): Promise<Stat> {
    return this.#request(
      path,
      (calls, serverPath) => {
        checkRequests([{ path, acl, version }])
        return calls.setAclCall(serverPath, acl, version)
      },
      stat => stat,
    )
  }

  multi(operations: readonly Operation[]): Promise<OperationResult[]> {
    const { chroot } = this.#options
    return this.#request(
      operations[0]?.path ?? '/',
      calls => {
        checkRequests(operations)
        return calls.multiCall(
          operations.map(operation => ({ ...operation, path: withChroot(chroot, operation.path) })),
        )
      },
      answer => {
        if ('failedIndex' in answer)
          throw errorOfCode(answer.code, operations[answer.failedIndex]!.path, answer.failedIndex)
        return answer.map(result => (result.path === undefined ? result : { path: withoutChroot(chroot, result.path) }))
      },
    )
  }

  get(path: string, watcher?: Watcher): Promise<{ readonly data: Buffer; readonly stat: Stat }> {
    return this.#request(
      path,
      (calls, serverPath) => {
        checkRequests([{ path }])
        return calls.getCall(serverPath, watcher !== undefined)
      },
      answer => {
        if (watcher !== undefined) this.#watches.add(WatchKind.data, path, watcher)
        return answer
      },
    )
  }

  async getMany(paths: readonly string[]): Promise<(ReadZnode | null)[]> {
    const outcomes = this.#readsMany && paths.length >= manyReads ? await this.#readMany(paths) : null
    if (outcomes === null) return await Promise.all(paths.map(path => this.#getIfThere(path)))
    return outcomes.map((outcome, index) => {
      if (!('code' in outcome)) return outcome
      if (isNoNode(outcome)) return null
      throw errorOfCode(outcome.code, paths[index]!)
    })
  }

  /** Null: the server cannot do that. */
  #readMany(paths: readonly string[]): Promise<ReadOutcome[] | null> {
    const { chroot } = this.#options
    return this.#request<ReadOutcome[], ReadOutcome[] | null>(
      paths[0]!,
      calls => {
        checkRequests(paths.map(path => ({ path })))
        return calls.getManyCall(paths.map(path => withChroot(chroot, path)))
      },
      outcomes => outcomes,
      failure => {
        if (!isUnimplemented(failure)) throw coordinationErrorOf(failure, paths[0]!, true)
        this.#readsMany = false
        return null
      },
    )
  }

  async #getIfThere(path: string): Promise<ReadZnode | null> {
    try {
      return await this.get(path)
    } catch (error) {
      if (isCoordinationError(error, 'NO_NODE')) return null
      throw error
    }
  }

  exists(path: string, watcher?: Watcher): Promise<Stat | null> {
    return this.#request<Stat, Stat | null>(
      path,
      (calls, serverPath) => {
        checkRequests([{ path }])
        return calls.existsCall(serverPath, watcher !== undefined)
      },
      stat => {
        if (watcher !== undefined) this.#watches.add(WatchKind.data, path, watcher)
        return stat
      },
      failure => {
        if (!isNoNode(failure)) throw coordinationErrorOf(failure, path, true)
        if (watcher !== undefined) this.#watches.add(WatchKind.missing, path, watcher)
        return null
      },
    )
  }

  children(path: string, watcher?: Watcher): Promise<string[]> {
    return this.#request(
      path,
      (calls, serverPath) => {
        checkRequests([{ path }])
        return calls.childrenCall(serverPath, watcher !== undefined)
      },
      names => {
        if (watcher !== undefined) this.#watches.add(WatchKind.children, path, watcher)
        return names
      },
    )
  }

  getAcl(path: string): Promise<{ readonly acl: readonly Acl[]; readonly stat: Stat }> {
    return this.#request(
      path,
      (calls, serverPath) => {
        checkRequests([{ path }])
        return calls.getAclCall(serverPath)
      },
      answer => answer,
    )
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const connection = this.#connection
    this.#state = 'closed'
    this.#session = null
    this.#watches.clear()
    this.#connecting?.settle(new CoordinationError('CLOSED'))
    await connection?.end(Math.min(closeDeadlineMs, this.#options.sessionTimeoutMs))
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#deliveries.answer(resolve)
    await promise
  }

  /**
   * Sends what `build` answers, and answers what `receive` (or, for a failure, `recover`) makes of the reply. Both run
   * when the reply arrives, before the next one is read, so that a watch is known before its event; the promise settles
   * in the order of the replies.
   */
  #request<T, R>(
    path: string,
    build: (calls: Library['calls'], serverPath: string) => Call<T>,
    receive: (value: T) => R,
    recover?: (failure: CallFailure) => R,
  ): Promise<R> {
    const { promise, resolve, reject } = Promise.withResolvers<R>()
    const answer = (make: () => R): void => {
      try {
        const value = make()
        this.#deliveries.answer(() => resolve(value))
      } catch (error) {
        this.#deliveries.answer(() => reject(error))
      }
    }
    try {
      const { connection, library } = this.#connected(path)
      const call = build(library.calls, withChroot(this.#options.chroot, path))
      connection.call(call, (failure, value) => {
        if (failure === null) answer(() => receive(value as T))
        else if (recover !== undefined) answer(() => recover(failure))
        else this.#deliveries.answer(() => reject(coordinationErrorOf(failure, path, call.isRead)))
      })
    } catch (error) {
      this.#deliveries.answer(() => reject(error))
    }
    return promise
  }

  #connected(path: string): { connection: GuardedConnection; library: Library } {
    if (this.#state === 'connected') return { connection: this.#connection!, library: this.#library! }
    if (this.#state === 'closed') throw new CoordinationError('CLOSED', path)
    const isBetweenSessions = this.#state === 'expired' || (this.#state === 'opening' && this.#generation > 0)
    throw new CoordinationError(isBetweenSessions ? 'SESSION_EXPIRED' : 'NOT_CONNECTED', path)
  }

  #startConnecting(): Connecting {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const { servers, connectionTimeoutMs, world } = this.#options
    const deadline = world.timers.after(connectionTimeoutMs, () => {
      this.#giveUpConnecting(
        new CoordinationError('NOT_CONNECTED', undefined, {
          message: `NOT_CONNECTED: no ZooKeeper session within ${connectionTimeoutMs} ms from ${formatServers(servers)}`,
        }),
      )
    })
    const settle = (error: Error | null): void => {
      deadline.cancel()
      this.#connecting = null
      this.#deliveries.answer(() => (error === null ? resolve() : reject(error)))
    }
    this.#state = 'opening'
    this.#load().then(
      () => this.#open(this.#options.previousSession),
      (error: unknown) => this.#giveUpConnecting(error as Error),
    )
    return { promise, settle }
  }

  async #load(): Promise<void> {
    if (this.#library !== null) return
    const [connections, calls, bulkCalls] = await Promise.all([
      import('./guarded-connection.ts'),
      import('./calls.ts'),
      import('./bulk-calls.ts'),
    ])
    this.#library = { connections, calls: { ...calls, ...bulkCalls } }
  }

  /** `connect` may be called again. */
  #giveUpConnecting(error: Error): void {
    const connecting = this.#connecting
    if (connecting === null) return
    this.#connection?.abandon()
    this.#connection = null
    this.#state = 'new'
    connecting.settle(error)
  }

  /** Begins a session, or takes over `session`. */
  #open(session: SessionKey | null): void {
    if (this.#state !== 'opening' || this.#library === null) return
    const { servers, sessionTimeoutMs, auth, requestsInFlightMax: inFlightMax, world, logger } = this.#options
    const connection = new this.#library.connections.GuardedConnection({
      ...{ servers, sessionTimeoutMs, auth, inFlightMax, session, world, logger },
      watchedPaths: kind => this.#watches.paths(kind).map(path => withChroot(this.#options.chroot, path)),
      events: {
        onConnected: () => this.#onConnected(connection),
        onDisconnected: () => this.#onDisconnected(),
        onWatchEvent: event => this.#onWatchEvent(event),
        onEnded: end => this.#onEnded(connection, end),
      },
    })
    this.#connection = connection
    connection.connect()
  }

  #onConnected(connection: GuardedConnection): void {
    if (this.#state === 'opening') {
      void this.#prepare(connection)
    } else if (this.#state === 'suspended') {
      this.#state = 'connected'
      this.#session = { ...this.#session!, timeoutMs: connection.sessionTimeout }
      this.#tell({ type: 'resumed', generation: this.#generation })
    }
  }

  /** Asks for the chroot even when there is none: an answer comes after the verdict on the credentials. */
  async #prepare(connection: GuardedConnection): Promise<void> {
    const { calls } = this.#library!
    const { chroot } = this.#options
    let failure = await failureOf(connection, calls.existsCall(withChroot(chroot, '/'), false))
    if (failure !== null && isNoNode(failure)) {
      failure = null
      for (const path of ancestorsAndSelf(chroot)) {
        failure = await failureOf(connection, calls.createCall(path, null, CreateMode.persistent, openAcl))
        if (failure !== null && !isNodeExists(failure)) break
        failure = null
      }
    }
    if (this.#state !== 'opening' || this.#connection !== connection) return
    if (failure === null) return this.#establish(connection)
    // Without a connection, the next one begins here again.
    if (!('code' in failure)) return
    const error = errorOfCode(failure.code, chroot)
    if (this.#connecting === null) this.#retryOpening(connection, error)
    else this.#giveUpConnecting(error)
  }

  #establish(connection: GuardedConnection): void {
    if (!connection.isConnected) return
    this.#generation += 1
    this.#session = { ...connection.key, timeoutMs: connection.sessionTimeout, generation: this.#generation }
    this.#state = 'connected'
    this.#tell({ type: 'established', generation: this.#generation })
    this.#connecting?.settle(null)
  }

  #onDisconnected(): void {
    if (this.#state !== 'connected') return
    this.#state = 'suspended'
    this.#tell({ type: 'suspended', generation: this.#generation })
  }

  #onEnded(connection: GuardedConnection, end: SessionEnd): void {
    if (this.#connection !== connection) return
    if (this.#state === 'opening') {
      if (end === 'expired') return this.#open(null)
      if (end === 'lease-over') return this.#bury(connection.key)
      const error = new CoordinationError('AUTH_FAILED')
      if (this.#connecting !== null) return this.#giveUpConnecting(error)
      return this.#retryOpening(connection, error)
    }
    if (this.#state !== 'suspended') return
    this.#state = 'expired'
    this.#session = null
    this.#watches.clear()
    const generation = this.#generation
    this.#deliveries.call(() => void this.#renew(generation, connection.key, end))
  }

  /** The next session waits until everybody has heard that this one is over. */
  async #renew(generation: number, key: SessionKey, end: SessionEnd): Promise<void> {
    this.#options.logger.warn('ZooKeeper session expired', { generation, end })
    await this.#listeners.tell({ type: 'expired', generation })
    if (this.#state !== 'expired') return
    this.#state = 'opening'
    if (end === 'expired') this.#open(null)
    else this.#bury(key)
  }

  /**
   * We took the session for gone before a server said so. An ensemble that had no leader for a while gives every session
   * its full time again: what we reported as expired would live on with its ephemeral znodes. So it is taken over once
   * more, only to be closed; or a server says that it is gone.
   */
  #bury(session: SessionKey): void {
    if (this.#state !== 'opening' || this.#library === null) return
    const { servers, sessionTimeoutMs, world, logger } = this.#options
    const next = (): void => {
      if (this.#connection === connection) this.#open(null)
    }
    const connection = new this.#library.connections.GuardedConnection({
      ...{ servers, sessionTimeoutMs, auth: [], inFlightMax: 1, session, world, logger, watchedPaths: () => [] },
      events: {
        onConnected: () => void connection.end(closeDeadlineMs).then(next),
        onDisconnected: () => {},
        onWatchEvent: () => {},
        onEnded: next,
      },
    })
    this.#connection = connection
    connection.connect()
  }

  #retryOpening(connection: GuardedConnection, error: CoordinationError): void {
    this.#options.logger.error('ZooKeeper session cannot be opened, trying again', { error })
    connection.abandon()
    this.#options.world.timers.after(retryOpeningMs, () => {
      if (this.#connection === connection) this.#open(null)
    })
  }

  #tell(event: SessionEvent): void {
    const { logger } = this.#options
    const fields = {
      generation: event.generation,
      sessionId: this.#session?.id.toString(16),
      timeoutMs: this.#session?.timeoutMs,
    }
    if (event.type === 'suspended') logger.warn('ZooKeeper connection lost', fields)
    else logger.info(`ZooKeeper session ${event.type}`, fields)
    this.#deliveries.call(() => void this.#listeners.tell(event))
  }

  #onWatchEvent(event: WatchEvent): void {
    const { chroot, logger } = this.#options
    const local = { type: event.type, path: withoutChroot(chroot, event.path) }
    for (const watcher of this.#watches.take(local)) {
      this.#deliveries.call(() => {
        try {
          watcher(local)
        } catch (error) {
          logger.error('watcher failed', { type: local.type, path: local.path, error })
        }
      })
    }
  }
}

/** Null when the call succeeded. */
function failureOf(connection: GuardedConnection, call: Call<unknown>): Promise<CallFailure | null> {
  return new Promise(resolve => connection.call(call, resolve))
}

const closeDeadlineMs = 2000
const retryOpeningMs = 1000

import type { Logger } from '@millrace/runtime/logger'
import type { Timer, Timers } from '@millrace/runtime/ports'
import { CoordinationError, isCoordinationError, openAcl, WatchType } from '../coordination.ts'
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
import { ancestorsAndSelf, validatePath, withChroot, withoutChroot } from '../path.ts'
import { checkRequests } from '../request-check.ts'
import { SessionListeners } from '../session-listeners.ts'
import type { SessionListener } from '../session-listeners.ts'
import { WatchKind, WatchTable } from '../watch-table.ts'
import { identitiesOf } from './access.ts'
import type { Identity } from './access.ts'
import type { Caller, DataTree, Request } from './data-tree.ts'
import type { TreeSession } from './sessions.ts'

/** What the tree tells a client whose session is attached. Paths are the server's. */
export interface AttachedClient {
  onEvent(event: WatchEvent): void
  /** The session is gone at the server. */
  onSessionEnded(): void
  /** The tree stopped serving; the session may or may not be there. */
  onServerLost(): void
}

/** The tree as its clients see it. */
export interface TreeServer {
  readonly tree: DataTree
  isOpen(): boolean
  /** Throws NOT_CONNECTED when the tree is closed. */
  openSession(client: AttachedClient, timeoutMs: number): TreeSession
  /** Throws the CoordinationError of the request that failed; nothing happened then. */
  submit(requests: readonly Request[], caller: Caller): readonly OperationResult[]
  detach(id: bigint): void
  attach(id: bigint, client: AttachedClient): boolean
  endSession(id: bigint): void
  forget(client: EmbeddedClient): void
}

export interface EmbeddedClientInternals {
  readonly server: TreeServer
  readonly timers: Timers
  readonly logger: Logger
  readonly sessionTimeoutMs: number
  readonly chroot: string
  readonly auth: readonly Credential[]
}

/**
 * A client of an embedded tree. Requests take effect in the call itself; their answers come later, in order. The methods
 * beyond `Coordination` are for tests: they do to a client what a network and a kernel do.
 */
export class EmbeddedClient implements Coordination {
  readonly #options: EmbeddedClientInternals
  readonly #identities: readonly Identity[] | null
  readonly #deliveries: DeliveryQueue
  readonly #listeners: SessionListeners
  readonly #watches = new WatchTable()
  readonly #attached: AttachedClient
  #state: 'new' | 'connected' | 'suspended' | 'expired' | 'closed' = 'new'
  #session: Session | null = null
  #generation = 0
  /** Runs while suspended: no word from the server for the timeout means that the session is gone. */
  #lease: Timer | null = null
  /** What had been seen when the connection was cut: later changes are told on the way back. */
  #lastSeenZxid = 0

  constructor(options: EmbeddedClientInternals) {
    this.#options = options
    this.#identities = identitiesOf(options.auth)
    this.#deliveries = new DeliveryQueue(options.timers)
    this.#listeners = new SessionListeners(options.logger)
    this.#attached = {
      onEvent: event => this.#onEvent(event),
      onSessionEnded: () => this.#onSessionEnded(),
      onServerLost: () => this.#suspend(),
    }
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
    return this.#answer(() => {
      if (this.#state === 'closed') throw new CoordinationError('CLOSED')
      if (this.#identities === null) throw new CoordinationError('AUTH_FAILED')
      if (this.#state === 'new') this.#establish()
    })
  }

  create(path: string, data: Uint8Array | null, options: CreateOptions = {}): Promise<string> {
    const { mode, acl } = options
    return this.#answer(() => this.#submit([{ op: 'create', path, data, mode, acl }])[0]!.path!)
  }

  set(path: string, data: Uint8Array | null, version: number): Promise<Stat> {
    return this.#answer(() => this.#submit([{ op: 'set', path, data, version }])[0]!.stat!)
  }

  delete(path: string, version: number): Promise<void> {
    return this.#answer(() => void this.#submit([{ op: 'delete', path, version }]))
  }

  setAcl(path: string, acl: readonly Acl[], version: number): Promise<Stat> {
    return this.#answer(() => this.#submit([{ op: 'set-acl', path, acl, version }])[0]!.stat!)
  }

  multi(operations: readonly Operation[]): Promise<OperationResult[]> {
    return this.#answer(() => this.#submit(operations, { isMulti: true }))
  }

  get(path: string, watcher?: Watcher): Promise<{ readonly data: Buffer; readonly stat: Stat }> {
    return this.#answer(() => {
      const answer = this.#read(path, (tree, serverPath, identities) => tree.get(serverPath, identities))
      if (watcher !== undefined) this.#watches.add(WatchKind.data, path, watcher)
      return answer
    })
  }

  getMany(paths: readonly string[]): Promise<(ReadZnode | null)[]> {
    return this.#answer(() => paths.map(path => this.#getIfThere(path)))
  }

  exists(path: string, watcher?: Watcher): Promise<Stat | null> {
    return this.#answer(() => {
      const stat = this.#read(path, (tree, serverPath, identities) => tree.exists(serverPath, identities))
      if (watcher !== undefined) this.#watches.add(stat === null ? WatchKind.missing : WatchKind.data, path, watcher)
      return stat
    })
  }

  children(path: string, watcher?: Watcher): Promise<string[]> {
    return this.#answer(() => {
      const names = this.#read(path, (tree, serverPath, identities) => tree.children(serverPath, identities))
      if (watcher !== undefined) this.#watches.add(WatchKind.children, path, watcher)
      return names
    })
  }

  getAcl(path: string): Promise<{ readonly acl: readonly Acl[]; readonly stat: Stat }> {
    return this.#answer(() => this.#read(path, (tree, serverPath, identities) => tree.getAcl(serverPath, identities)))
  }

  close(): Promise<void> {
    const id = this.#session?.id
    this.#leave()
    if (id !== undefined) this.#options.server.endSession(id)
    return this.#answer(() => {})
  }

  /** For tests: the process of this client dies. The session ends after its timeout, or now. */
  kill(options: { readonly expireNow?: boolean } = {}): void {
    const id = this.#session?.id
    this.#leave()
    if (id === undefined) return
    if (options.expireNow === true) this.#options.server.endSession(id)
    else this.#options.server.detach(id)
  }

  /** For tests: the server ends this session now, as after a long pause of the client. */
  expireSession(): void {
    if (this.#session !== null) this.#options.server.endSession(this.#session.id)
    if (this.#state === 'suspended') this.#expire()
  }

  /** For tests: the connection is cut and stays so, until `reconnect` or until the timeout passes. */
  disconnect(): void {
    if (this.#state !== 'connected' || this.#session === null) return
    this.#options.server.detach(this.#session.id)
    this.#suspend()
  }

  /** For tests: the way to the server is open again. */
  reconnect(): void {
    if (this.#state !== 'suspended' || this.#session === null) return
    if (!this.#options.server.attach(this.#session.id, this.#attached)) return this.#expire()
    this.#lease?.cancel()
    this.#state = 'connected'
    this.#tell({ type: 'resumed', generation: this.#generation })
    for (const event of this.#missedEvents()) this.#onEvent(event)
  }

  #establish(): void {
    const { server, sessionTimeoutMs, chroot } = this.#options
    const { id, password, timeoutMs } = server.openSession(this.#attached, sessionTimeoutMs)
    this.#generation += 1
    this.#session = { id, password, timeoutMs, generation: this.#generation }
    this.#state = 'connected'
    if (chroot !== '') this.#createChroot(chroot)
    this.#tell({ type: 'established', generation: this.#generation })
  }

  #createChroot(chroot: string): void {
    const { server } = this.#options
    for (const path of ancestorsAndSelf(chroot)) {
      if (server.tree.peek(path) !== null) continue
      server.submit([{ op: 'create', path, data: null, acl: openAcl }], this.#caller())
    }
  }

  #submit(requests: readonly Request[], options: { readonly isMulti?: boolean } = {}): OperationResult[] {
    this.#checkConnected(requests[0]?.path)
    const { server, chroot } = this.#options
    checkRequests(requests)
    try {
      const results = server.submit(
        requests.map(request => ({ ...request, path: withChroot(chroot, request.path) })),
        this.#caller(),
      )
      return results.map(result => (result.path === undefined ? result : { path: withoutChroot(chroot, result.path) }))
    } catch (error) {
      throw this.#translated(error, options.isMulti === true)
    }
  }

  #getIfThere(path: string): ReadZnode | null {
    try {
      return this.#read(path, (tree, serverPath, identities) => tree.get(serverPath, identities))
    } catch (error) {
      if (isCoordinationError(error, 'NO_NODE')) return null
      throw error
    }
  }

  #read<T>(path: string, read: (tree: DataTree, serverPath: string, identities: readonly Identity[]) => T): T {
    this.#checkConnected(path)
    validatePath(path)
    try {
      return read(this.#options.server.tree, withChroot(this.#options.chroot, path), this.#identities ?? [])
    } catch (error) {
      throw this.#translated(error, false)
    }
  }

  /** Errors name the path as the caller knows it, and an index only to those who sent several operations. */
  #translated(error: unknown, isMulti: boolean): unknown {
    if (!(error instanceof CoordinationError) || error.path === undefined) return error
    const failedIndex = isMulti ? error.failedIndex : undefined
    return new CoordinationError(error.code, withoutChroot(this.#options.chroot, error.path), {
      failedIndex,
      cause: error.cause,
    })
  }

  #caller(): Caller {
    return { sessionId: this.#session?.id ?? 0n, identities: this.#identities ?? [] }
  }

  #checkConnected(path: string | undefined): void {
    switch (this.#state) {
      case 'connected':
        return
      case 'new':
      case 'suspended':
        throw new CoordinationError('NOT_CONNECTED', path)
      case 'expired':
        throw new CoordinationError('SESSION_EXPIRED', path)
      case 'closed':
        throw new CoordinationError('CLOSED', path)
    }
  }

  /** Runs now and answers later, in the order of the calls. */
  #answer<T>(run: () => T): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    try {
      const value = run()
      this.#deliveries.answer(() => resolve(value))
    } catch (error) {
      this.#deliveries.answer(() => reject(error))
    }
    return promise
  }

  #tell(event: SessionEvent): void {
    this.#deliveries.call(() => void this.#listeners.tell(event))
  }

  #onEvent(event: WatchEvent): void {
    const { chroot, logger } = this.#options
    if (chroot !== '' && event.path !== chroot && !event.path.startsWith(`${chroot}/`)) return
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

  /** What changed at the watched paths while the connection was cut (DataTree.setWatches). */
  #missedEvents(): WatchEvent[] {
    const { server, chroot } = this.#options
    const events: WatchEvent[] = []
    const look = (kind: WatchKind, eventOf: (stat: Stat | null) => WatchType | null): void => {
      for (const path of this.#watches.paths(kind)) {
        const serverPath = withChroot(chroot, path)
        const type = eventOf(server.tree.peek(serverPath))
        if (type !== null) events.push({ type, path: serverPath })
      }
    }
    const since = this.#lastSeenZxid
    look(WatchKind.data, stat =>
      stat === null ? WatchType.deleted : stat.mzxid > since ? WatchType.dataChanged : null,
    )
    look(WatchKind.missing, stat => (stat === null ? null : WatchType.created))
    look(WatchKind.children, stat =>
      stat === null ? WatchType.deleted : stat.pzxid > since ? WatchType.childrenChanged : null,
    )
    return events
  }

  #suspend(): void {
    if (this.#state !== 'connected' || this.#session === null) return
    this.#state = 'suspended'
    this.#lastSeenZxid = this.#options.server.tree.lastZxid
    this.#tell({ type: 'suspended', generation: this.#generation })
    this.#lease = this.#options.timers.after(this.#session.timeoutMs, () => this.#expire())
  }

  /** A client hears of the end of its session by losing its connection, then when it comes back. */
  #onSessionEnded(): void {
    this.#suspend()
    this.#expire()
  }

  #expire(): void {
    if (this.#state !== 'suspended') return
    this.#lease?.cancel()
    this.#state = 'expired'
    this.#session = null
    this.#watches.clear()
    const generation = this.#generation
    this.#deliveries.call(() => void this.#renewAfter(this.#listeners.tell({ type: 'expired', generation })))
  }

  async #renewAfter(told: Promise<void>): Promise<void> {
    await told
    if (this.#state !== 'expired') return
    if (this.#options.server.isOpen()) this.#establish()
    else this.#options.logger.warn('embedded tree: no new session, the tree is closed')
  }

  #leave(): void {
    this.#lease?.cancel()
    this.#state = 'closed'
    this.#session = null
    this.#watches.clear()
    this.#options.server.forget(this)
  }
}

import type { Logger } from '@millrace/runtime/logger'
import type { World } from '@millrace/runtime/ports'
import { CoordinationError } from '../coordination.ts'
import type { Credential, OperationResult } from '../coordination.ts'
import { normalizeChroot } from '../path.ts'
import { DataTree } from './data-tree.ts'
import type { Applied, Caller, Request } from './data-tree.ts'
import { EmbeddedClient } from './embedded-client.ts'
import type { AttachedClient, TreeServer } from './embedded-client.ts'
import { Sessions } from './sessions.ts'
import type { TreeSession } from './sessions.ts'
import { TreeStore } from './tree-store.ts'

export interface EmbeddedTreeOptions {
  readonly world: Pick<World, 'clock' | 'timers' | 'random' | 'files'>
  readonly logger: Logger
  /** Where the tree is kept between runs; without it, it lives and dies with this object. */
  readonly folder?: string
  /** For tests: fold the log into a snapshot above this size. */
  readonly compactAboveBytes?: number
}

export interface EmbeddedClientOptions {
  readonly sessionTimeoutMs: number
  /** Created at `connect` when it is missing. */
  readonly chroot?: string
  readonly auth?: readonly Credential[]
}

/**
 * ZooKeeper in this process: one tree that any number of clients share, each with a session of its own. With a folder,
 * an acknowledged write survives the end of the process. Sessions do not: they lived in the process that ended.
 */
export class EmbeddedTree {
  readonly #options: EmbeddedTreeOptions
  readonly #tree: DataTree
  readonly #store: TreeStore | null
  readonly #sessions: Sessions
  readonly #clients = new Map<bigint, AttachedClient>()
  readonly #everyClient = new Set<EmbeddedClient>()
  #end: 'open' | 'closed' | 'failed' = 'open'

  /** Throws FileLocked when another process has the folder, TreeStoreDamaged, FileSystemError. */
  constructor(options: EmbeddedTreeOptions) {
    const { world, logger, folder } = options
    this.#options = options
    logger.info('embedded coordination: this tree serves one process on one machine only', {
      folder: folder ?? 'in memory',
    })
    const loaded =
      folder === undefined
        ? { store: null, tree: new DataTree() }
        : TreeStore.open({ files: world.files, logger, folder, compactAboveBytes: options.compactAboveBytes })
    this.#tree = loaded.tree
    this.#store = loaded.store
    this.#sessions = new Sessions({ world, onExpired: id => this.#dropSession(id) })
    for (const owner of this.#tree.ephemeralOwners()) this.#settle(this.#tree.endSession(owner, world.clock.wallMs()))
  }

  /** A client without a session: `connect` begins one. Throws BAD_ARGUMENTS for a bad chroot. */
  client(options: EmbeddedClientOptions): EmbeddedClient {
    const { world, logger } = this.#options
    const chroot = normalizeChroot(options.chroot)
    const auth = options.auth ?? []
    const client = new EmbeddedClient({
      ...{
        server: this.#server(),
        timers: world.timers,
        logger,
        sessionTimeoutMs: options.sessionTimeoutMs,
        chroot,
        auth,
      },
    })
    this.#everyClient.add(client)
    return client
  }

  /** Closes every client, then the folder. Idempotent. */
  async close(): Promise<void> {
    if (this.#end === 'closed') return
    await Promise.all([...this.#everyClient].map(client => client.close()))
    const hasFailed = this.#end === 'failed'
    this.#end = 'closed'
    this.#sessions.clear()
    if (hasFailed) this.#store?.abandon()
    else this.#store?.close(this.#tree)
  }

  /** For tests: stops as the end of the process would, without a word to anybody, and frees the folder. */
  kill(): void {
    if (this.#end === 'closed') return
    this.#end = 'closed'
    for (const client of this.#everyClient) client.kill()
    this.#sessions.clear()
    this.#store?.abandon()
  }

  /** What clients may ask. */
  #server(): TreeServer {
    return {
      tree: this.#tree,
      isOpen: () => this.#end === 'open',
      openSession: (client, timeoutMs) => this.#openSession(client, timeoutMs),
      submit: (requests, caller) => this.#submit(requests, caller),
      detach: id => {
        this.#clients.delete(id)
        this.#sessions.detach(id)
      },
      attach: (id, client) => {
        if (this.#end !== 'open' || !this.#sessions.attach(id)) return false
        this.#clients.set(id, client)
        return true
      },
      endSession: id => {
        if (this.#sessions.end(id)) this.#dropSession(id)
      },
      forget: client => void this.#everyClient.delete(client),
    }
  }

  #openSession(client: AttachedClient, timeoutMs: number): TreeSession {
    if (this.#end !== 'open')
      throw new CoordinationError('NOT_CONNECTED', undefined, { message: `the embedded tree is ${this.#end}` })
    const session = this.#sessions.open(timeoutMs)
    this.#tree.advance(this.#tree.lastZxid + 1)
    this.#clients.set(session.id, client)
    return session
  }

  #submit(requests: readonly Request[], caller: Caller): readonly OperationResult[] {
    const outcome = this.#tree.submit(requests, caller, this.#options.world.clock.wallMs())
    if (outcome.error !== null) throw outcome.error
    const failure = this.#settle(outcome)
    if (failure === null) return outcome.results
    throw new CoordinationError('UNKNOWN_OUTCOME', undefined, {
      message: 'UNKNOWN_OUTCOME: the embedded tree cannot write its folder',
      cause: failure.cause,
    })
  }

  #dropSession(id: bigint): void {
    const client = this.#clients.get(id)
    this.#clients.delete(id)
    if (this.#end === 'open') this.#settle(this.#tree.endSession(id, this.#options.world.clock.wallMs()))
    client?.onSessionEnded()
  }

  /** Log first, then tell: what a client hears of is in the file. Answers what kept it from that; the tree has stopped then. */
  #settle({ transaction, events }: Applied): { readonly cause: unknown } | null {
    if (transaction !== null) {
      try {
        this.#store?.append(transaction)
      } catch (cause) {
        this.#fail(cause)
        return { cause }
      }
    }
    for (const event of events) {
      for (const client of this.#clients.values()) client.onEvent(event)
    }
    if (transaction !== null) this.#compact()
    return null
  }

  #compact(): void {
    try {
      this.#store?.compactIfLong(this.#tree)
    } catch (error) {
      this.#fail(error)
    }
  }

  /** The tree in memory is ahead of its log: nobody may read it any more. The clients lose their server. */
  #fail(error: unknown): void {
    this.#end = 'failed'
    this.#options.logger.error('embedded tree: cannot write its folder, stopped', {
      folder: this.#options.folder,
      error,
    })
    for (const client of [...this.#clients.values()]) client.onServerLost()
  }
}

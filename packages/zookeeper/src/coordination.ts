/**
 * The coordination port: ZooKeeper as Millrace uses it. Two implementations pass one contract suite: `zookeeper/`
 * (an ensemble, through a guarded node-zookeeper-client) and `embedded/` (a tree in this process, for one machine).
 */

/** Shape of ZooKeeper's Stat. zxids are safe integers; the session id needs all 64 bits. */
export interface Stat {
  readonly czxid: number
  readonly mzxid: number
  readonly pzxid: number
  readonly createdMs: number
  readonly modifiedMs: number
  readonly version: number
  readonly childVersion: number
  readonly aclVersion: number
  /** Session id of the owner, 0n for a persistent znode. */
  readonly ephemeralOwner: bigint
  readonly dataLength: number
  readonly childCount: number
}

export const CreateMode = {
  persistent: 'persistent',
  ephemeral: 'ephemeral',
  persistentSequential: 'persistent-sequential',
  ephemeralSequential: 'ephemeral-sequential',
} as const
export type CreateMode = (typeof CreateMode)[keyof typeof CreateMode]

/** `permissions` is a bit set: read 1, write 2, create 4, delete 8, admin 16. */
export interface Acl {
  readonly scheme: string
  readonly id: string
  readonly permissions: number
}
export const openAcl: readonly Acl[] = [{ scheme: 'world', id: 'anyone', permissions: 31 }]

/** Proves who a client is: `{ scheme: 'digest', auth: 'user:password' }`. */
export interface Credential {
  readonly scheme: string
  readonly auth: string | Uint8Array
}

export interface CreateOptions {
  readonly mode?: CreateMode
  readonly acl?: readonly Acl[]
}

export type Operation =
  | {
      readonly op: 'create'
      readonly path: string
      readonly data: Uint8Array | null
      readonly mode?: CreateMode
      readonly acl?: readonly Acl[]
    }
  | { readonly op: 'set'; readonly path: string; readonly data: Uint8Array | null; readonly version: number }
  | { readonly op: 'delete'; readonly path: string; readonly version: number }
  | { readonly op: 'check'; readonly path: string; readonly version: number }

/** One result per operation: the created path (sequence number included), the stat after a set, or nothing. */
export interface OperationResult {
  readonly path?: string
  readonly stat?: Stat
}

export const WatchType = {
  created: 'created',
  deleted: 'deleted',
  dataChanged: 'data-changed',
  childrenChanged: 'children-changed',
} as const
export type WatchType = (typeof WatchType)[keyof typeof WatchType]
export interface WatchEvent {
  readonly type: WatchType
  readonly path: string
}
/** Called at most once per registration, before any read on this client shows the state after the change. Never called by the end of a session. */
export type Watcher = (event: WatchEvent) => void

export const AnyVersion = -1

export type CoordinationErrorCode =
  | 'NO_NODE'
  | 'NODE_EXISTS'
  | 'BAD_VERSION'
  | 'NOT_EMPTY'
  | 'NO_CHILDREN_FOR_EPHEMERALS'
  | 'NO_AUTH'
  | 'AUTH_FAILED'
  | 'INVALID_ACL'
  | 'BAD_ARGUMENTS'
  | 'RUNTIME_INCONSISTENCY'
  | 'OTHER'
  /** Nothing was applied: the operation never left this process, or it was a read whose answer was lost. Safe to ask again. */
  | 'NOT_CONNECTED'
  /** Sent, and the connection ended before the answer: it may have been applied. Read back before deciding. */
  | 'UNKNOWN_OUTCOME'
  /** The session is gone, and with it every ephemeral znode and watch. */
  | 'SESSION_EXPIRED'
  | 'CLOSED'

/** `failedIndex`: in a multi, the operation that failed; the others were not applied. */
export class CoordinationError extends Error {
  override readonly name = 'CoordinationError'
  readonly code: CoordinationErrorCode
  readonly path: string | undefined
  readonly failedIndex: number | undefined
  constructor(
    code: CoordinationErrorCode,
    path?: string,
    options: { failedIndex?: number; message?: string; cause?: unknown } = {},
  ) {
    super(options.message ?? `${code}${path === undefined ? '' : ` ${path}`}`, { cause: options.cause })
    this.code = code
    this.path = path
    this.failedIndex = options.failedIndex
  }
}
export const isCoordinationError = (error: unknown, ...codes: CoordinationErrorCode[]): error is CoordinationError =>
  error instanceof CoordinationError && (codes.length === 0 || codes.includes(error.code))

export type SessionEvent =
  /** A session is established, for the first time or after `expired`; `generation` grew by one. */
  | { readonly type: 'established'; readonly generation: number }
  /** The connection is gone; the session may still be alive at the server. */
  | { readonly type: 'suspended'; readonly generation: number }
  /** Connected again, and the same session is still alive. Watches fire for what was missed. */
  | { readonly type: 'resumed'; readonly generation: number }
  /**
   * The session is gone, or its timeout passed without a word from a server, so that it must be taken for gone.
   * Reported once per generation. Everything waiting fails with SESSION_EXPIRED. No further session is built until
   * every listener has returned (and the promise it may answer has settled): that is the moment to stop writing.
   */
  | { readonly type: 'expired'; readonly generation: number }

export interface ReadZnode {
  readonly data: Buffer
  readonly stat: Stat
}

export interface Session {
  readonly id: bigint
  readonly password: Uint8Array
  /** As negotiated with the server. */
  readonly timeoutMs: number
  /** 1 for the first session of this client, then one more after each expiry. Compare it after every await. */
  readonly generation: number
}

/**
 * Order, as ZooKeeper promises it: operations of one client take effect in the order of the calls, their answers come in
 * that order, and a watch is called before the answer to any read that would show what it tells.
 * Paths are absolute, without the chroot.
 */
export interface Coordination {
  /** Resolves when the first session is established. Rejects after `connectionTimeoutMs`, naming the servers. */
  connect(): Promise<void>
  /** The session of this moment; null before `connect` and between two sessions. */
  readonly session: Session | null
  /** True while connected with a live session: what one writes now has a chance. */
  readonly isConnected: boolean
  /** Calls come in order and one at a time. Answers a function that removes the listener. */
  onSessionEvent(listener: (event: SessionEvent) => void | Promise<void>): () => void
  /** Answers the path, with its number for sequential modes. */
  create(path: string, data: Uint8Array | null, options?: CreateOptions): Promise<string>
  get(path: string, watcher?: Watcher): Promise<ReadZnode>
  /** As `get` of each; null where there is no such znode. One exchange where the server can (ZooKeeper 3.6 and up), so not too many at a time. */
  getMany(paths: readonly string[]): Promise<(ReadZnode | null)[]>
  /** The stat, or null when there is no such znode; the watch is set in both cases. */
  exists(path: string, watcher?: Watcher): Promise<Stat | null>
  /** `version`: the exact version expected, 0 included; AnyVersion for any. */
  set(path: string, data: Uint8Array | null, version: number): Promise<Stat>
  delete(path: string, version: number): Promise<void>
  /** Names, not paths, sorted. */
  children(path: string, watcher?: Watcher): Promise<string[]>
  /** All or nothing. Rejects with the error of the operation that failed, and its index. */
  multi(operations: readonly Operation[]): Promise<OperationResult[]>
  getAcl(path: string): Promise<{ readonly acl: readonly Acl[]; readonly stat: Stat }>
  setAcl(path: string, acl: readonly Acl[], version: number): Promise<Stat>
  /** Ends the session at the server, so that its ephemeral znodes vanish at once. Never hangs. Idempotent. */
  close(): Promise<void>
}

import { assert } from '@millrace/runtime/invariant'
import { AnyVersion, CoordinationError, CreateMode, openAcl, WatchType } from '../coordination.ts'
import type { Acl, CoordinationErrorCode, Operation, OperationResult, Stat, WatchEvent } from '../coordination.ts'
import { nameOf, parentOf } from '../path.ts'
import { isEphemeral, isSequential } from '../request-check.ts'
import { isAllowed, Permission, storedAcl, withoutDigests } from './access.ts'
import type { Identity } from './access.ts'

/** What a transaction does to the tree, with every choice made: replaying it gives the same tree. */
export type Change =
  | {
      readonly kind: 'create'
      readonly path: string
      readonly data: Buffer
      readonly acl: readonly Acl[]
      readonly owner: bigint
    }
  | { readonly kind: 'set'; readonly path: string; readonly data: Buffer }
  | { readonly kind: 'delete'; readonly path: string }
  | { readonly kind: 'set-acl'; readonly path: string; readonly acl: readonly Acl[] }

export interface Transaction {
  readonly zxid: number
  readonly timeMs: number
  readonly changes: readonly Change[]
}

/** `sessionId` owns the ephemeral znodes that the request makes; `identities` are checked against ACLs. */
export interface Caller {
  readonly sessionId: bigint
  readonly identities: readonly Identity[]
}

export type Request =
  Operation | { readonly op: 'set-acl'; readonly path: string; readonly acl: readonly Acl[]; readonly version: number }

/** Either all of it happened or none: then `error` says why, and there is nothing to log and nobody to tell. */
export type Outcome = Applied | { readonly error: CoordinationError }

export interface Applied {
  readonly error: null
  /** Null when nothing changed: a transaction of checks. */
  readonly transaction: Transaction | null
  readonly results: readonly OperationResult[]
  readonly events: readonly WatchEvent[]
}

/** One znode at rest, as snapshots keep it. `createCount` counts children ever created: it numbers sequential names. */
export interface ZnodeState {
  readonly path: string
  data: Buffer
  acl: readonly Acl[]
  readonly owner: bigint
  readonly czxid: number
  mzxid: number
  pzxid: number
  readonly createdMs: number
  modifiedMs: number
  version: number
  createCount: number
  aclVersion: number
}

interface Znode extends ZnodeState {
  readonly children: Set<string>
}

/**
 * ZooKeeper's tree, without clock, disk or network: applies a request at a zxid and a time, answers it, and says which
 * watches it touches. Rules of the order of checks and of versions are those of PrepRequestProcessor and DataTree (3.8).
 */
export class DataTree {
  readonly #znodes = new Map<string, Znode>()
  readonly #ephemerals = new Map<bigint, Set<string>>()
  #lastZxid = 0

  constructor() {
    for (const path of reservedPaths) this.restore({ ...emptyZnode, path })
  }

  get lastZxid(): number {
    return this.#lastZxid
  }

  get size(): number {
    return this.#znodes.size
  }

  /** Uses up a zxid, as the begin and the end of a session do. */
  advance(zxid: number): void {
    assert(zxid >= this.#lastZxid, 'zxids only grow')
    this.#lastZxid = zxid
  }

  /** Applies all requests at the next zxid, or none of them. */
  submit(requests: readonly Request[], caller: Caller, timeMs: number): Outcome {
    const zxid = this.#lastZxid + 1
    const changes: Change[] = []
    const results: OperationResult[] = []
    const events: WatchEvent[] = []
    const undo: (() => void)[] = []
    for (const [index, request] of requests.entries()) {
      const plan = this.#plan(request, caller)
      if (typeof plan === 'string') {
        for (const step of undo.toReversed()) step()
        return { error: new CoordinationError(plan, request.path, { failedIndex: index }) }
      }
      if (plan !== null) {
        undo.push(this.#apply(plan, zxid, timeMs, events))
        changes.push(plan)
      }
      results.push(this.#resultOf(request, plan))
    }
    if (changes.length === 0) return { error: null, transaction: null, results, events }
    this.#lastZxid = zxid
    return { error: null, transaction: { zxid, timeMs, changes }, results, events }
  }

  /** Deletes what the session owns, all at one zxid. */
  endSession(sessionId: bigint, timeMs: number): Applied {
    const paths = [...(this.#ephemerals.get(sessionId) ?? [])].sort()
    const zxid = this.#lastZxid + 1
    const events: WatchEvent[] = []
    const changes = paths.map((path): Change => ({ kind: 'delete', path }))
    for (const change of changes) this.#apply(change, zxid, timeMs, events)
    this.#lastZxid = zxid
    const transaction = changes.length === 0 ? null : { zxid, timeMs, changes }
    return { error: null, transaction, results: [], events }
  }

  /** Does again what the log says was done. */
  replay({ zxid, timeMs, changes }: Transaction): void {
    assert(zxid > this.#lastZxid, 'a log is replayed in the order of its zxids')
    const events: WatchEvent[] = []
    for (const change of changes) this.#apply(change, zxid, timeMs, events)
    this.#lastZxid = zxid
  }

  get(path: string, identities: readonly Identity[]): { data: Buffer; stat: Stat } {
    const znode = this.#readable(path, identities, Permission.read)
    return { data: Buffer.from(znode.data), stat: statOf(znode) }
  }

  /** Asks for permission to read what is there, as ZooKeeper 3.8.4 does (ZOOKEEPER-2590). */
  exists(path: string, identities: readonly Identity[]): Stat | null {
    return this.#znodes.has(path) ? statOf(this.#readable(path, identities, Permission.read)) : null
  }

  /** For the tree's own eyes: whatever the ACL says. */
  peek(path: string): Stat | null {
    const znode = this.#znodes.get(path)
    return znode === undefined ? null : statOf(znode)
  }

  children(path: string, identities: readonly Identity[]): string[] {
    return [...this.#readable(path, identities, Permission.read).children].sort()
  }

  getAcl(path: string, identities: readonly Identity[]): { acl: readonly Acl[]; stat: Stat } {
    const znode = this.#readable(path, identities, Permission.read | Permission.admin)
    const isAdmin = isAllowed(znode.acl, Permission.admin, identities)
    return { acl: isAdmin ? znode.acl : withoutDigests(znode.acl), stat: statOf(znode) }
  }

  /** The sessions that own something. */
  ephemeralOwners(): bigint[] {
    return [...this.#ephemerals.keys()]
  }

  /** Every znode, parents before children: enough to `restore` the tree elsewhere. */
  *states(): Generator<ZnodeState> {
    for (const path of [...this.#znodes.keys()].sort()) yield this.#znodes.get(path)!
  }

  /** Puts a znode as it was; its parent must be there. */
  restore(state: ZnodeState): void {
    const known = this.#znodes.get(state.path)
    this.#znodes.set(state.path, { ...state, children: known?.children ?? new Set() })
    if (state.path === '/') return
    const parent = this.#znodes.get(parentOf(state.path))
    assert(parent !== undefined, 'a snapshot lists parents before children')
    parent.children.add(nameOf(state.path))
    if (state.owner !== 0n) this.#own(state.owner, state.path)
  }

  /** The change that `request` asks for, null when it only checks, or why it is refused. */
  #plan(request: Request, caller: Caller): Change | null | CoordinationErrorCode {
    switch (request.op) {
      case 'create':
        return this.#planCreate(request, caller)
      case 'delete':
        return this.#planDelete(request.path, request.version, caller)
      case 'set': {
        const refusal = this.#refusal(request.path, request.version, Permission.write, caller)
        return refusal ?? { kind: 'set', path: request.path, data: copyOf(request.data) }
      }
      case 'set-acl':
        return this.#planSetAcl(request.path, request.acl, request.version, caller)
      case 'check':
        return this.#refusal(request.path, request.version, Permission.read, caller)
    }
  }

  #planCreate(request: Extract<Operation, { op: 'create' }>, caller: Caller): Change | CoordinationErrorCode {
    const mode = request.mode ?? CreateMode.persistent
    const acl = storedAcl(request.acl ?? openAcl, caller.identities)
    if (acl === null) return 'INVALID_ACL'
    if (request.path === '/') return 'NODE_EXISTS'
    const parent = this.#znodes.get(parentOf(request.path))
    if (parent === undefined) return 'NO_NODE'
    if (!isAllowed(parent.acl, Permission.create, caller.identities)) return 'NO_AUTH'
    const path = isSequential(mode) ? request.path + sequenceNumber(parent.createCount) : request.path
    if (this.#znodes.has(path)) return 'NODE_EXISTS'
    if (parent.owner !== 0n) return 'NO_CHILDREN_FOR_EPHEMERALS'
    return { kind: 'create', path, data: copyOf(request.data), acl, owner: isEphemeral(mode) ? caller.sessionId : 0n }
  }

  #planDelete(path: string, version: number, caller: Caller): Change | CoordinationErrorCode {
    if (reservedPaths.includes(path)) return 'BAD_ARGUMENTS'
    const parent = this.#znodes.get(parentOf(path))
    const znode = this.#znodes.get(path)
    if (parent === undefined || znode === undefined) return 'NO_NODE'
    if (!isAllowed(parent.acl, Permission.delete, caller.identities)) return 'NO_AUTH'
    if (version !== AnyVersion && version !== znode.version) return 'BAD_VERSION'
    if (znode.children.size > 0) return 'NOT_EMPTY'
    return { kind: 'delete', path }
  }

  #planSetAcl(path: string, acl: readonly Acl[], version: number, caller: Caller): Change | CoordinationErrorCode {
    const stored = storedAcl(acl, caller.identities)
    if (stored === null) return 'INVALID_ACL'
    const znode = this.#znodes.get(path)
    if (znode === undefined) return 'NO_NODE'
    if (!isAllowed(znode.acl, Permission.admin, caller.identities)) return 'NO_AUTH'
    if (version !== AnyVersion && version !== znode.aclVersion) return 'BAD_VERSION'
    return { kind: 'set-acl', path, acl: stored }
  }

  #refusal(path: string, version: number, permission: number, caller: Caller): CoordinationErrorCode | null {
    const znode = this.#znodes.get(path)
    if (znode === undefined) return 'NO_NODE'
    if (!isAllowed(znode.acl, permission, caller.identities)) return 'NO_AUTH'
    if (version !== AnyVersion && version !== znode.version) return 'BAD_VERSION'
    return null
  }

  #resultOf(request: Request, change: Change | null): OperationResult {
    if (request.op === 'create') return { path: change!.path }
    if (request.op === 'set' || request.op === 'set-acl') return { stat: statOf(this.#znodes.get(request.path)!) }
    return {}
  }

  /** Answers how to take it back. Events come in ZooKeeper's order: the znode's own before its parent's. */
  #apply(change: Change, zxid: number, timeMs: number, events: WatchEvent[]): () => void {
    const { path } = change
    switch (change.kind) {
      case 'create':
        events.push({ type: WatchType.created, path }, { type: WatchType.childrenChanged, path: parentOf(path) })
        return this.#create(change, zxid, timeMs)
      case 'delete':
        events.push({ type: WatchType.deleted, path }, { type: WatchType.childrenChanged, path: parentOf(path) })
        return this.#delete(path, zxid)
      case 'set': {
        events.push({ type: WatchType.dataChanged, path })
        const znode = this.#existing(path)
        const before = { ...znode }
        znode.data = change.data
        znode.mzxid = zxid
        znode.modifiedMs = timeMs
        znode.version = nextVersion(znode.version)
        return () => Object.assign(znode, before)
      }
      case 'set-acl': {
        const znode = this.#existing(path)
        const before = { ...znode }
        znode.acl = change.acl
        znode.aclVersion = nextVersion(znode.aclVersion)
        return () => Object.assign(znode, before)
      }
    }
  }

  #create(change: Extract<Change, { kind: 'create' }>, zxid: number, timeMs: number): () => void {
    const { path, data, acl, owner } = change
    const parent = this.#existing(parentOf(path))
    const before = { createCount: parent.createCount, pzxid: parent.pzxid }
    this.#znodes.set(path, {
      ...{ path, data, acl, owner, czxid: zxid, mzxid: zxid, pzxid: zxid, createdMs: timeMs, modifiedMs: timeMs },
      ...{ version: 0, createCount: 0, aclVersion: 0, children: new Set() },
    })
    parent.children.add(nameOf(path))
    parent.createCount += 1
    parent.pzxid = zxid
    if (owner !== 0n) this.#own(owner, path)
    return () => {
      this.#znodes.delete(path)
      parent.children.delete(nameOf(path))
      Object.assign(parent, before)
      if (owner !== 0n) this.#disown(owner, path)
    }
  }

  #delete(path: string, zxid: number): () => void {
    const znode = this.#existing(path)
    assert(znode.children.size === 0, 'only a znode without children is deleted')
    const parent = this.#existing(parentOf(path))
    const { pzxid } = parent
    this.#znodes.delete(path)
    parent.children.delete(nameOf(path))
    parent.pzxid = zxid
    if (znode.owner !== 0n) this.#disown(znode.owner, path)
    return () => {
      this.#znodes.set(path, znode)
      parent.children.add(nameOf(path))
      parent.pzxid = pzxid
      if (znode.owner !== 0n) this.#own(znode.owner, path)
    }
  }

  #readable(path: string, identities: readonly Identity[], permissions: number): Znode {
    const znode = this.#znodes.get(path)
    if (znode === undefined) throw new CoordinationError('NO_NODE', path)
    if (!isAllowed(znode.acl, permissions, identities)) throw new CoordinationError('NO_AUTH', path)
    return znode
  }

  #existing(path: string): Znode {
    const znode = this.#znodes.get(path)
    assert(znode !== undefined, 'a change names a znode that its plan has seen')
    return znode
  }

  #own(owner: bigint, path: string): void {
    const paths = this.#ephemerals.get(owner)
    if (paths === undefined) this.#ephemerals.set(owner, new Set([path]))
    else paths.add(path)
  }

  #disown(owner: bigint, path: string): void {
    const paths = this.#ephemerals.get(owner)
    assert(paths !== undefined && paths.delete(path), 'an ephemeral znode stands in the list of its owner')
    if (paths.size === 0) this.#ephemerals.delete(owner)
  }
}

/** Always there; ZooKeeper refuses to delete them. */
const reservedPaths: readonly string[] = ['/', '/zookeeper', '/zookeeper/config', '/zookeeper/quota']

const emptyZnode = {
  ...{ data: Buffer.alloc(0), acl: openAcl, owner: 0n, czxid: 0, mzxid: 0, pzxid: 0, createdMs: 0, modifiedMs: 0 },
  ...{ version: 0, createCount: 0, aclVersion: 0 },
}

function statOf(znode: Znode): Stat {
  return {
    czxid: znode.czxid,
    mzxid: znode.mzxid,
    pzxid: znode.pzxid,
    createdMs: znode.createdMs,
    modifiedMs: znode.modifiedMs,
    version: znode.version,
    // The tree counts creations; clients see creations and deletions (DataNode.copyStat).
    childVersion: znode.createCount * 2 - znode.children.size,
    aclVersion: znode.aclVersion,
    ephemeralOwner: znode.owner,
    dataLength: znode.data.length,
    childCount: znode.children.size,
  }
}

/** Versions are 32 bits wide and leave out -1, which means "any". */
function nextVersion(version: number): number {
  const next = (version + 1) | 0
  return next === AnyVersion ? 0 : next
}

function sequenceNumber(createCount: number): string {
  return String(createCount).padStart(10, '0')
}

function copyOf(data: Uint8Array | null): Buffer {
  return data === null ? Buffer.alloc(0) : Buffer.from(data)
}

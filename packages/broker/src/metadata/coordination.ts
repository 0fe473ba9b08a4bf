import {
  CoordinationError,
  isCoordinationError,
  type Acl,
  type Coordination,
  type CreateMode,
  type Operation,
  type OperationResult,
  type Stat,
  type Watcher,
} from '@millrace/zookeeper/coordination'
import { controllerEpochZnode } from './znodes.ts'

/** The epoch under which a controller was elected, and the version that `/controller_epoch` got by that election. */
export interface ControllerFence {
  readonly epoch: number
  readonly epochVersion: number
}

/** Somebody else has become controller: nothing was written, and this one must stop. */
export class ControllerMoved extends Error {
  override readonly name = 'ControllerMoved'
  /** The epoch that is over; null where no controller's epoch was at stake (`/controller` was gone or changed). */
  readonly epoch: number | null
  constructor(epoch: number | null, options?: ErrorOptions) {
    super(epoch === null ? 'the controller has moved' : `controller epoch ${epoch} is over`, options)
    this.epoch = epoch
  }
}

/** What went wrong between this process and ZooKeeper, for those who only pass it on; null for every other error. */
export const coordinationFailure = (error: unknown): string | null =>
  isCoordinationError(error) ? error.message : null

/**
 * Every write of a controller: the operations take effect only while `fence` is the epoch in force, all or none.
 * Answers their results. Throws ControllerMoved, or the error of the operation that failed, whose `failedIndex` counts
 * as in `operations`.
 */
export async function fencedMulti(
  coordination: Coordination,
  fence: ControllerFence,
  operations: readonly Operation[],
): Promise<OperationResult[]> {
  const check: Operation = { op: 'check', path: controllerEpochZnode.path(), version: fence.epochVersion }
  return guardedMulti(coordination, check, operations, cause => new ControllerMoved(fence.epoch, { cause }))
}

/** `operations` behind a check that comes first; when that one fails, `refused` says what to throw. */
export async function guardedMulti(
  coordination: Coordination,
  check: Operation,
  operations: readonly Operation[],
  refused: (cause: Error) => Error,
): Promise<OperationResult[]> {
  try {
    return (await coordination.multi([check, ...operations])).slice(1)
  } catch (error) {
    if (!isCoordinationError(error) || error.failedIndex === undefined) throw error
    if (error.failedIndex === 0 && isCoordinationError(error, 'BAD_VERSION', 'NO_NODE')) throw refused(error)
    throw new CoordinationError(error.code, error.path, {
      failedIndex: error.failedIndex - 1,
      message: error.message,
      cause: error,
    })
  }
}

export interface Versioned<Value> {
  readonly value: Value
  readonly stat: Stat
}

/** Reads and decodes; null when there is no such znode (`watcher` is set only where there is one). */
export async function read<Value>(
  coordination: Coordination,
  znode: { decode(data: Uint8Array, path: string): Value },
  path: string,
  watcher?: Watcher,
): Promise<Versioned<Value> | null> {
  try {
    const { data, stat } = await coordination.get(path, watcher)
    return { value: znode.decode(data, path), stat }
  } catch (error) {
    if (isCoordinationError(error, 'NO_NODE')) return null
    throw error
  }
}

/** Like `read`, and when there is no such znode the watch waits for it. */
export async function readAndWatch<Value>(
  coordination: Coordination,
  znode: { decode(data: Uint8Array, path: string): Value },
  path: string,
  watcher: Watcher,
): Promise<Versioned<Value> | null> {
  // The znode may come or go between the two calls; then the first of them holds the watch that reports it.
  if ((await coordination.exists(path, watcher)) === null) return null
  return read(coordination, znode, path)
}

/** Names of the children; empty when there is no such znode. */
export async function childrenOf(coordination: Coordination, path: string, watcher?: Watcher): Promise<string[]> {
  try {
    return await coordination.children(path, watcher)
  } catch (error) {
    if (isCoordinationError(error, 'NO_NODE')) return []
    throw error
  }
}

/** Makes the persistent znode and its missing parents (without data). True when it is new, false when it was there. */
export async function ensurePath(
  coordination: Coordination,
  path: string,
  data: Uint8Array | null = null,
  acl?: readonly Acl[],
): Promise<boolean> {
  try {
    await createRecursive(coordination, path, data, acl === undefined ? {} : { acl })
    return true
  } catch (error) {
    if (isCoordinationError(error, 'NODE_EXISTS')) return false
    throw error
  }
}

/** Makes missing parents too, which are persistent and have no data. Throws NODE_EXISTS for the znode itself only. */
export async function createRecursive(
  coordination: Coordination,
  path: string,
  data: Uint8Array | null,
  options: { readonly mode?: CreateMode; readonly acl?: readonly Acl[] } = {},
): Promise<string> {
  try {
    return await coordination.create(path, data, options)
  } catch (error) {
    if (!isCoordinationError(error, 'NO_NODE')) throw error
    const parent = path.slice(0, path.lastIndexOf('/'))
    if (parent === '') throw error
    await ensurePath(coordination, parent, null, options.acl)
    return await coordination.create(path, data, options)
  }
}

/**
 * Compare and set: reads, asks `change` for the new value, writes it if nobody wrote in between, else begins again.
 * Answers what is stored now. `change` answers undefined to leave it as it is; `current` is null for a znode without data.
 */
export async function update<Value>(
  coordination: Coordination,
  znode: { encode(value: Value): Buffer; decode(data: Uint8Array, path: string): Value },
  path: string,
  change: (current: Value | null) => Value | undefined,
): Promise<Versioned<Value | null>> {
  for (;;) {
    const { data, stat } = await coordination.get(path)
    const current = data.length === 0 ? null : znode.decode(data, path)
    const next = change(current)
    if (next === undefined) return { value: current, stat }
    const encoded = znode.encode(next)
    try {
      return { value: next, stat: await coordination.set(path, encoded, stat.version) }
    } catch (error) {
      // Lost a race, or the answer to our own write: what is there now tells which.
      if (!isCoordinationError(error, 'BAD_VERSION', 'UNKNOWN_OUTCOME')) throw error
      const now = await coordination.get(path)
      if (now.stat.version === stat.version + 1 && now.data.equals(encoded)) return { value: next, stat: now.stat }
    }
  }
}

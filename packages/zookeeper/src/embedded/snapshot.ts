import { assert } from '@millrace/runtime/invariant'
import type { Acl } from '../coordination.ts'
import { DataTree } from './data-tree.ts'
import type { Change, Transaction, ZnodeState } from './data-tree.ts'
import { encodeRecord } from './record-file.ts'

/** What JSON cannot hold is text: data in base64, session ids in decimal. */
type StoredChange =
  | {
      readonly kind: 'create'
      readonly path: string
      readonly data: string
      readonly acl: readonly Acl[]
      readonly owner: string
    }
  | { readonly kind: 'set'; readonly path: string; readonly data: string }
  | { readonly kind: 'delete'; readonly path: string }
  | { readonly kind: 'set-acl'; readonly path: string; readonly acl: readonly Acl[] }

interface StoredTransaction {
  readonly zxid: number
  readonly timeMs: number
  readonly changes: readonly StoredChange[]
}

type StoredZnode = Omit<ZnodeState, 'data' | 'owner'> & { readonly data: string; readonly owner: string }

/** The first record of a snapshot; `znodeCount` records follow. */
interface SnapshotHeader {
  readonly format: 'millrace-tree-1'
  readonly lastZxid: number
  readonly znodeCount: number
}

export function encodeTransaction({ zxid, timeMs, changes }: Transaction): StoredTransaction {
  return { zxid, timeMs, changes: changes.map(storedChange) }
}

/** `value` passed its checksum, so that it is what `encodeTransaction` once answered. */
export function decodeTransaction(value: unknown): Transaction {
  const { zxid, timeMs, changes } = value as StoredTransaction
  return { zxid, timeMs, changes: changes.map(loadedChange) }
}

export function encodeSnapshot(tree: DataTree): Buffer {
  const header: SnapshotHeader = { format: 'millrace-tree-1', lastZxid: tree.lastZxid, znodeCount: tree.size }
  const records = [encodeRecord(header)]
  for (const state of tree.states()) records.push(encodeRecord(storedZnode(state)))
  return Buffer.concat(records)
}

/** Throws when the records are not those of a whole snapshot. */
export function decodeSnapshot(values: readonly unknown[]): DataTree {
  const [header, ...znodes] = values as [SnapshotHeader, ...StoredZnode[]]
  assert(header?.format === 'millrace-tree-1', 'a snapshot begins with its format')
  assert(header.znodeCount === znodes.length, 'a snapshot holds as many znodes as it says')
  const tree = new DataTree()
  for (const znode of znodes) {
    tree.restore({ ...znode, data: Buffer.from(znode.data, 'base64'), owner: BigInt(znode.owner) })
  }
  tree.advance(header.lastZxid)
  return tree
}

function storedChange(change: Change): StoredChange {
  switch (change.kind) {
    case 'create':
      return { ...change, data: change.data.toString('base64'), owner: String(change.owner) }
    case 'set':
      return { ...change, data: change.data.toString('base64') }
    case 'delete':
    case 'set-acl':
      return change
  }
}

function loadedChange(change: StoredChange): Change {
  switch (change.kind) {
    case 'create':
      return { ...change, data: Buffer.from(change.data, 'base64'), owner: BigInt(change.owner) }
    case 'set':
      return { ...change, data: Buffer.from(change.data, 'base64') }
    case 'delete':
    case 'set-acl':
      return change
  }
}

/** Field by field: a znode in memory has more (its children). */
function storedZnode(state: ZnodeState): StoredZnode {
  return {
    path: state.path,
    data: state.data.toString('base64'),
    acl: state.acl,
    owner: String(state.owner),
    czxid: state.czxid,
    mzxid: state.mzxid,
    pzxid: state.pzxid,
    createdMs: state.createdMs,
    modifiedMs: state.modifiedMs,
    version: state.version,
    createCount: state.createCount,
    aclVersion: state.aclVersion,
  }
}

import { assert } from '@millrace/runtime/invariant'
import type { Logger } from '@millrace/runtime/logger'
import type { File, FileLock, FileSystem } from '@millrace/runtime/ports'
import { DataTree } from './data-tree.ts'
import type { Transaction } from './data-tree.ts'
import { decodeRecords, encodeRecord, isTornTail } from './record-file.ts'
import { decodeSnapshot, decodeTransaction, encodeSnapshot, encodeTransaction } from './snapshot.ts'

/** A file of the store is damaged in a way that no interrupted write explains. */
export class TreeStoreDamaged extends Error {
  override readonly name = 'TreeStoreDamaged'
  readonly path: string
  constructor(path: string, why: string, cause?: unknown) {
    super(`${path}: ${why}`, { cause })
    this.path = path
  }
}

export interface TreeStoreOptions {
  readonly files: FileSystem
  readonly logger: Logger
  readonly folder: string
  /** The log is folded into a snapshot when it is longer than this, and longer than the last snapshot. */
  readonly compactAboveBytes?: number
}

/**
 * The tree in a folder: `snapshot` and the `log` of what came after it. A transaction is written to the log before it is
 * acknowledged, so that the end of the process loses none; it is synced when the tree is closed or compacted, not per
 * write: a power cut may lose the last ones, which is one more reason why the embedded tree is for one machine only.
 */
export class TreeStore {
  readonly #options: TreeStoreOptions
  readonly #lock: FileLock
  readonly #log: File
  #logBytes = 0
  #snapshotBytes = 0

  private constructor(options: TreeStoreOptions) {
    this.#options = options
    options.files.makeDirectory(options.folder)
    this.#lock = options.files.lock(this.#path('lock'))
    this.#log = options.files.open(this.#path('log'), 'create')
  }

  /** Loads what the folder holds. Throws FileLocked when another process has it, TreeStoreDamaged, FileSystemError. */
  static open(options: TreeStoreOptions): { store: TreeStore; tree: DataTree } {
    const store = new TreeStore(options)
    try {
      return { store, tree: store.#load() }
    } catch (error) {
      store.#log.close()
      store.#lock.release()
      throw error
    }
  }

  /** The transaction is in the log file when it returns. Throws FileSystemError: then nobody may be told of it. */
  append(transaction: Transaction): void {
    const record = encodeRecord(encodeTransaction(transaction))
    const written = this.#log.write(record, 0, record.length, this.#logBytes)
    if (written !== record.length)
      throw new TreeStoreDamaged(this.#log.path, `wrote ${written} of ${record.length} bytes`)
    this.#logBytes += record.length
  }

  compactIfLong(tree: DataTree): void {
    const limit = Math.max(this.#options.compactAboveBytes ?? defaultCompactAboveBytes, this.#snapshotBytes)
    if (this.#logBytes > limit) this.#compact(tree)
  }

  /** Leaves a snapshot and an empty log behind. */
  close(tree: DataTree): void {
    try {
      if (this.#logBytes > 0) this.#compact(tree)
    } finally {
      this.abandon()
    }
  }

  /** Leaves the files as they are, as the end of the process would. */
  abandon(): void {
    this.#log.close()
    this.#lock.release()
  }

  /** A crash between the two steps leaves transactions in the log that the snapshot holds too: loading skips them. */
  #compact(tree: DataTree): void {
    const snapshot = encodeSnapshot(tree)
    this.#options.files.replaceFile(this.#path('snapshot'), snapshot)
    this.#log.truncate(0)
    this.#log.datasync()
    this.#snapshotBytes = snapshot.length
    this.#logBytes = 0
  }

  #load(): DataTree {
    const tree = this.#loadSnapshot()
    const bytes = this.#options.files.readFile(this.#log.path)
    const { values, end } = decodeRecords(bytes)
    if (end < bytes.length) {
      if (!isTornTail(bytes, end))
        throw new TreeStoreDamaged(this.#log.path, `damaged at byte ${end} of ${bytes.length}`)
      this.#options.logger.warn('embedded tree: the log ends in an unfinished write, cut off', {
        path: this.#log.path,
        at: end,
      })
      this.#log.truncate(end)
    }
    for (const value of values) {
      const transaction = decodeTransaction(value)
      if (transaction.zxid > tree.lastZxid) tree.replay(transaction)
    }
    this.#logBytes = end
    return tree
  }

  #loadSnapshot(): DataTree {
    const path = this.#path('snapshot')
    if (this.#options.files.stat(path) === null) return new DataTree()
    const bytes = this.#options.files.readFile(path)
    const { values, end } = decodeRecords(bytes)
    if (end < bytes.length) throw new TreeStoreDamaged(path, `damaged at byte ${end} of ${bytes.length}`)
    this.#snapshotBytes = bytes.length
    try {
      return decodeSnapshot(values)
    } catch (error) {
      throw new TreeStoreDamaged(path, 'not a snapshot of this version', error)
    }
  }

  #path(name: string): string {
    assert(!name.includes('/'), 'the store keeps its files side by side')
    return `${this.#options.folder}/${name}`
  }
}

const defaultCompactAboveBytes = 8 * 1024 * 1024

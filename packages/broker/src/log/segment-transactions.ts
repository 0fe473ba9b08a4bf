import {
  decodeTransactionIndex,
  encodeTransactionIndex,
  TRANSACTION_ENTRY_SIZE,
} from '@millrace/protocol/storage/transaction-index'
import type { TransactionIndexEntry } from '@millrace/protocol/storage/transaction-index'
import type { FileSystem } from '@millrace/runtime/ports'
import { readWhole, writeFully } from './write-fully.ts'

/** The `.txnindex` of a segment: the aborted transactions whose marker it holds. The file exists once there is one. */
export class SegmentTransactions {
  readonly #files: FileSystem
  readonly #path: () => string
  /** Null: not read yet. */
  #entries: TransactionIndexEntry[] | null = null
  #saved = 0

  constructor(files: FileSystem, path: () => string) {
    this.#files = files
    this.#path = path
  }

  /** There is no file: then nobody has to look. */
  hasNone(): void {
    this.#entries = []
  }

  /** Throws MalformedFile when the file is broken. */
  get entries(): readonly TransactionIndexEntry[] {
    return this.load()
  }

  append(entry: TransactionIndexEntry): void {
    this.load().push(entry)
  }

  /** Writes what was appended since; after the batches that it speaks of. */
  save(): void {
    if (this.#entries === null || this.#saved === this.#entries.length) return
    const file = this.#files.open(this.#path(), 'create')
    try {
      const bytes = encodeTransactionIndex(this.#entries.slice(this.#saved))
      writeFully(file, bytes, 0, bytes.length, this.#saved * TRANSACTION_ENTRY_SIZE)
    } finally {
      file.close()
    }
    this.#saved = this.#entries.length
  }

  /** Forgets transactions that ended at or after `offset`. */
  truncateTo(offset: number): void {
    const kept = this.load().filter(entry => entry.lastOffset < offset)
    if (kept.length !== this.#saved || this.#saved !== this.#entries!.length) this.replace(kept)
  }

  /** Forgets everything; recovery notes it again. */
  reset(): void {
    if (this.#entries !== null && this.#saved === 0) this.#entries = []
    else this.replace([])
  }

  private replace(entries: TransactionIndexEntry[]): void {
    this.#entries = entries
    this.#saved = entries.length
    const exists = this.#files.stat(this.#path()) !== null
    if (!exists && entries.length === 0) return
    const file = this.#files.open(this.#path(), 'create')
    try {
      const bytes = encodeTransactionIndex(entries)
      writeFully(file, bytes, 0, bytes.length, 0)
      file.truncate(bytes.length)
    } finally {
      file.close()
    }
  }

  private load(): TransactionIndexEntry[] {
    if (this.#entries === null) {
      this.#entries = decodeTransactionIndex(readWhole(this.#files, this.#path()))
      this.#saved = this.#entries.length
    }
    return this.#entries
  }
}

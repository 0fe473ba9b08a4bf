import {
  baseOffsetAt,
  batchSizeAt,
  lastOffsetAt,
  magicAt,
  maxTimestampAt,
} from '@millrace/protocol/records/record-batch'
import { messageTimestampAt } from '@millrace/protocol/records/message-set'
import { FileSuffix, fileName } from '@millrace/protocol/storage/file-names'
import { encodeTransactionIndex } from '@millrace/protocol/storage/transaction-index'
import type { TransactionIndexEntry } from '@millrace/protocol/storage/transaction-index'
import { assert } from '@millrace/runtime/invariant'
import type { File } from '@millrace/runtime/ports'
import { IndexBuilder } from './index-builder.ts'
import type { LogContext } from './log-context.ts'
import { writeFullyAsync } from './write-fully.ts'

const segmentSuffixes = [
  FileSuffix.log,
  FileSuffix.offsetIndex,
  FileSuffix.timeIndex,
  FileSuffix.transactionIndex,
] as const

/**
 * What waits to be brought to the disk at a time. To bring a whole segment there keeps a processor busy for milliseconds, and where a broker has but one the event
 * loop waits for that: the scheduler takes a thread of the pool away from it only after three.
 */
const syncBytesIfBusy = 256 * 1024
const syncBytesIfIdle = 8 * 1024 * 1024

/**
 * What a compaction writes: a segment under names that end in `.cleaned`, which the next start throws away, until all of it is on the disk.
 * Then `promise` renames it to `.swap`: from then on the next start finishes the replacement (reference 4.6, 4.7).
 */
export class CleanedSegment {
  readonly baseOffset: number
  /** Bytes of its batches, those that are not written yet included. */
  size = 0
  readonly #context: LogContext
  readonly #folder: { readonly path: string }
  readonly #indexes: IndexBuilder
  readonly #transactions: TransactionIndexEntry[] = []
  #log: File | null
  #writtenSize = 0
  #unsyncedSize = 0
  readonly #isBusy: () => boolean

  /** Makes the file, over one that an earlier attempt left. */
  constructor(
    context: LogContext,
    options: {
      readonly folder: { readonly path: string }
      readonly baseOffset: number
      readonly indexIntervalBytes: number
      /** Others want the event loop. */
      readonly isBusy: () => boolean
    },
  ) {
    this.#context = context
    this.#folder = options.folder
    this.baseOffset = options.baseOffset
    this.#isBusy = options.isBusy
    this.#indexes = new IndexBuilder(options.baseOffset, options.indexIntervalBytes)
    this.#log = context.world.files.open(this.#path(FileSuffix.log, FileSuffix.cleaned), 'create')
    this.#log.truncate(0)
  }

  /** The batch at `position` of `bytes` is the next one; `write` brings it to the file some time later. */
  add(bytes: Buffer, position: number): void {
    const size = batchSizeAt(bytes, position)
    const isBatch = magicAt(bytes, position) === 2
    const lastOffset = isBatch ? lastOffsetAt(bytes, position) : baseOffsetAt(bytes, position)
    const timestamp = isBatch ? maxTimestampAt(bytes, position) : Number(messageTimestampAt(bytes, position))
    this.#indexes.add(this.size, lastOffset, timestamp)
    this.size += size
  }

  /** Writes the next `size` bytes of what was added, which `bytes` begin with. */
  async write(bytes: Buffer, size: number): Promise<void> {
    await writeFullyAsync(this.#log!, bytes, 0, size, this.#writtenSize)
    this.#writtenSize += size
    this.#unsyncedSize += size
    if (this.#unsyncedSize < (this.#isBusy() ? syncBytesIfBusy : syncBytesIfIdle)) return
    this.#unsyncedSize = 0
    await this.#log!.datasyncAsync()
  }

  /** Aborted transactions whose marker is in the segment. */
  noteTransactions(entries: readonly TransactionIndexEntry[]): void {
    for (const entry of entries) this.#transactions.push(entry)
  }

  /** Writes the indexes and sees everything on the disk; the files look as old as `modifiedMs`. */
  async finish(modifiedMs: number): Promise<void> {
    assert(this.#writtenSize === this.size, 'everything is written before the end')
    this.#indexes.finish()
    await this.#writeIndex(FileSuffix.offsetIndex, this.#indexes.offsets.bytes(), modifiedMs)
    await this.#writeIndex(FileSuffix.timeIndex, this.#indexes.times.bytes(), modifiedMs)
    if (this.#transactions.length > 0) {
      await this.#writeIndex(FileSuffix.transactionIndex, encodeTransactionIndex(this.#transactions), modifiedMs)
    }
    const log = this.#log!
    await log.datasyncAsync()
    log.setModifiedMs(modifiedMs)
    this.close()
  }

  /** From now on it replaces its origins, whatever happens. All files are `.cleaned` first and `.swap` then: a mixture is not finished. */
  promise(): void {
    this.#rename(FileSuffix.cleaned, FileSuffix.swap)
  }

  /** The origins are out of the way. */
  settle(): void {
    this.#rename(FileSuffix.swap, '')
  }

  /** Gives up. Does not throw: what stays behind goes with the next start. */
  abandon(): void {
    this.close()
    for (const suffix of segmentSuffixes) {
      const path = this.#path(suffix, FileSuffix.cleaned)
      try {
        if (this.#context.world.files.stat(path) !== null) this.#context.world.files.remove(path)
      } catch (error) {
        this.#context.logger.warn('cannot remove the output of a compaction', { path, error: String(error) })
      }
    }
  }

  async #writeIndex(suffix: string, bytes: Buffer, modifiedMs: number): Promise<void> {
    const file = this.#context.world.files.open(this.#path(suffix, FileSuffix.cleaned), 'create')
    try {
      file.truncate(0)
      await writeFullyAsync(file, bytes, 0, bytes.length, 0)
      await file.datasyncAsync()
      file.setModifiedMs(modifiedMs)
    } finally {
      file.close()
    }
  }

  #rename(from: string, to: string): void {
    const { files } = this.#context.world
    for (const suffix of segmentSuffixes) {
      if (suffix === FileSuffix.transactionIndex && this.#transactions.length === 0) continue
      files.rename(this.#path(suffix, from), this.#path(suffix, to))
    }
  }

  #path(suffix: string, transient: string): string {
    return `${this.#folder.path}/${fileName(this.baseOffset, suffix)}${transient}`
  }

  /** Closes the file; what was written stays, for the next start to throw away. */
  close(): void {
    if (this.#log === null) return
    this.#log.close()
    this.#log = null
  }
}

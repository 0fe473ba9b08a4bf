import { FileSuffix, fileName, parseFileName } from '@millrace/protocol/storage/file-names'
import { MalformedFile } from '@millrace/protocol/storage/malformed-file'
import { decodeProducerSnapshot, encodeProducerSnapshot } from '@millrace/protocol/storage/producer-snapshot'
import type { ProducerSnapshotEntry } from '@millrace/protocol/storage/producer-snapshot'
import type { Logger } from '@millrace/runtime/logger'
import type { FileSystem } from '@millrace/runtime/ports'
import { writeFully } from './write-fully.ts'

export interface LoadedSnapshot {
  readonly offset: number
  readonly entries: readonly ProducerSnapshotEntry[]
}

/** The `.snapshot` files of a log: the producer state at some offsets, so that a start reads the batches after the newest only. */
export class ProducerSnapshots {
  readonly #files: FileSystem
  readonly #logger: Logger
  readonly #folder: { path: string }
  /** Ascending. */
  #offsets: number[]

  /** `names` is the listing of the folder. */
  constructor(files: FileSystem, logger: Logger, folder: { path: string }, names: readonly string[]) {
    this.#files = files
    this.#logger = logger
    this.#folder = folder
    this.#offsets = names
      .map(name => parseFileName(name))
      .filter(parsed => parsed !== null && parsed.suffix === FileSuffix.producerSnapshot && parsed.transient === '')
      .map(parsed => parsed!.baseOffset)
      .sort((left, right) => left - right)
  }

  get offsets(): readonly number[] {
    return this.#offsets
  }

  /** Offset of the newest, or -1. */
  get latest(): number {
    return this.#offsets.at(-1) ?? -1
  }

  path(offset: number): string {
    return `${this.#folder.path}/${fileName(offset, FileSuffix.producerSnapshot)}`
  }

  /** Writes the state at `offset`, unless a snapshot at or above it exists: nothing new happened since. True when written. */
  write(offset: number, entries: readonly ProducerSnapshotEntry[]): boolean {
    if (offset <= Math.max(0, this.latest)) return false
    const bytes = encodeProducerSnapshot(entries)
    const file = this.#files.open(this.path(offset), 'create')
    try {
      writeFully(file, bytes, 0, bytes.length, 0)
      file.truncate(bytes.length)
    } finally {
      file.close()
    }
    this.#offsets.push(offset)
    return true
  }

  /** The newest sound one; broken ones are removed on the way. Null when there is none. */
  loadLatest(): LoadedSnapshot | null {
    while (this.#offsets.length > 0) {
      const offset = this.latest
      try {
        return { offset, entries: decodeProducerSnapshot(this.#files.readFile(this.path(offset))) }
      } catch (error) {
        if (!(error instanceof MalformedFile)) throw error
        this.#logger.warn('broken producer snapshot removed', { path: this.path(offset), reason: error.reason })
        this.remove(candidate => candidate === offset)
      }
    }
    return null
  }

  /** Removes the files whose offset `isUnwanted`. */
  remove(isUnwanted: (offset: number) => boolean): void {
    const unwanted = this.#offsets.filter(isUnwanted)
    if (unwanted.length === 0) return
    this.#offsets = this.#offsets.filter(offset => !isUnwanted(offset))
    for (const offset of unwanted) this.#files.remove(this.path(offset))
  }

  /** fdatasync of the one at `offset`, if it is still there. */
  async flush(offset: number): Promise<void> {
    if (!this.#offsets.includes(offset)) return
    const file = this.#files.open(this.path(offset), 'read-write')
    try {
      await file.datasyncAsync()
    } finally {
      file.close()
    }
  }
}

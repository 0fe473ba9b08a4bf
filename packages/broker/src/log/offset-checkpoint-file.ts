import { encodeOffsetCheckpoint, type OffsetCheckpointEntry } from '@millrace/protocol/storage/checkpoint'
import type { FileSystem } from '@millrace/runtime/ports'
import { writeFully } from './write-fully.ts'

/** One checkpoint of a log directory: an offset for each partition, replaced as a whole. */
export class OffsetCheckpointFile {
  readonly #files: FileSystem
  readonly #directory: string
  readonly #path: string
  /** Counts what was written or begun: whatever is not the newest any more is dropped. */
  #version = 0

  constructor(files: FileSystem, directory: string, name: string) {
    this.#files = files
    this.#directory = directory
    this.#path = `${directory}/${name}`
  }

  /** It is on the disk when this returns. */
  write(entries: readonly OffsetCheckpointEntry[]): void {
    this.#version++
    this.#files.replaceFile(this.#path, encodeOffsetCheckpoint(entries))
  }

  /**
   * The same without holding up the loop: two waits for the disk of some milliseconds each, every five seconds on every broker of a
   * cluster, are what one acks=all produce in a hundred would wait for. What is written meanwhile in the other way is newer, and stays.
   * False: something newer took its place, or will.
   */
  async writeAsync(entries: readonly OffsetCheckpointEntry[]): Promise<boolean> {
    const version = ++this.#version
    const content = encodeOffsetCheckpoint(entries)
    const temporary = `${this.#path}.tmp`
    const file = this.#files.open(temporary, 'create')
    try {
      writeFully(file, content, 0, content.length, 0)
      file.truncate(content.length)
      await file.datasyncAsync()
    } finally {
      file.close()
    }
    // Whoever came later has written the temporary file anew, or renamed it.
    if (version !== this.#version) return false
    this.#files.rename(temporary, this.#path)
    await this.#files.syncDirectoryAsync(this.#directory)
    return true
  }

  /** What is under way is dropped: the directory is in other hands. */
  release(): void {
    this.#version++
  }
}

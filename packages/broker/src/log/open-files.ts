import type { File, FileSystem, OpenMode } from '@millrace/runtime/ports'

/**
 * Bounds the open files of all partitions together: the least recently used are closed and opened again on their next use.
 * Every use is synchronous, or pins the file, so a file is never closed under somebody's hands.
 */
export class OpenFiles {
  readonly files: FileSystem
  readonly #limit: number
  readonly #open = new Set<SharedFile>()
  #tick = 0

  constructor(files: FileSystem, limit = 4096) {
    this.files = files
    this.#limit = limit
  }

  get count(): number {
    return this.#open.size
  }

  /** A file that is opened when it is first used; `path` is asked then, because folders are renamed. */
  share(path: () => string, mode: OpenMode): SharedFile {
    return new SharedFile(this, path, mode)
  }

  /** For SharedFile: it was used. */
  nextTick(): number {
    return ++this.#tick
  }

  /** For SharedFile: it was opened. */
  onOpened(file: SharedFile): void {
    this.#open.add(file)
    this.trim(file)
  }

  /** For SharedFile: nobody pins it any longer. While files are pinned there may be more than the limit. */
  onUnpinned(): void {
    this.trim(null)
  }

  /** For SharedFile: it was closed. */
  onClosed(file: SharedFile): void {
    this.#open.delete(file)
  }

  /** Closes a quarter at once, so that the search for the oldest is rare. */
  private trim(except: SharedFile | null): void {
    const excess = this.#open.size - this.#limit
    if (excess <= 0) return
    const idle = [...this.#open].filter(file => file !== except && !file.isPinned)
    idle.sort((left, right) => left.lastUse - right.lastUse)
    for (const file of idle.slice(0, excess + Math.floor(this.#limit / 4))) file.close()
  }
}

export class SharedFile {
  /** Value of the owner's tick at the last use. */
  lastUse = 0
  readonly #owner: OpenFiles
  readonly #path: () => string
  readonly #mode: OpenMode
  #file: File | null = null
  #pins = 0
  #closesWhenUnpinned = false

  constructor(owner: OpenFiles, path: () => string, mode: OpenMode) {
    this.#owner = owner
    this.#path = path
    this.#mode = mode
  }

  get path(): string {
    return this.#path()
  }

  get isPinned(): boolean {
    return this.#pins > 0
  }

  /** The open file, for synchronous use in this turn only. */
  use(): File {
    this.lastUse = this.#owner.nextTick()
    if (this.#file !== null) return this.#file
    this.#file = this.#owner.files.open(this.#path(), this.#mode)
    this.#owner.onOpened(this)
    return this.#file
  }

  /** For asynchronous use: the file stays open until `release`, whatever else is closed. */
  async pinned<T>(use: (file: File) => Promise<T>): Promise<T> {
    this.#pins++
    try {
      return await use(this.use())
    } finally {
      this.#pins--
      if (this.#pins === 0) {
        if (this.#closesWhenUnpinned) this.close()
        this.#owner.onUnpinned()
      }
    }
  }

  /** Closes now, or when the last pin goes: a descriptor in use by the thread pool must not become another file's. */
  close(): void {
    const file = this.#file
    this.#closesWhenUnpinned = file !== null && this.#pins > 0
    if (file === null || this.#pins > 0) return
    this.#file = null
    this.#owner.onClosed(this)
    file.close()
  }
}

import { FileLocked, FileSystemError } from '@millrace/runtime/file-system-error'
import type { File, FileLock, FileStat, FileSystem, OpenMode } from '@millrace/runtime/ports'

/** Content of one file: what the page cache holds, and what a power cut leaves. */
interface Content {
  bytes: Buffer
  size: number
  /** Null: never synced, so a power cut leaves nothing that can be relied upon. */
  synced: Buffer | null
  modifiedMs: number
}

/** What a file operation is about to do; a hook may throw, or shorten a write by answering how many bytes it takes. */
export interface FileOperation {
  readonly kind: 'open' | 'read' | 'write' | 'truncate' | 'datasync' | 'rename' | 'remove' | 'replace' | 'makeDirectory'
  readonly path: string
  readonly length: number
}

/**
 * A file system in memory, for tests and the simulator: deterministic, with faults on demand, and with the difference between what was
 * written (survives the end of the process) and what was synced (survives a power cut). Folders and names are durable at once.
 */
export class MemoryFiles implements FileSystem {
  /** Called before every operation. Answer fewer bytes for a short write; throw for a failure. */
  onOperation: ((operation: FileOperation) => number | void) | null = null
  nowMs = 0
  readonly #files = new Map<string, Content>()
  readonly #directories = new Set<string>(['', '/'])
  readonly #locks = new Set<string>()
  #openCount = 0

  /** Files that are open now: a leak shows here. */
  get openCount(): number {
    return this.#openCount
  }

  open(path: string, mode: OpenMode): File {
    this.operation({ kind: 'open', path, length: 0 })
    let content = this.#files.get(path)
    if (content !== undefined && mode === 'create-exclusive') throw failure('EEXIST', 'open', path)
    if (content === undefined) {
      if (mode === 'read' || mode === 'read-write') throw failure('ENOENT', 'open', path)
      if (!this.#directories.has(parentOf(path))) throw failure('ENOENT', 'open', path)
      content = { bytes: Buffer.alloc(0), size: 0, synced: null, modifiedMs: this.nowMs }
      this.#files.set(path, content)
    }
    this.#openCount++
    return new MemoryFile(this, path, content, mode !== 'read', () => this.#openCount--)
  }

  readFile(path: string): Buffer {
    this.operation({ kind: 'read', path, length: 0 })
    const content = this.content(path, 'open')
    return Buffer.from(content.bytes.subarray(0, content.size))
  }

  list(path: string): string[] {
    if (!this.#directories.has(path)) throw failure('ENOENT', 'scandir', path)
    const names = new Set<string>()
    for (const each of [...this.#files.keys(), ...this.#directories])
      if (parentOf(each) === path && each !== path) names.add(each.slice(path.length + 1))
    return [...names].sort()
  }

  stat(path: string): FileStat | null {
    const content = this.#files.get(path)
    if (content !== undefined)
      return { size: content.size, modifiedMs: content.modifiedMs, isDirectory: false, isFile: true }
    return this.#directories.has(path) ? { size: 0, modifiedMs: 0, isDirectory: true, isFile: false } : null
  }

  makeDirectory(path: string): void {
    this.operation({ kind: 'makeDirectory', path, length: 0 })
    for (let each = path; each !== '' && each !== '/'; each = parentOf(each)) this.#directories.add(each)
  }

  rename(from: string, to: string): void {
    this.operation({ kind: 'rename', path: from, length: 0 })
    if (this.#directories.has(from)) {
      for (const [path, content] of [...this.#files]) {
        if (!path.startsWith(`${from}/`)) continue
        this.#files.delete(path)
        this.#files.set(to + path.slice(from.length), content)
      }
      for (const path of [...this.#directories]) {
        if (path !== from && !path.startsWith(`${from}/`)) continue
        this.#directories.delete(path)
        this.#directories.add(to + path.slice(from.length))
      }
      return
    }
    const content = this.content(from, 'rename')
    this.#files.delete(from)
    this.#files.set(to, content)
  }

  remove(path: string): void {
    this.operation({ kind: 'remove', path, length: 0 })
    this.content(path, 'unlink')
    this.#files.delete(path)
  }

  async removeAsync(path: string): Promise<void> {
    this.remove(path)
  }

  async removeTree(path: string): Promise<void> {
    for (const each of [...this.#files.keys()]) if (each.startsWith(`${path}/`)) this.#files.delete(each)
    for (const each of [...this.#directories])
      if (each === path || each.startsWith(`${path}/`)) this.#directories.delete(each)
  }

  syncDirectory(path: string): void {
    if (!this.#directories.has(path)) throw failure('ENOENT', 'fsync', path)
  }

  async syncDirectoryAsync(path: string): Promise<void> {
    this.syncDirectory(path)
  }

  replaceFile(path: string, content: Uint8Array): void {
    this.operation({ kind: 'replace', path, length: content.length })
    if (!this.#directories.has(parentOf(path))) throw failure('ENOENT', 'open', path)
    const bytes = Buffer.from(content)
    this.#files.set(path, { bytes, size: bytes.length, synced: Buffer.from(bytes), modifiedMs: this.nowMs })
  }

  lock(path: string): FileLock {
    if (this.#locks.has(path)) throw new FileLocked(path, null)
    this.#locks.add(path)
    return { release: () => void this.#locks.delete(path) }
  }

  space(): { totalBytes: number; usableBytes: number } {
    return { totalBytes: 2 ** 40, usableBytes: 2 ** 39 }
  }

  /** A copy as the end of the process leaves it: everything written is there, locks and open files are not. */
  afterKill(): MemoryFiles {
    return this.copy(content => Buffer.from(content.bytes.subarray(0, content.size)))
  }

  /** A copy as a power cut leaves it: of each file what was synced, and of the bytes behind that as many as `keep` says. */
  afterPowerCut(keep: (unsyncedBytes: number) => number = () => 0): MemoryFiles {
    return this.copy(content => {
      const synced = content.synced ?? Buffer.alloc(0)
      const unsynced = Math.max(0, content.size - synced.length)
      return Buffer.concat([synced, content.bytes.subarray(synced.length, synced.length + keep(unsynced))])
    })
  }

  /** Every file with its bytes, sorted: for comparisons. */
  snapshot(): Map<string, Buffer> {
    const paths = [...this.#files.keys()].sort()
    return new Map(paths.map(path => [path, this.readFile(path)]))
  }

  /** For MemoryFile. */
  operation(operation: FileOperation): number {
    return this.onOperation?.(operation) ?? operation.length
  }

  private copy(bytesOf: (content: Content) => Buffer): MemoryFiles {
    const copy = new MemoryFiles()
    copy.nowMs = this.nowMs
    for (const path of this.#directories) copy.#directories.add(path)
    for (const [path, content] of this.#files) {
      const bytes = bytesOf(content)
      copy.#files.set(path, { bytes, size: bytes.length, synced: Buffer.from(bytes), modifiedMs: content.modifiedMs })
    }
    return copy
  }

  private content(path: string, syscall: string): Content {
    const content = this.#files.get(path)
    if (content === undefined) throw failure('ENOENT', syscall, path)
    return content
  }
}

class MemoryFile implements File {
  readonly path: string
  readonly #owner: MemoryFiles
  readonly #content: Content
  readonly #isWritable: boolean
  readonly #onClosed: () => void
  #isClosed = false

  constructor(owner: MemoryFiles, path: string, content: Content, isWritable: boolean, onClosed: () => void) {
    this.path = path
    this.#owner = owner
    this.#content = content
    this.#isWritable = isWritable
    this.#onClosed = onClosed
  }

  write(buffer: Uint8Array, offset: number, length: number, position: number): number {
    this.check('write', true)
    const taken = Math.min(length, this.#owner.operation({ kind: 'write', path: this.path, length }))
    const content = this.#content
    grow(content, position + taken)
    content.bytes.set(buffer.subarray(offset, offset + taken), position)
    content.size = Math.max(content.size, position + taken)
    content.modifiedMs = this.#owner.nowMs
    return taken
  }

  async writeAsync(buffer: Uint8Array, offset: number, length: number, position: number): Promise<number> {
    return this.write(buffer, offset, length, position)
  }

  read(buffer: Uint8Array, offset: number, length: number, position: number): number {
    this.check('read', false)
    this.#owner.operation({ kind: 'read', path: this.path, length })
    const end = Math.min(this.#content.size, position + length)
    if (end <= position) return 0
    buffer.set(this.#content.bytes.subarray(position, end), offset)
    return end - position
  }

  async readAsync(buffer: Uint8Array, offset: number, length: number, position: number): Promise<number> {
    return this.read(buffer, offset, length, position)
  }

  size(): number {
    this.check('fstat', false)
    return this.#content.size
  }

  truncate(size: number): void {
    this.check('ftruncate', true)
    this.#owner.operation({ kind: 'truncate', path: this.path, length: size })
    grow(this.#content, size)
    // What a shorter file loses must read as zero if it grows again.
    if (size < this.#content.size) this.#content.bytes.fill(0, size, this.#content.size)
    this.#content.size = size
    this.#content.modifiedMs = this.#owner.nowMs
    if (this.#content.synced !== null && this.#content.synced.length > size)
      this.#content.synced = this.#content.synced.subarray(0, size)
  }

  datasync(): void {
    this.check('fdatasync', false)
    this.#owner.operation({ kind: 'datasync', path: this.path, length: 0 })
    this.#content.synced = Buffer.from(this.#content.bytes.subarray(0, this.#content.size))
  }

  async datasyncAsync(): Promise<void> {
    this.datasync()
  }

  setModifiedMs(modifiedMs: number): void {
    this.#content.modifiedMs = modifiedMs
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#onClosed()
  }

  private check(syscall: string, writes: boolean): void {
    if (this.#isClosed || (writes && !this.#isWritable)) throw failure('EBADF', syscall, this.path)
  }
}

function grow(content: Content, size: number): void {
  if (size <= content.bytes.length) return
  const larger = Buffer.alloc(Math.max(size, content.bytes.length * 2))
  content.bytes.copy(larger, 0, 0, content.size)
  content.bytes = larger
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')))
}

function failure(code: string, syscall: string, path: string): FileSystemError {
  return new FileSystemError({ code, syscall, path })
}

import fs from 'node:fs'
import { dirname } from 'node:path'
import { FileSystemError } from '../file-system-error.ts'
import type { File, FileLock, FileStat, FileSystem, OpenMode } from '../ports.ts'
import { lockFile } from './file-lock.ts'

const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL } = fs.constants
const openFlags: Readonly<Record<OpenMode, number>> = {
  read: O_RDONLY,
  'read-write': O_RDWR,
  create: O_RDWR | O_CREAT,
  'create-exclusive': O_RDWR | O_CREAT | O_EXCL,
}

/** Files by node:fs: synchronous where the page cache answers, by the thread pool where the port says so. */
export class NodeFiles implements FileSystem {
  open(path: string, mode: OpenMode): File {
    return new NodeFile(
      path,
      attempt('open', path, () => fs.openSync(path, openFlags[mode])),
    )
  }

  readFile(path: string): Buffer {
    return attempt('read', path, () => fs.readFileSync(path))
  }

  list(path: string): string[] {
    return attempt('scandir', path, () => fs.readdirSync(path)).sort()
  }

  stat(path: string): FileStat | null {
    const stat = attempt('stat', path, () => fs.statSync(path, { throwIfNoEntry: false }))
    if (stat === undefined) return null
    return { size: stat.size, modifiedMs: stat.mtimeMs, isDirectory: stat.isDirectory(), isFile: stat.isFile() }
  }

  makeDirectory(path: string): void {
    attempt('mkdir', path, () => fs.mkdirSync(path, { recursive: true }))
  }

  rename(from: string, to: string): void {
    attempt('rename', from, () => fs.renameSync(from, to))
  }

  remove(path: string): void {
    attempt('unlink', path, () => fs.unlinkSync(path))
  }

  removeAsync(path: string): Promise<void> {
    return attemptAsync('unlink', path, done => fs.unlink(path, done))
  }

  removeTree(path: string): Promise<void> {
    return attemptAsync('rm', path, done => fs.rm(path, { recursive: true, force: true }, done))
  }

  syncDirectory(path: string): void {
    // Windows opens no folders; NTFS journals renames by itself.
    if (process.platform === 'win32') return
    attempt('fsync', path, () => withDescriptor(path, O_RDONLY, undefined, fd => fs.fsyncSync(fd)))
  }

  async syncDirectoryAsync(path: string): Promise<void> {
    if (process.platform === 'win32') return
    const fd = attempt('open', path, () => fs.openSync(path, O_RDONLY))
    try {
      await attemptAsync('fsync', path, done => fs.fsync(fd, done))
    } finally {
      attempt('close', path, () => fs.closeSync(fd))
    }
  }

  replaceFile(path: string, content: Uint8Array, mode = 0o644): void {
    const temporary = `${path}.tmp`
    attempt('write', temporary, () =>
      withDescriptor(temporary, fs.constants.O_WRONLY | O_CREAT | fs.constants.O_TRUNC, mode, fd => {
        for (let written = 0; written < content.length;) {
          written += fs.writeSync(fd, content, written, content.length - written, written)
        }
        fs.fsyncSync(fd)
      }),
    )
    this.rename(temporary, path)
    this.syncDirectory(dirname(path))
  }

  lock(path: string): FileLock {
    return lockFile(path)
  }

  space(path: string): { totalBytes: number; usableBytes: number } {
    const { bsize, blocks, bavail } = attempt('statfs', path, () => fs.statfsSync(path))
    return { totalBytes: bsize * blocks, usableBytes: bsize * bavail }
  }
}

class NodeFile implements File {
  readonly path: string
  #fd: number

  constructor(path: string, fd: number) {
    this.path = path
    this.#fd = fd
  }

  write(buffer: Uint8Array, offset: number, length: number, position: number): number {
    try {
      return fs.writeSync(this.#open(), buffer, offset, length, position)
    } catch (error) {
      throw fileSystemError(error, 'write', this.path)
    }
  }

  writeAsync(buffer: Uint8Array, offset: number, length: number, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      fs.write(this.#open(), buffer, offset, length, position, (error, written) => {
        if (error === null) resolve(written)
        else reject(fileSystemError(error, 'write', this.path))
      })
    })
  }

  read(buffer: Uint8Array, offset: number, length: number, position: number): number {
    try {
      let count = fs.readSync(this.#open(), buffer, offset, length, position)
      // A signal or a very long read (above 2 GiB on Linux) may end early; only the end of the file answers 0.
      while (count < length) {
        const more = fs.readSync(this.#open(), buffer, offset + count, length - count, position + count)
        if (more === 0) break
        count += more
      }
      return count
    } catch (error) {
      throw fileSystemError(error, 'read', this.path)
    }
  }

  readAsync(buffer: Uint8Array, offset: number, length: number, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const fd = this.#open()
      const readFrom = (count: number): void => {
        fs.read(fd, buffer, offset + count, length - count, position + count, (error, more) => {
          if (error !== null) reject(fileSystemError(error, 'read', this.path))
          else if (more === 0 || count + more === length) resolve(count + more)
          else readFrom(count + more)
        })
      }
      readFrom(0)
    })
  }

  size(): number {
    return attempt('fstat', this.path, () => fs.fstatSync(this.#open())).size
  }

  truncate(size: number): void {
    attempt('ftruncate', this.path, () => fs.ftruncateSync(this.#open(), size))
  }

  datasync(): void {
    attempt('fdatasync', this.path, () => fs.fdatasyncSync(this.#open()))
  }

  datasyncAsync(): Promise<void> {
    return attemptAsync('fdatasync', this.path, done => fs.fdatasync(this.#open(), done))
  }

  setModifiedMs(modifiedMs: number): void {
    attempt('futimes', this.path, () => fs.futimesSync(this.#open(), modifiedMs / 1000, modifiedMs / 1000))
  }

  /** Idempotent. The number of a closed file may belong to another file already, so it is forgotten first. */
  close(): void {
    const fd = this.#fd
    if (fd === closed) return
    this.#fd = closed
    attempt('close', this.path, () => fs.closeSync(fd))
  }

  #open(): number {
    if (this.#fd !== closed) return this.#fd
    throw new FileSystemError({ code: 'EBADF', syscall: 'use', path: this.path, message: `${this.path} is closed` })
  }
}

const closed = -1

function withDescriptor(path: string, flags: number, mode: number | undefined, use: (fd: number) => void): void {
  const fd = fs.openSync(path, flags, mode)
  try {
    use(fd)
  } finally {
    fs.closeSync(fd)
  }
}

function attempt<T>(syscall: string, path: string, call: () => T): T {
  try {
    return call()
  } catch (error) {
    throw fileSystemError(error, syscall, path)
  }
}

function attemptAsync(
  syscall: string,
  path: string,
  call: (done: (error: Error | null) => void) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    call(error => {
      if (error === null || error === undefined) resolve()
      else reject(fileSystemError(error, syscall, path))
    })
  })
}

function fileSystemError(cause: unknown, syscall: string, path: string): FileSystemError {
  if (cause instanceof FileSystemError) return cause
  const { code, syscall: failed } = cause as NodeJS.ErrnoException
  return new FileSystemError({ code: code ?? 'UNKNOWN', syscall: failed ?? syscall, path }, { cause })
}

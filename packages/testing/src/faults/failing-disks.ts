import { FileSystemError } from '@millrace/runtime/file-system-error'
import type { File, FileLock, FileStat, FileSystem, OpenMode } from '@millrace/runtime/ports'

/** Real files, some folders of which answer as a dying disk does: every operation below them fails with EIO, on open files too. */
export class FailingDisks implements FileSystem {
  private readonly files: FileSystem
  private readonly failing = new Set<string>()

  constructor(files: FileSystem) {
    this.files = files
  }

  /** From now on nothing below `folder` can be read or written. */
  fail(folder: string): void {
    this.failing.add(`${folder}/`)
  }

  /** Another disk with the same content is in its place. */
  repair(folder: string): void {
    this.failing.delete(`${folder}/`)
  }

  open(path: string, mode: OpenMode): File {
    return new DiskFile(this.checked('open', path).open(path, mode), this)
  }
  readFile(path: string): Buffer {
    return this.checked('read', path).readFile(path)
  }
  list(path: string): string[] {
    return this.checked('scandir', path).list(path)
  }
  stat(path: string): FileStat | null {
    return this.checked('stat', path).stat(path)
  }
  makeDirectory(path: string): void {
    this.checked('mkdir', path).makeDirectory(path)
  }
  rename(from: string, to: string): void {
    this.checked('rename', from).rename(from, to)
  }
  remove(path: string): void {
    this.checked('unlink', path).remove(path)
  }
  async removeAsync(path: string): Promise<void> {
    await this.checked('unlink', path).removeAsync(path)
  }
  async removeTree(path: string): Promise<void> {
    await this.checked('rm', path).removeTree(path)
  }
  syncDirectory(path: string): void {
    this.checked('fsync', path).syncDirectory(path)
  }
  async syncDirectoryAsync(path: string): Promise<void> {
    await this.checked('fsync', path).syncDirectoryAsync(path)
  }
  replaceFile(path: string, content: Uint8Array, mode?: number): void {
    this.checked('write', path).replaceFile(path, content, mode)
  }
  lock(path: string): FileLock {
    return this.checked('flock', path).lock(path)
  }
  space(path: string): { readonly totalBytes: number; readonly usableBytes: number } {
    return this.checked('statfs', path).space(path)
  }

  /** For DiskFile. Throws when the disk that holds `path` has failed. */
  check(syscall: string, path: string): void {
    for (const folder of this.failing) {
      if (`${path}/`.startsWith(folder)) throw new FileSystemError({ code: 'EIO', syscall, path })
    }
  }

  private checked(syscall: string, path: string): FileSystem {
    this.check(syscall, path)
    return this.files
  }
}

class DiskFile implements File {
  readonly path: string
  private readonly file: File
  private readonly disks: FailingDisks

  constructor(file: File, disks: FailingDisks) {
    this.path = file.path
    this.file = file
    this.disks = disks
  }

  write(buffer: Uint8Array, offset: number, length: number, position: number): number {
    return this.checked('write').write(buffer, offset, length, position)
  }
  async writeAsync(buffer: Uint8Array, offset: number, length: number, position: number): Promise<number> {
    return this.checked('write').writeAsync(buffer, offset, length, position)
  }
  read(buffer: Uint8Array, offset: number, length: number, position: number): number {
    return this.checked('read').read(buffer, offset, length, position)
  }
  async readAsync(buffer: Uint8Array, offset: number, length: number, position: number): Promise<number> {
    return this.checked('read').readAsync(buffer, offset, length, position)
  }
  size(): number {
    return this.checked('fstat').size()
  }
  truncate(size: number): void {
    this.checked('ftruncate').truncate(size)
  }
  datasync(): void {
    this.checked('fdatasync').datasync()
  }
  async datasyncAsync(): Promise<void> {
    await this.checked('fdatasync').datasyncAsync()
  }
  setModifiedMs(modifiedMs: number): void {
    this.checked('futimes').setModifiedMs(modifiedMs)
  }
  close(): void {
    this.file.close()
  }

  private checked(syscall: string): File {
    this.disks.check(syscall, this.path)
    return this.file
  }
}

/** A file operation failed. `code` is the system's (ENOENT, ENOSPC, EIO…), `syscall` what was asked of it, `path` of which file. */
export class FileSystemError extends Error {
  override readonly name: string = 'FileSystemError'
  readonly code: string
  readonly syscall: string
  readonly path: string

  constructor(
    fields: { code: string; syscall: string; path: string; message?: string },
    options?: { cause?: unknown },
  ) {
    super(fields.message ?? `${fields.syscall} ${fields.path}: ${fields.code}`, options)
    this.code = fields.code
    this.syscall = fields.syscall
    this.path = fields.path
  }
}

/** Another process, or another broker in this one, holds the lock on `path`. `pid` is null when the system does not tell. */
export class FileLocked extends FileSystemError {
  override readonly name = 'FileLocked'
  readonly pid: number | null

  constructor(path: string, pid: number | null, holder = pid === null ? 'another process' : `process ${pid}`) {
    super({ code: 'ELOCKED', syscall: 'lock', path, message: `${path} is locked by ${holder}` })
    this.pid = pid
  }
}

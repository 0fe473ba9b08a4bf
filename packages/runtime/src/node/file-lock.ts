import fs from 'node:fs'
import { dirname } from 'node:path'
import type * as Sqlite from 'node:sqlite'
import { FileLocked, FileSystemError } from '../file-system-error.ts'
import type { FileLock } from '../ports.ts'

const sqliteBusy = 5
const sqliteCannotOpen = 14
const sqliteNotADatabase = 26

/**
 * Takes an empty file for this process alone, as Kafka takes `<log.dir>/.lock`.
 *
 * Node offers no file locks, but SQLite, which Node carries, uses the very kind that the JVM uses (fcntl record locks on
 * POSIX, LockFileEx on Windows) and an empty file is a valid database. An exclusive transaction that never writes
 * locks bytes 2^30..2^30+511 of it; `FileChannel.tryLock` asks for the whole file, so a real Kafka broker and ours
 * exclude each other in both directions (tested with OpenJDK 17). The system drops the lock when the process ends,
 * however it ends; the file stays empty. SQLite itself keeps two holders inside one process apart.
 *
 * Record locks have a trap: closing *any* descriptor of the file in this process drops the lock. Nobody opens a lock file.
 */
export function lockFile(path: string): FileLock {
  const { DatabaseSync: Database } = sqlite(path)
  let database: Sqlite.DatabaseSync
  try {
    database = new Database(path)
    // SQLite opens what it may not write as read-only, and then BEGIN EXCLUSIVE locks nothing.
    fs.accessSync(path, fs.constants.R_OK | fs.constants.W_OK)
  } catch (error) {
    throw lockError(error, path)
  }
  try {
    // Both keep SQLite from creating files next to it, should it ever want to write.
    database.exec('PRAGMA journal_mode = MEMORY')
    database.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    throw lockError(error, path)
  }
  held.add(database)
  return {
    release: () => {
      if (held.delete(database)) database.close()
    },
  }
}

/** A lock that its owner forgot holds until the process ends: a collected database would let go of it. */
const held = new Set<Sqlite.DatabaseSync>()

/** Loaded when the first lock is taken: a program that takes none does not pay for it. */
function sqlite(path: string): typeof Sqlite {
  const module = withoutExperimentalWarning(() => process.getBuiltinModule('node:sqlite') as typeof Sqlite | undefined)
  if (module !== undefined) return module
  const message = `${path} cannot be locked: this Node was built without node:sqlite, which holds the lock`
  throw new FileSystemError({ code: 'ENOSYS', syscall: 'lock', path, message })
}

/** Node 22 calls node:sqlite experimental on the console of whoever loads it; what we use of it (open, exec, close) is settled. */
function withoutExperimentalWarning<T>(load: () => T): T {
  // oxlint-disable-next-line typescript/unbound-method -- it is put back as it was, never called from here
  const emitWarning = process.emitWarning
  process.emitWarning = () => {}
  try {
    return load()
  } finally {
    process.emitWarning = emitWarning
  }
}

function lockError(cause: unknown, path: string): FileSystemError {
  const { errcode, code: systemCode } = cause as { errcode?: number; code?: string }
  if (errcode === undefined) return new FileSystemError({ code: systemCode ?? 'EIO', syscall: 'lock', path }, { cause })
  const primary = errcode & 0xff
  if (primary === sqliteBusy) {
    const pid = lockHolder(path)
    return new FileLocked(path, pid, pid === process.pid ? 'another broker in this process' : undefined)
  }
  const code = primary === sqliteCannotOpen ? openFailure(path) : primary === sqliteNotADatabase ? 'EINVAL' : 'EIO'
  const message = primary === sqliteNotADatabase ? `${path} cannot be locked: it is not empty` : undefined
  return new FileSystemError({ code, syscall: 'lock', path, ...(message !== undefined && { message }) }, { cause })
}

/** SQLite says only that it could not open the file; the system says why. Looks without opening: see the trap above. */
function openFailure(path: string): string {
  try {
    if (fs.existsSync(path)) fs.accessSync(path, fs.constants.R_OK | fs.constants.W_OK)
    else fs.accessSync(dirname(path), fs.constants.W_OK)
    return fs.statSync(path, { throwIfNoEntry: false })?.isDirectory() === true ? 'EISDIR' : 'EIO'
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'EIO'
  }
}

/** The process that holds a record lock on the file, if the system lists locks (Linux). */
function lockHolder(path: string): number | null {
  try {
    const inode = fs.statSync(path).ino
    // 1: POSIX  ADVISORY  WRITE 9435 fe:00:9978190 1073741824 1073742335
    for (const line of fs.readFileSync('/proc/locks', 'latin1').split('\n')) {
      const [, kind, , access, pid, place] = line.split(/\s+/)
      if (kind === 'POSIX' && access === 'WRITE' && place?.endsWith(`:${inode}`) === true) return Number(pid)
    }
  } catch {
    // No /proc here, or the file went away: the holder stays unknown.
  }
  return null
}

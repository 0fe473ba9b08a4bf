import { FileLocked } from '@millrace/runtime/file-system-error'
import type { LogContext } from './log-context.ts'
import { LogDirectory } from './log-directory.ts'
import { DirectoryOffline } from './log-errors.ts'
import type { PartitionLog } from './partition-log.ts'
import { isStorageFailure } from './storage-failure.ts'

/** Wishes where logs are to be made. They are for a reassignment that is about to come, so the oldest may be forgotten. */
const wishesMax = 100_000

/** log.dirs: which of them work, which one a new log goes to, and file work in them that may take one offline. */
export class DirectorySet {
  /** In the order of the setting. */
  readonly all: readonly LogDirectory[]
  readonly #context: LogContext
  readonly #onFailed: (directory: LogDirectory, error: Error) => void
  /** By `topic-partition`: paths. */
  readonly #wishes = new Map<string, string>()

  constructor(
    context: LogContext,
    paths: readonly string[],
    onFailed: (directory: LogDirectory, error: Error) => void,
  ) {
    this.#context = context
    this.#onFailed = onFailed
    this.all = paths.map(path => new LogDirectory(context, path))
  }

  get online(): readonly LogDirectory[] {
    return this.all.filter(directory => directory.isOnline)
  }

  /** The directory with this path, which is one of log.dirs. */
  at(path: string): LogDirectory {
    return this.all.find(directory => directory.path === path)!
  }

  of(log: PartitionLog): LogDirectory {
    return this.at(log.directory)
  }

  /** Whether this is one of log.dirs, and works. */
  stateOf(path: string): 'online' | 'offline' | 'unknown' {
    const directory = this.all.find(each => each.path === path)
    if (directory === undefined) return 'unknown'
    return directory.isOnline ? 'online' : 'offline'
  }

  /** The next log with this name is made there. */
  prefer(name: string, path: string): void {
    this.#wishes.delete(name)
    this.#wishes.set(name, path)
    const [oldest] = this.#wishes.keys()
    if (this.#wishes.size > wishesMax) this.#wishes.delete(oldest!)
  }

  /** The wish is fulfilled. */
  forget(name: string): void {
    this.#wishes.delete(name)
  }

  /** Where a new log goes: where it is wished, if that works, or to the directory with the fewest logs, the first of several. Throws DirectoryOffline. */
  choose(name: string): LogDirectory {
    const path = this.#wishes.get(name)
    const { online } = this
    let best = online.find(directory => directory.path === path)
    if (best !== undefined) return best
    for (const directory of online) if (best === undefined || directory.logs.size < best.logs.size) best = directory
    if (best === undefined) throw new DirectoryOffline('every log directory is offline')
    return best
  }

  /** Runs file work on a directory; a failure takes it offline, and undefined comes back. A foreign lock is the operator's business: it is thrown. */
  attempt<T>(directory: LogDirectory, work: () => T): T | undefined {
    try {
      return work()
    } catch (error) {
      if (error instanceof FileLocked || !isStorageFailure(error)) throw error
      this.fail(directory.path, error)
      return undefined
    }
  }

  /** The same for work that waits for the disk. Failures after the directory was given back are nobody's. */
  async attemptAsync(directory: LogDirectory, work: () => Promise<unknown>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (!isStorageFailure(error)) throw error
      if (directory.isOpen) this.fail(directory.path, error)
    }
  }

  fail(path: string, error: Error): void {
    const directory = this.at(path)
    if (!directory.isOnline) return
    directory.failure = error
    this.#onFailed(directory, error)
  }

  /** Renames the folder of a log. False: it did not work, and the directory is offline. */
  rename(log: PartitionLog, path: string): boolean {
    const isDone = this.attempt(this.of(log), () => {
      this.#context.world.files.rename(log.path, path)
      log.renamed(path)
      return true
    })
    return isDone === true
  }

  /** Renames survive a power cut when it answers true. */
  sync(directory: LogDirectory): boolean {
    const isDone = this.attempt(directory, () => {
      this.#context.world.files.syncDirectory(directory.path)
      return true
    })
    return isDone === true
  }

  /** Gives all locks back. */
  release(): void {
    for (const directory of this.all) directory.release()
  }
}

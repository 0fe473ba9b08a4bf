import { FileSuffix } from '@millrace/protocol/storage/file-names'
import type { Logger } from '@millrace/runtime/logger'
import type { FileSystem, Timer, World } from '@millrace/runtime/ports'

/** Files and folders on their way out: renamed at once, removed after file.delete.delay.ms, so that readers of that moment finish. */
export class Trash {
  readonly #world: World
  readonly #logger: Logger
  readonly #pending = new Map<string, Timer>()

  constructor(world: World, logger: Logger) {
    this.#world = world
    this.#logger = logger
  }

  /** Names that wait for their removal. */
  get count(): number {
    return this.#pending.size
  }

  /** Renames the files to `.deleted` and removes them later. Missing ones are skipped; throws when a rename fails otherwise. */
  discardFiles(paths: readonly string[], delayMs: number): void {
    const { files } = this.#world
    for (const path of paths) {
      if (!renameIfThere(files, path, path + FileSuffix.deleted)) continue
      this.schedule(path + FileSuffix.deleted, delayMs, () => files.removeAsync(path + FileSuffix.deleted))
    }
  }

  /** Removes a folder that was renamed to `-delete` already. */
  discardDirectory(path: string, delayMs: number): void {
    this.schedule(path, delayMs, () => this.#world.files.removeTree(path))
  }

  /** Removes nothing more; the next start does. */
  close(): void {
    for (const timer of this.#pending.values()) timer.cancel()
    this.#pending.clear()
  }

  private schedule(path: string, delayMs: number, remove: () => void | Promise<void>): void {
    this.#pending.get(path)?.cancel()
    const run = async (): Promise<void> => {
      this.#pending.delete(path)
      try {
        await remove()
      } catch (error) {
        // It costs space only, and the next start tries again.
        this.#logger.warn('cannot remove a deleted file', { path, error: String(error) })
      }
    }
    this.#pending.set(
      path,
      this.#world.timers.after(delayMs, () => void run()),
    )
  }
}

function renameIfThere(files: FileSystem, from: string, to: string): boolean {
  try {
    files.rename(from, to)
    return true
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return false
    throw error
  }
}

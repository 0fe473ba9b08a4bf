import type { Logger } from '@millrace/runtime/logger'
import type { FileSystem } from '@millrace/runtime/ports'
import type { Coordination } from '@millrace/zookeeper/coordination'
import { readSessionFile, removeSessionFile, writeSessionFile, type StoredSession } from './session-file.ts'

export interface FormerSessionOptions {
  readonly coordination: Coordination
  readonly files: FileSystem
  /** Locked by this process. */
  readonly directories: readonly string[]
  /** `zookeeper.connect`: a password is shown to nobody else. */
  readonly servers: string
  /** Ends a session that is not the one of `coordination`. */
  readonly endSession: (session: StoredSession) => Promise<boolean>
  readonly logger: Logger
}

/**
 * A broker that was killed and is started again need not wait until ZooKeeper gives its former session up: it kept the key of
 * that session in its data folder, and ends it itself.
 */
export class FormerSession {
  readonly #options: FormerSessionOptions
  #stopListening: (() => void) | null = null

  constructor(options: FormerSessionOptions) {
    this.#options = options
  }

  /** Ends the former session, if there is one, and keeps the key of the present one from now on. */
  async replace(): Promise<void> {
    const { coordination } = this.#options
    await this.#end()
    this.#keep()
    this.#stopListening = coordination.onSessionEvent(event => {
      if (event.type === 'established') this.#keep()
    })
  }

  /** To be called when the session of `coordination` was ended in order. */
  forget(): void {
    this.#stopListening?.()
    const { files, directories } = this.#options
    for (const directory of directories) this.#attempt(() => removeSessionFile(files, directory))
  }

  async #end(): Promise<void> {
    const { files, directories, servers, endSession, coordination, logger } = this.#options
    const stored = this.#attempt(
      () => directories.map(directory => readSessionFile(files, directory, servers)).find(one => one !== null) ?? null,
    )
    if (!stored || stored.id === coordination.session?.id) return
    try {
      const wasAlive = await endSession(stored)
      if (wasAlive) logger.info('the session of the former process was ended', { session: stored.id.toString(16) })
    } catch (error) {
      // It ends by itself, later.
      logger.warn('the session of the former process could not be ended', { error })
    }
  }

  #keep(): void {
    const { coordination, files, directories, servers } = this.#options
    const { session } = coordination
    const directory = directories[0]
    if (session === null || directory === undefined) return
    this.#attempt(() => writeSessionFile(files, directory, servers, session))
  }

  /** What fails here only makes the next start slower; a disk that is broken is noticed by those who need it. */
  #attempt<T>(work: () => T): T | null {
    try {
      return work()
    } catch (error) {
      this.#options.logger.warn('session file', { error })
      return null
    }
  }
}

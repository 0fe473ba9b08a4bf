import type { Logger } from '@millrace/runtime/logger'
import type { Clock, Timer, Timers } from '@millrace/runtime/ports'
import { AnyVersion, isCoordinationError, type Coordination } from '@millrace/zookeeper/coordination'

/** Kafka's age at which any broker may remove a notification. */
const expiryMs = 15 * 60_000
const retryMs = 1000

export interface NotificationWorkerOptions {
  readonly coordination: Coordination
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: Logger
  /** Folder of sequential znodes, and how their names begin: `/config/changes`, `config_change_`. */
  readonly path: string
  readonly prefix: string
  /** Acts on one notification. What it throws is logged, and the notification counts as done. */
  readonly handle: (data: Buffer, path: string) => void | Promise<void>
}

interface Waiter {
  readonly number: number
  readonly done: () => void
}

/**
 * Follows a folder of sequential notifications: each is handled once, in order; old ones are removed. Handlers re-read
 * what a notification names, so that one which is handled again, or an older one after a newer one, does no harm.
 */
export class NotificationWorker {
  readonly #options: NotificationWorkerOptions
  #lastHandled = -1
  readonly #waiters = new Set<Waiter>()
  #isWanted = false
  #running: Promise<void> | null = null
  #retry: Timer | null = null
  #isStopped = false
  #stopListening: (() => void) | null = null

  constructor(options: NotificationWorkerOptions) {
    this.#options = options
  }

  /** Sets the watch and handles what is there already. Load the present state after it, so that no change falls between. */
  async start(): Promise<void> {
    this.#stopListening = this.#options.coordination.onSessionEvent(event => {
      // A new session has no watches, and one that came back may have lost time.
      if (event.type === 'established' || event.type === 'resumed') this.#wake()
    })
    this.#wake()
    await this.#running
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#stopListening?.()
    this.#retry?.cancel()
    await this.#running
    this.#release(Infinity)
  }

  /** Until the notification at `path` was handled, or so long. Rejects never. */
  untilHandled(path: string, timeoutMs: number): Promise<void> {
    const number = this.#numberOf(path)
    if (this.#isStopped || number <= this.#lastHandled) return Promise.resolve()
    return new Promise(resolve => {
      const done = (): void => {
        this.#waiters.delete(waiter)
        timer.cancel()
        resolve()
      }
      const waiter: Waiter = { number, done }
      const timer = this.#options.timers.after(timeoutMs, done)
      this.#waiters.add(waiter)
    })
  }

  #release(number: number): void {
    for (const waiter of this.#waiters) if (waiter.number <= number) waiter.done()
  }

  #numberOf(path: string): number {
    const { path: folder, prefix } = this.#options
    return Number(path.slice(folder.length + 1 + prefix.length))
  }

  /** However many wake it meanwhile, it looks once more. */
  #wake(): void {
    if (this.#isStopped) return
    this.#isWanted = true
    this.#running ??= this.#run().finally(() => {
      this.#running = null
    })
  }

  async #run(): Promise<void> {
    while (this.#isWanted && !this.#isStopped) {
      this.#isWanted = false
      try {
        await this.#handleNew()
      } catch (error) {
        const { logger, timers, path } = this.#options
        logger.warn('notifications could not be read, trying again', { path, error })
        this.#retry?.cancel()
        this.#retry = timers.after(retryMs, () => this.#wake())
        return
      }
    }
  }

  async #handleNew(): Promise<void> {
    const { coordination, path, prefix } = this.#options
    const names = await coordination.children(path, () => this.#wake())
    const notifications = names
      .filter(name => name.startsWith(prefix))
      .map(name => `${path}/${name}`)
      .map(each => ({ path: each, number: this.#numberOf(each) }))
      .filter(each => Number.isSafeInteger(each.number))
      .sort((a, b) => a.number - b.number)
    for (const notification of notifications) {
      if (notification.number <= this.#lastHandled) continue
      if (this.#isStopped) return
      await this.#handleOne(notification.path)
      this.#lastHandled = notification.number
      this.#release(notification.number)
    }
    await this.#removeOld(notifications.map(each => each.path))
  }

  async #handleOne(path: string): Promise<void> {
    const { coordination, logger, handle } = this.#options
    let data: Buffer
    try {
      data = (await coordination.get(path)).data
    } catch (error) {
      if (isCoordinationError(error, 'NO_NODE')) return // Removed as too old.
      throw error
    }
    try {
      await handle(data, path)
    } catch (error) {
      // Connection trouble while handling: the whole run is tried again. Anything else would fail again.
      if (isCoordinationError(error, 'NOT_CONNECTED', 'UNKNOWN_OUTCOME', 'SESSION_EXPIRED')) throw error
      logger.error('notification could not be handled', { path, error })
    }
  }

  async #removeOld(paths: readonly string[]): Promise<void> {
    const { coordination, clock } = this.#options
    const oldestMs = clock.wallMs() - expiryMs
    // Sorted by age: the first that is young enough ends it.
    for (const path of paths) {
      const stat = await coordination.exists(path)
      if (stat === null) continue
      if (stat.createdMs >= oldestMs) return
      await coordination.delete(path, AnyVersion).catch((error: unknown) => {
        if (!isCoordinationError(error, 'NO_NODE')) throw error // Another broker was faster.
      })
    }
  }
}

import type { Logger } from '@millrace/runtime/logger'
import type { Timer, Timers } from '@millrace/runtime/ports'
import type { Coordination } from '@millrace/zookeeper/coordination'
import { logDirEventPrefix, logDirEventZnode } from './znodes.ts'

export interface LogDirFailureNoticeOptions {
  readonly coordination: Pick<Coordination, 'create'>
  readonly brokerId: number
  readonly timers: Timers
  readonly logger: Logger
}

const retryMs = 1_000

/**
 * Tells the controller that a log directory of this broker failed (KIP-112): its replicas have to be led by others. Again and again until
 * it is written, as ZooKeeper may be away just then. One notice is enough for several failures, and two do no harm: the controller asks
 * the broker which replicas are offline.
 */
export class LogDirFailureNotice {
  readonly #options: LogDirFailureNoticeOptions
  #retry: Timer | null = null
  #isClosed = false

  constructor(options: LogDirFailureNoticeOptions) {
    this.#options = options
  }

  tell(): void {
    const { coordination, brokerId, timers, logger } = this.#options
    this.#retry?.cancel()
    this.#retry = null
    coordination
      .create(logDirEventPrefix, logDirEventZnode.encode(brokerId), { mode: 'persistent-sequential' })
      .catch((error: unknown) => {
        if (this.#isClosed) return
        logger.warn('the controller was not told of a failed log directory: once more', { error: String(error) })
        this.#retry?.cancel()
        this.#retry = timers.after(retryMs, () => this.tell())
      })
  }

  close(): void {
    this.#isClosed = true
    this.#retry?.cancel()
  }
}

import type { Logger } from '@millrace/runtime/logger'
import type { SessionEvent } from './coordination.ts'

export type SessionListener = (event: SessionEvent) => void | Promise<void>

/** Those who asked to hear of the session. A listener that throws or rejects is logged and does not keep the others from hearing. */
export class SessionListeners {
  readonly #logger: Logger
  readonly #listeners = new Set<SessionListener>()

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** Answers the way back. The same function may listen once only. */
  add(listener: SessionListener): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Calls every listener now; resolves when all that they started has settled. Never rejects. */
  async tell(event: SessionEvent): Promise<void> {
    await Promise.all([...this.#listeners].map(listener => this.#tellOne(listener, event)))
  }

  async #tellOne(listener: SessionListener, event: SessionEvent): Promise<void> {
    try {
      await listener(event)
    } catch (error) {
      this.#logger.error('session listener failed', { event: event.type, generation: event.generation, error })
    }
  }
}

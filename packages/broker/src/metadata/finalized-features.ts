import type { Logger } from '@millrace/runtime/logger'
import type { Coordination } from '@millrace/zookeeper/coordination'
import { featureZnode } from './znodes.ts'

/**
 * Follows `/feature`, which the controller writes: its data version is the finalized features epoch that ApiVersions answers
 * (KIP-584). A broker of the ZooKeeper era supports no feature, so the content does not matter to it.
 */
export class FinalizedFeatures {
  readonly #coordination: Coordination
  readonly #logger: Logger
  #epoch = -1
  #stopListening: (() => void) | null = null

  constructor({ coordination, logger }: { readonly coordination: Coordination; readonly logger: Logger }) {
    this.#coordination = coordination
    this.#logger = logger
  }

  /** -1: not known yet. */
  get epoch(): number {
    return this.#epoch
  }

  async start(): Promise<void> {
    this.#stopListening = this.#coordination.onSessionEvent(event => {
      // A new session has no watches.
      if (event.type === 'established') this.#look()
    })
    await this.#read()
  }

  stop(): void {
    this.#stopListening?.()
  }

  #look(): void {
    this.#read().catch((error: unknown) => this.#logger.debug('/feature could not be read', { error }))
  }

  async #read(): Promise<void> {
    const stat = await this.#coordination.exists(featureZnode.path(), () => this.#look())
    this.#epoch = stat?.version ?? -1
  }
}

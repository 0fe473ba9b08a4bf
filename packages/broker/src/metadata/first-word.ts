import type { MetadataCache } from './metadata-cache.ts'

/** Kafka's brokers do not wait at all; a controller that is being elected takes about this long. */
const patienceMs = 3_000

/**
 * A broker that has just started knows nothing until the controller's first words. Clients that ask it meanwhile would hear that
 * their topics do not exist; librdkafka believes it and fails what it has queued. So their question waits, for a moment.
 * The first word of a new controller names brokers only: where there are topics (`MetadataCache.expect`), they are waited for, too.
 */
export class FirstWord {
  readonly #metadata: MetadataCache
  #isOver = false
  #waiting: Promise<void> | null = null

  constructor(metadata: MetadataCache) {
    this.#metadata = metadata
  }

  /** Null: there is no need to wait, now or later. Resolves when the controller has spoken, or has not for three seconds. */
  wait(): Promise<void> | null {
    if (this.#isOver) return null
    if (this.#isSaid(this.#metadata)) {
      this.#isOver = true
      return null
    }
    return (this.#waiting ??= this.#metadata
      .until(cache => this.#isSaid(cache), patienceMs)
      .then(() => {
        this.#isOver = true
      }))
  }

  #isSaid(cache: MetadataCache): boolean {
    if (cache.controllerId < 0) return false
    const [firstTopic] = cache.topicNames()
    return firstTopic !== undefined || cache.expectedTopics().length === 0
  }
}

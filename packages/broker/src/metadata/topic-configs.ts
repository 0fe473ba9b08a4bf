import type { Logger } from '@millrace/runtime/logger'
import type { BrokerSettings } from '../settings/broker-settings.ts'
import { parseTopicOverrides } from '../settings/topic-overrides.ts'
import { effectiveTopicSettings, type TopicSettings } from '../settings/topic-settings.ts'
import { topicEntity, type ConfigStore, type ConfigValues } from './config-store.ts'

const nothing: ConfigValues = new Map()

/** The topics' own settings as this broker knows them, and what they come to together with the broker's. */
export class TopicConfigs {
  readonly #store: Pick<ConfigStore, 'read'>
  readonly #broker: BrokerSettings
  readonly #logger: Logger
  readonly #overrides = new Map<string, ConfigValues>()
  readonly #effective = new Map<string, TopicSettings>()
  readonly #listeners = new Set<(topic: string | null) => void>()
  #defaults: TopicSettings | null = null

  constructor(options: {
    readonly store: Pick<ConfigStore, 'read'>
    readonly broker: BrokerSettings
    readonly logger: Logger
  }) {
    this.#store = options.store
    this.#broker = options.broker
    this.#logger = options.logger
  }

  /** As last heard; the broker's own for a topic that says nothing. The same object until something changes. */
  settingsOf(topic: string): TopicSettings {
    const overrides = this.#overrides.get(topic)
    if (overrides === undefined) return (this.#defaults ??= effectiveTopicSettings(nothing, this.#broker))
    let settings = this.#effective.get(topic)
    if (settings === undefined) this.#effective.set(topic, (settings = effectiveTopicSettings(overrides, this.#broker)))
    return settings
  }

  /**
   * Asks ZooKeeper: the config of a new topic is written without a notification, and a topic that was deleted and made
   * again has a new one. Ask when a partition comes to this broker.
   */
  async load(topic: string): Promise<TopicSettings> {
    this.apply(topic, await this.#store.read(topicEntity(topic)))
    return this.settingsOf(topic)
  }

  /** Values that do not parse are left out and logged. */
  apply(topic: string, overrides: ConfigValues): void {
    if (sameValues(this.#overrides.get(topic) ?? nothing, overrides)) return
    for (const problem of parseTopicOverrides(overrides).problems) {
      this.#logger.warn('stored topic config ignored', { topic, problem: problem.message })
    }
    if (overrides.size === 0) this.#overrides.delete(topic)
    else this.#overrides.set(topic, overrides)
    this.#effective.delete(topic)
    this.#tell(topic)
  }

  forget(topic: string): void {
    this.#overrides.delete(topic)
    this.#effective.delete(topic)
  }

  /** Call when broker settings have changed: every topic may have other settings now. */
  brokerSettingsChanged(): void {
    this.#defaults = null
    this.#effective.clear()
    this.#tell(null)
  }

  /** Called with the topic whose settings changed, or null when all may have. Answers a function that removes it. */
  onChange(listener: (topic: string | null) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #tell(topic: string | null): void {
    for (const listener of [...this.#listeners]) listener(topic)
  }
}

function sameValues(a: ConfigValues, b: ConfigValues): boolean {
  return a.size === b.size && [...a].every(([key, value]) => b.get(key) === value)
}

import type { Logger } from '@millrace/runtime/logger'
import type { BrokerSettingName, BrokerSettings, BrokerSettingValues } from './broker-settings.ts'
import { changedSettings, storedValueProblem, validateDynamicConfig, validateTransition } from './dynamic.ts'
import { unitFamily } from './derived.ts'
import { SettingsSnapshot } from './snapshot.ts'

type Values = ReadonlyMap<string, string>

/**
 * The broker's settings with the dynamic configs over them (KIP-226): per broker > cluster-wide > file > default.
 * Everybody holds this one object and asks it again; `onChange` is for those who have to act.
 */
export class LiveBrokerSettings implements BrokerSettings {
  readonly #file: SettingsSnapshot
  readonly #brokerId: number
  readonly #logger: Logger
  readonly #listeners = new Set<(changed: ReadonlySet<BrokerSettingName>) => void>()
  #perBroker: Values = new Map()
  #clusterDefault: Values = new Map()
  #current: SettingsSnapshot

  /** `brokerId` as resolved, which the file may not say. */
  constructor(options: { readonly file: SettingsSnapshot; readonly brokerId: number; readonly logger: Logger }) {
    this.#file = options.file
    this.#brokerId = options.brokerId
    this.#logger = options.logger
    this.#current = this.#merge(this.#perBroker, this.#clusterDefault)
  }

  get<Name extends BrokerSettingName>(name: Name): BrokerSettingValues[Name] {
    return this.#current.get(name)
  }

  text(name: BrokerSettingName): string | null {
    return this.#current.text(name)
  }

  onListener<Name extends BrokerSettingName>(listener: string, name: Name): BrokerSettingValues[Name] | undefined {
    return this.#current.onListener(listener, name)
  }

  get brokerId(): number {
    return this.#brokerId
  }

  /** What was given where, for DescribeConfigs: the values in force, unusable ones left out. */
  get layers(): { readonly perBroker: Values; readonly clusterDefault: Values; readonly file: Values } {
    return { perBroker: this.#perBroker, clusterDefault: this.#clusterDefault, file: this.#file.given }
  }

  /** Everything that was given anywhere, the winner of each key. */
  get given(): Values {
    return this.#current.given
  }

  /** Complete values of `/config/brokers/<id>`. */
  applyPerBroker(stored: Values): void {
    this.#apply(this.#usable(stored, true), this.#clusterDefault)
  }

  /** Complete values of `/config/brokers/<default>`. */
  applyClusterDefault(stored: Values): void {
    this.#apply(this.#perBroker, this.#usable(stored, false))
  }

  /** Called after each change with the names of the settings that have other values now. Answers a function that removes it. */
  onChange(listener: (changed: ReadonlySet<BrokerSettingName>) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Before new values of an entity are stored. Throws InvalidDynamicConfig. */
  validate(values: Values, isPerBroker: boolean): void {
    validateDynamicConfig(values, isPerBroker)
    const perBroker = isPerBroker ? values : this.#perBroker
    const clusterDefault = isPerBroker ? this.#clusterDefault : values
    validateTransition(this.#current, this.#merge(perBroker, clusterDefault))
  }

  #apply(perBroker: Values, clusterDefault: Values): void {
    const next = this.#merge(perBroker, clusterDefault)
    const changed = changedSettings(this.#current, next)
    this.#perBroker = perBroker
    this.#clusterDefault = clusterDefault
    this.#current = next
    if (changed.size === 0) return
    this.#logger.info('broker settings changed', {
      settings: Object.fromEntries([...changed].map(name => [name, next.text(name)])),
    })
    for (const listener of [...this.#listeners]) listener(changed)
  }

  #usable(stored: Values, isPerBroker: boolean): Values {
    const usable = new Map<string, string>()
    for (const [key, value] of stored) {
      const problem = storedValueProblem(key, value, isPerBroker)
      if (problem === null) usable.set(key, value)
      else this.#logger.warn('stored broker config ignored', { key, problem })
    }
    return usable
  }

  #merge(perBroker: Values, clusterDefault: Values): SettingsSnapshot {
    const given = new Map(this.#file.given)
    for (const [key, value] of [...clusterDefault, ...perBroker]) {
      // The unit that is set while running speaks alone, as in Kafka.
      for (const other of unitFamily(key) ?? []) given.delete(other)
      given.set(key, value)
    }
    return new SettingsSnapshot(given, { 'broker.id': this.#brokerId, 'node.id': this.#brokerId })
  }
}

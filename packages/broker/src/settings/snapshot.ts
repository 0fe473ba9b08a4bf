import {
  brokerSettingRows,
  type BrokerSettingName,
  type BrokerSettings,
  type BrokerSettingValues,
} from './broker-settings.ts'
import type { SettingRow } from './setting.ts'
import { defaultValue, parseValue, type ParsedValue } from './value.ts'

const noValue: ParsedValue = { value: undefined, text: null }

/** Parsed when first asked for: a broker asks for some hundred of the four hundred. */
const defaults = new Map<BrokerSettingName, ParsedValue>()

function defaultOf(name: BrokerSettingName): ParsedValue {
  let value = defaults.get(name)
  if (value !== undefined) return value
  const row = rowOf(name)
  value = row === undefined ? noValue : defaultValue(row)
  defaults.set(name, value)
  return value
}

/** Settings that stand still: given values over defaults. */
export class SettingsSnapshot implements BrokerSettings {
  /** Of what was given or found out. */
  readonly #values = new Map<string, ParsedValue>()
  readonly #given: ReadonlyMap<string, string>

  /**
   * `given` as somebody wrote it, unknown keys included. Throws InvalidSetting for a value that does not parse.
   * `resolved` are values that were found out since.
   */
  constructor(given: ReadonlyMap<string, string>, resolved: { readonly [Name in BrokerSettingName]?: number } = {}) {
    this.#given = given
    for (const [key, text] of given) {
      const row = listenerRow(key)?.row ?? rowOf(key)
      if (row !== undefined) this.#values.set(key, parseValue(key, row, text))
    }
    for (const [key, value] of Object.entries(resolved)) this.#values.set(key, { value, text: String(value) })
  }

  get<Name extends BrokerSettingName>(name: Name): BrokerSettingValues[Name] {
    return (this.#values.get(name) ?? defaultOf(name)).value as BrokerSettingValues[Name]
  }

  text(name: BrokerSettingName): string | null {
    return (this.#values.get(name) ?? defaultOf(name)).text
  }

  onListener<Name extends BrokerSettingName>(listener: string, name: Name): BrokerSettingValues[Name] | undefined {
    return this.#values.get(`listener.name.${listener.toLowerCase()}.${name}`)?.value as
      BrokerSettingValues[Name] | undefined
  }

  /** As somebody wrote them, unknown keys included. */
  get given(): ReadonlyMap<string, string> {
    return this.#given
  }
}

const rowOf = (key: string): SettingRow | undefined =>
  Object.hasOwn(brokerSettingRows, key) ? brokerSettingRows[key as BrokerSettingName] : undefined

/** `listener.name.internal.max.connections` (and `…internal.scram-sha-256.sasl.jaas.config`): the listener, and the row that it means. */
export function listenerRow(
  key: string,
): { readonly listener: string; readonly base: string; readonly row: SettingRow | undefined } | null {
  const parts = /^listener\.name\.([^.]+)\.(.+)$/.exec(key)
  if (parts === null) return null
  const [, listener = '', rest = ''] = parts
  const mechanismSetting = perMechanism.find(name => rest.endsWith(`.${name}`))
  const base = mechanismSetting ?? rest
  return { listener: listener.toUpperCase(), base, row: rowOf(base) }
}

/** Settings that a listener may have once per SASL mechanism. */
const perMechanism = [
  'sasl.jaas.config',
  'sasl.login.callback.handler.class',
  'sasl.login.class',
  'sasl.server.callback.handler.class',
  'connections.max.reauth.ms',
]

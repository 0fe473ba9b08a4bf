import { brokerSettingRow, isBrokerSetting } from './broker-settings.ts'
import { checkSettings, type CheckOptions } from './checks.ts'
import { ConfigError, type ConfigProblem } from './config-error.ts'
import { parseListeners, type ListenerSettings } from './listeners.ts'
import type { Properties } from './properties.ts'
import { everybodyMay } from './rows/security.ts'
import type { SettingRow } from './setting.ts'
import { listenerRow, SettingsSnapshot } from './snapshot.ts'
import { InvalidSetting, parseValue } from './value.ts'

/** Something that the operator should know and that does not keep the broker from starting. */
export interface ConfigWarning {
  readonly key: string
  readonly message: string
}

export interface ParsedBrokerSettings {
  readonly settings: SettingsSnapshot
  readonly listeners: ListenerSettings
  readonly warnings: readonly ConfigWarning[]
}

/**
 * A properties file and what the command line puts over it. Throws ConfigError with everything that is wrong; unknown
 * keys and keys without effect become warnings.
 */
export function parseBrokerSettings(
  properties: Properties,
  overrides: Properties = new Map(),
  options: CheckOptions = { coordination: 'ensemble' },
): ParsedBrokerSettings {
  const given = withAliases(new Map([...properties, ...overrides]))
  const problems: ConfigProblem[] = []
  const warnings: ConfigWarning[] = []
  const valid = new Map<string, string>()
  for (const [key, value] of given) {
    const row = brokerSettingRow(key) ?? listenerRow(key)?.row
    const problem = row === undefined ? null : problemWith(key, row, value)
    if (problem === null) valid.set(key, value)
    else problems.push(problem)
    const warning = warningAbout(key, row)
    if (warning !== null) warnings.push({ key, message: warning })
  }
  // The checks see the default in place of a value that does not parse: what they find is worth telling all the same.
  const settings = new SettingsSnapshot(valid)
  const report = (problem: ConfigProblem): void => {
    if (!problems.some(known => known.key === problem.key && known.expectation === problem.expectation)) {
      problems.push(problem)
    }
  }
  const listeners = parseListeners(settings, report)
  checkSettings(settings, given, options, report)
  if (problems.length > 0) throw new ConfigError(problems)
  return { settings, listeners, warnings }
}

/** Pairs of names for one thing: the one that was given speaks for the other. */
const aliases = [
  ['broker.id', 'node.id'],
  ['delegation.token.secret.key', 'delegation.token.master.key'],
] as const

function withAliases(given: Map<string, string>): Map<string, string> {
  for (const [name, other] of aliases) {
    const value = given.get(name) ?? given.get(other)
    if (value !== undefined && !given.has(name)) given.set(name, value)
  }
  return given
}

function problemWith(key: string, row: SettingRow, value: string): ConfigProblem | null {
  if (row.isDynamicOnly === true) {
    return { key, value, expectation: 'expected to be set with the admin API while running, not in a file' }
  }
  try {
    parseValue(key, row, value)
    return null
  } catch (error) {
    if (!(error instanceof InvalidSetting)) throw error
    return { key, value: row.type === 'PASSWORD' ? '[hidden]' : value, expectation: error.why }
  }
}

/** Read by Kafka's authorizer, not by its broker: not among the rows. */
const authorizerKeys = /^(super\.users|allow\.everyone\.if\.no\.acl\.found|authorizer\.zookeeper\..+)$/

function warningAbout(key: string, row: SettingRow | undefined): string | null {
  if (row === undefined) {
    return authorizerKeys.test(key) ? effectless('security', everybodyMay) : 'unknown setting, ignored'
  }
  if (row.status.kind === 'never') return `set, but has no effect: ${row.status.why}`
  if (row.status.kind === 'not yet') return effectless(row.status.issue, row.status.meanwhile)
  if (isBrokerSetting(key) || ofOneListener.has(listenerRow(key)?.base ?? '')) return null
  return 'set, but has no effect yet for one listener alone'
}

/** What `listener.name.<listener>.` may stand before. */
const ofOneListener: ReadonlySet<string> = new Set(['max.connections', 'max.connection.creation.rate'])

const effectless = (issue: string, meanwhile?: string): string =>
  `set, but has no effect yet: it comes with the ${issue} issue${meanwhile === undefined ? '' : `. Until then ${meanwhile}`}`

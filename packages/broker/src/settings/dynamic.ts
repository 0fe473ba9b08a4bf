import { brokerSettingRow, brokerSettingRows, isBrokerSetting, type BrokerSettingName } from './broker-settings.ts'
import { listenerRow, type SettingsSnapshot } from './snapshot.ts'
import { InvalidSetting, parseValue } from './value.ts'

/** A change of a broker's dynamic config that was refused; the message is Kafka's where Kafka refuses it too. */
export class InvalidDynamicConfig extends Error {
  override readonly name = 'InvalidDynamicConfig'
}

/** For DescribeConfigs: whether a setting may change while the broker runs. */
export const isDynamic = (name: string): boolean => {
  const row = brokerSettingRow(name)
  return row !== undefined && row.update !== 'read-only' && row.isDynamicOnly !== true
}

type Values = ReadonlyMap<string, string>

/** One rule: the keys that break it, and what to say of them; the first that is broken speaks. */
const rules: readonly {
  readonly why: string
  breaks(key: string, isPerBroker: boolean): boolean
}[] = [
  {
    why: 'Cannot update these configs dynamically',
    breaks: key => brokerSettingRow(key)?.update === 'read-only',
  },
  {
    why: 'These security configs can be dynamically updated only per-listener using the listener prefix',
    breaks: key => /^ssl\.(key\.password$|keystore\.|truststore\.)/.test(key),
  },
  {
    why: 'Cannot update these configs at default cluster level, broker id must be specified',
    breaks: (key, isPerBroker) => {
      if (isPerBroker) return false
      const base = listenerRow(key)?.base
      return base === undefined ? brokerSettingRow(key)?.update === 'per-broker' : !clusterLevel.includes(base)
    },
  },
  {
    why: 'Passwords are stored encrypted, which is not built yet (security)',
    breaks: key => (brokerSettingRow(key) ?? listenerRow(key)?.row)?.type === 'PASSWORD',
  },
  {
    why: 'Changing listeners while running is not built yet',
    breaks: key => key === 'listeners' || key === 'advertised.listeners' || key === 'listener.security.protocol.map',
  },
]
/** Per listener, and yet for all brokers at once. */
const clusterLevel = ['max.connections', 'max.connection.creation.rate', 'num.network.threads']

/** The rules of 9.3 that look at one entity alone. Throws InvalidDynamicConfig. Unknown keys are plugins' and pass. */
export function validateDynamicConfig(values: Values, isPerBroker: boolean): void {
  for (const rule of rules) {
    const culprits = [...values.keys()].filter(key => rule.breaks(key, isPerBroker))
    if (culprits.length > 0) throw new InvalidDynamicConfig(`${rule.why}: ${setText(culprits)}`)
  }
  for (const [key, value] of values) {
    const problem = valueProblem(key, value)
    if (problem !== null) throw new InvalidDynamicConfig(problem)
  }
}

/** What is wrong with one value by itself; null for nothing, and for keys that nobody knows. */
export function valueProblem(key: string, value: string): string | null {
  const row = brokerSettingRow(key) ?? listenerRow(key)?.row
  if (row === undefined) return null
  try {
    parseValue(key, row, value)
    return null
  } catch (error) {
    if (error instanceof InvalidSetting) return error.message
    throw error
  }
}

/** Why a stored value is left out when it is loaded; null for one that may take effect. */
export function storedValueProblem(key: string, value: string, isPerBroker: boolean): string | null {
  const broken = rules.find(rule => rule.breaks(key, isPerBroker))
  return broken === undefined ? valueProblem(key, value) : broken.why
}

const setText = (keys: readonly string[]): string => `Set(${keys.join(', ')})`

const threadPools = [
  'num.io.threads',
  'num.network.threads',
  'num.replica.fetchers',
  'num.recovery.threads.per.data.dir',
  'background.threads',
  'log.cleaner.threads',
] as const

/** The rules that compare with what is in force now, and values with each other. Throws InvalidDynamicConfig. */
export function validateTransition(now: SettingsSnapshot, next: SettingsSnapshot): void {
  for (const key of threadPools) {
    const [before, after] = [now.get(key), next.get(key)]
    if (before === after) continue
    const what = `Dynamic thread count update validation failed for ${key}=${after}`
    if (after <= 0) throw new InvalidDynamicConfig(`${what}, value should be at least 1`)
    if (after < before / 2) {
      throw new InvalidDynamicConfig(`${what}, value should be at least half the current value ${before}`)
    }
    if (after > before * 2) {
      throw new InvalidDynamicConfig(`${what}, value should not be greater than double the current value ${before}`)
    }
  }
  const threads = next.get('log.cleaner.threads')
  if (next.get('log.cleaner.dedupe.buffer.size') < threads * 1_048_576) {
    throw new InvalidDynamicConfig('log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread')
  }
  const lag = { min: next.get('log.cleaner.min.compaction.lag.ms'), max: next.get('log.cleaner.max.compaction.lag.ms') }
  if (lag.min > lag.max) {
    throw new InvalidDynamicConfig(
      `conflict topic config setting log.cleaner.min.compaction.lag.ms (${lag.min}) > log.cleaner.max.compaction.lag.ms (${lag.max})`,
    )
  }
  if (next.get('max.connections.per.ip') === 0 && next.get('max.connections.per.ip.overrides') === '') {
    throw new InvalidDynamicConfig(
      'max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set.',
    )
  }
}

/** Settings whose values differ. */
export function changedSettings(before: SettingsSnapshot, after: SettingsSnapshot): Set<BrokerSettingName> {
  const names = Object.keys(brokerSettingRows).filter(isBrokerSetting)
  return new Set(names.filter(name => before.text(name) !== after.text(name)))
}

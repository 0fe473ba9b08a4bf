import { groupSettings } from './rows/groups.ts'
import { logSettings } from './rows/log.ts'
import { millraceSettings } from './rows/millrace.ts'
import { networkSettings } from './rows/network.ts'
import { otherSettings } from './rows/other.ts'
import { quotaSettings } from './rows/quotas.ts'
import { replicationSettings } from './rows/replication.ts'
import { kraftSettings } from './rows/kraft.ts'
import { saslSettings } from './rows/security-sasl.ts'
import { securitySettings } from './rows/security.ts'
import { tieredStorageSettings } from './rows/tiered-storage.ts'
import { topicDefaultSettings } from './rows/topic-defaults.ts'
import { transactionSettings } from './rows/transactions.ts'
import { zookeeperSettings } from './rows/zookeeper.ts'
import type { SettingRow, ValuesOf } from './setting.ts'

/** Every setting of a broker, Kafka's names and, at the end, ours. Rooms of the house have a file each. */
export const brokerSettingRows = {
  ...zookeeperSettings,
  ...networkSettings,
  ...topicDefaultSettings,
  ...logSettings,
  ...replicationSettings,
  ...groupSettings,
  ...transactionSettings,
  ...securitySettings,
  ...saslSettings,
  ...quotaSettings,
  ...tieredStorageSettings,
  ...kraftSettings,
  ...otherSettings,
  ...millraceSettings,
} as const

export type BrokerSettingName = keyof typeof brokerSettingRows
export type BrokerSettingValues = ValuesOf<typeof brokerSettingRows>

/**
 * The settings of one broker as everybody reads them. What `parse.ts` answers never changes; what `overrides.ts`
 * answers follows the dynamic configs, so ask again rather than keep a value that may change.
 */
export interface BrokerSettings {
  get<Name extends BrokerSettingName>(name: Name): BrokerSettingValues[Name]
  /** As Kafka would print it; null when it has no value. Secrets come out as `[hidden]`. */
  text(name: BrokerSettingName): string | null
  /** What `listener.name.<listener>.<name>` says; undefined where it says nothing. */
  onListener<Name extends BrokerSettingName>(listener: string, name: Name): BrokerSettingValues[Name] | undefined
}

export const isBrokerSetting = (name: string): name is BrokerSettingName => Object.hasOwn(brokerSettingRows, name)

/** The row behind a name that may come from anywhere. */
export const brokerSettingRow = (name: string): SettingRow | undefined =>
  isBrokerSetting(name) ? brokerSettingRows[name] : undefined

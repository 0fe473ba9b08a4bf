import { isBrokerSetting, type BrokerSettings } from './broker-settings.ts'
import type { SettingRow } from './setting.ts'
import type { TopicOverrides } from './topic-overrides.ts'

/*
 * Settings that one alone does not decide. Of a family with several units the finest one that is set wins.
 */

const unitFamilies: readonly (readonly string[])[] = [
  ['log.roll.ms', 'log.roll.hours'],
  ['log.roll.jitter.ms', 'log.roll.jitter.hours'],
  ['log.retention.ms', 'log.retention.minutes', 'log.retention.hours'],
]

/** All names for what `name` says, the finest unit first; undefined where there is only the one. */
export const unitFamily = (name: string): readonly string[] | undefined =>
  unitFamilies.find(family => family.includes(name))

const minuteMs = 60_000
const hourMs = 60 * minuteMs

/** -1: without end, as is any negative value. */
export function logRetentionMs(settings: BrokerSettings): number {
  const minutes = settings.get('log.retention.minutes')
  const coarse = minutes === null ? settings.get('log.retention.hours') * hourMs : minutes * minuteMs
  const ms = settings.get('log.retention.ms') ?? coarse
  return ms < 0 ? -1 : ms
}

export function logRollMs(settings: BrokerSettings): number {
  return settings.get('log.roll.ms') ?? settings.get('log.roll.hours') * hourMs
}

export function logRollJitterMs(settings: BrokerSettings): number {
  return settings.get('log.roll.jitter.ms') ?? settings.get('log.roll.jitter.hours') * hourMs
}

export function logFlushMs(settings: BrokerSettings): number {
  return settings.get('log.flush.interval.ms') ?? settings.get('log.flush.scheduler.interval.ms')
}

/** Absolute or relative paths as given, in order, each once. */
export function logDirectories(settings: BrokerSettings): string[] {
  const text = settings.get('log.dirs') ?? settings.get('log.dir')
  const paths = text.split(',').map(path => path.trim())
  return [...new Set(paths.filter(path => path !== ''))]
}

/** The older `difference.max` speaks only where neither bound was given. */
export function timestampBeforeMaxMs(topic: TopicOverrides, settings: BrokerSettings): number {
  const own = topic['message.timestamp.before.max.ms'] ?? settings.get('log.message.timestamp.before.max.ms')
  return own === Number.MAX_SAFE_INTEGER ? timestampDifferenceMaxMs(topic, settings) : own
}

export function timestampAfterMaxMs(topic: TopicOverrides, settings: BrokerSettings): number {
  const own = topic['message.timestamp.after.max.ms'] ?? settings.get('log.message.timestamp.after.max.ms')
  return own === Number.MAX_SAFE_INTEGER ? timestampDifferenceMaxMs(topic, settings) : own
}

const timestampDifferenceMaxMs = (topic: TopicOverrides, settings: BrokerSettings): number =>
  topic['message.timestamp.difference.max.ms'] ?? settings.get('log.message.timestamp.difference.max.ms')

/** How long to wait for the first ZooKeeper session. */
export function zookeeperConnectionTimeoutMs(settings: BrokerSettings): number {
  return settings.get('zookeeper.connection.timeout.ms') ?? settings.get('zookeeper.session.timeout.ms')
}

/** Most connections from one address: `max.connections.per.ip.overrides` names host names or addresses. */
export function maxConnectionsPerIpOverrides(settings: BrokerSettings): ReadonlyMap<string, number> {
  return parseConnectionOverrides(settings.get('max.connections.per.ip.overrides')) ?? new Map()
}

/** `host:count,host:count`; the count stands after the last colon. Null when the text is something else. */
export function parseConnectionOverrides(text: string): Map<string, number> | null {
  const overrides = new Map<string, number>()
  for (const element of text.split(',').map(part => part.trim())) {
    if (element === '') continue
    const parts = /^(.+):\s*(\d+)$/.exec(element)
    if (parts === null) return null
    overrides.set((parts[1] ?? '').trim().replace(/^\[(.*)\]$/, '$1'), Number(parts[2]))
  }
  return overrides
}

/** What a topic that says nothing of its own gets, as Kafka prints it. */
export function topicDefaultText(name: string, row: SettingRow, settings: Pick<BrokerSettings, 'text'>): string | null {
  const text = (setting: string): string | null => (isBrokerSetting(setting) ? settings.text(setting) : null)
  const [finest = '', ...coarser] = row.brokerSynonyms ?? []
  const given = text(finest)
  if (name === 'retention.ms' && given !== null && given.startsWith('-')) return '-1'
  if (given !== null) return isUnset(name, given) ? text('log.message.timestamp.difference.max.ms') : given
  for (const setting of coarser) {
    const value = text(setting)
    if (value === null) continue
    return setting.endsWith('.ms') ? value : String(Math.max(Number(value) * unitMs(setting), -1))
  }
  return row.default
}

const unitMs = (setting: string): number => (setting.endsWith('.minutes') ? minuteMs : hourMs)

/** The two bounds of a timestamp, where the older setting for both speaks. */
const isUnset = (name: string, text: string): boolean =>
  /^message\.timestamp\.(before|after)\.max\.ms$/.test(name) && text === '9223372036854775807'

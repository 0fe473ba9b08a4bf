import type {
  DescribeConfigsResourceResult as ConfigRow,
  DescribeConfigsSynonym as Synonym,
} from '@millrace/protocol/messages/32-describe-configs'
import { brokerSettingRow, brokerSettingRows, isBrokerSetting } from '../settings/broker-settings.ts'
import { topicDefaultText, unitFamily } from '../settings/derived.ts'
import { isDynamic } from '../settings/dynamic.ts'
import type { LiveBrokerSettings } from '../settings/overrides.ts'
import { topicSettingRows } from '../settings/rows/topic.ts'
import type { SettingRow, SettingType } from '../settings/setting.ts'
import { listenerRow } from '../settings/snapshot.ts'
import { isTopicSetting, topicSettingRow } from '../settings/topic-overrides.ts'
import { parseValue } from '../settings/value.ts'

/** Where a value comes from, by Kafka's numbers. */
const Source = { topic: 1, dynamicBroker: 2, dynamicDefault: 3, staticBroker: 4, default: 5 } as const

const typeNumbers: Readonly<Record<SettingType, number>> = {
  BOOLEAN: 1,
  STRING: 2,
  INT: 3,
  SHORT: 4,
  LONG: 5,
  DOUBLE: 6,
  LIST: 7,
  CLASS: 8,
  PASSWORD: 9,
}

export type Layered = Pick<LiveBrokerSettings, 'text' | 'given' | 'layers'>

export interface DescribeOptions {
  /** Null: all. */
  readonly keys: readonly string[] | null
  readonly withSynonyms: boolean
  readonly withDocumentation: boolean
  /** Version 0 has this in place of a source; the others cannot carry it. */
  readonly withIsDefault: boolean
}

/** All settings that a topic can have, with the values in force. */
export function describeTopic(
  overrides: ReadonlyMap<string, string>,
  settings: Layered,
  options: DescribeOptions,
): ConfigRow[] {
  const names = [...Object.keys(topicSettingRows), ...[...overrides.keys()].filter(name => !isTopicSetting(name))]
  return wanted(names, options.keys).map(name => {
    const row = topicSettingRow(name)
    const own = overrides.get(name)
    const value = own === undefined ? ((row && topicDefaultText(name, row, settings)) ?? null) : printed(name, row, own)
    const [firstSynonym] = row?.brokerSynonyms ?? []
    const synonyms = firstSynonym === undefined ? [] : brokerSynonyms(firstSynonym, settings, isSensitive(row))
    if (own !== undefined) synonyms.unshift({ name, value: shown(row, value), source: Source.topic })
    return configRow({ name, row, value, synonyms, isReadOnly: false }, options)
  })
}

/** All settings of this broker, whatever was given besides included. */
export function describeBroker(settings: Layered, options: DescribeOptions): ConfigRow[] {
  const given = settings.given
  const listed = Object.entries<SettingRow>(brokerSettingRows)
    .filter(([name, row]) => given.has(name) || (row.isInternal !== true && row.isDynamicOnly !== true))
    .map(([name]) => name)
  const others = [...given.keys()].filter(name => !isBrokerSetting(name))
  return wanted([...listed, ...others], options.keys).map(name => {
    const row = rowOf(name)
    const value = isBrokerSetting(name) ? settings.text(name) : printed(name, row, given.get(name) ?? '')
    const synonyms = brokerSynonyms(name, settings, isSensitive(row))
    return configRow({ name, row, value, synonyms, isReadOnly: !isDynamic(name) }, options)
  })
}

/** What was set for all brokers at once, and nothing else. */
export function describeClusterDefault(settings: Layered, options: DescribeOptions): ConfigRow[] {
  const given = settings.layers.clusterDefault
  return wanted([...given.keys()], options.keys).map(name => {
    const row = rowOf(name)
    const value = printed(name, row, given.get(name) ?? '')
    const synonyms = brokerSynonyms(name, settings, isSensitive(row)).filter(
      synonym => synonym.source === Source.dynamicDefault,
    )
    return configRow({ name, row, value, synonyms, isReadOnly: !isDynamic(name) }, options)
  })
}

const wanted = (names: readonly string[], keys: readonly string[] | null): readonly string[] =>
  keys === null || keys.length === 0 ? names : names.filter(name => keys.includes(name))

const rowOf = (name: string): SettingRow | undefined => brokerSettingRow(name) ?? listenerRow(name)?.row

/** A value of a key that nobody knows might be a password, so it is treated as one. */
const isSensitive = (row: SettingRow | undefined): boolean => row === undefined || row.type === 'PASSWORD'
const shown = (row: SettingRow | undefined, value: string | null): string | null => (isSensitive(row) ? null : value)

function printed(name: string, row: SettingRow | undefined, text: string): string | null {
  if (row === undefined) return null
  try {
    return parseValue(name, row, text).text
  } catch {
    return text // Stored by somebody with other rules: show what is there.
  }
}

function configRow(
  config: {
    readonly name: string
    readonly row: SettingRow | undefined
    readonly value: string | null
    readonly synonyms: Synonym[]
    readonly isReadOnly: boolean
  },
  options: DescribeOptions,
): ConfigRow {
  const { name, row, synonyms } = config
  const configSource = synonyms[0]?.source ?? Source.default
  return {
    name,
    value: shown(row, config.value),
    readOnly: config.isReadOnly,
    isDefault: options.withIsDefault && configSource === Source.default,
    configSource,
    isSensitive: isSensitive(row),
    synonyms: options.withSynonyms ? synonyms : [],
    configType: row === undefined ? 0 : typeNumbers[row.type],
    documentation: options.withDocumentation && row !== undefined ? row.doc : null,
  }
}

function namesFor(name: string): readonly string[] {
  // The scheduler's interval is only the default of the other, so this family is read in one direction.
  if (name === 'log.flush.interval.ms') return ['log.flush.interval.ms', 'log.flush.scheduler.interval.ms']
  const base = listenerRow(name)?.base
  return base === undefined ? (unitFamily(name) ?? [name]) : [name, base]
}

/**
 * Every place where the setting has a value, the one in force first. Those before the first of its very own name are
 * left out, as Kafka does: `log.retention.hours` alone leaves `log.retention.ms` without synonyms.
 */
function brokerSynonyms(name: string, settings: Layered, hidden: boolean): Synonym[] {
  const names = namesFor(name)
  const { perBroker, clusterDefault, file } = settings.layers
  const synonyms: Synonym[] = []
  const addFrom = (source: number, valueOf: (name: string) => string | null | undefined): void => {
    for (const each of names) {
      const value = valueOf(each)
      if (value !== undefined && value !== null) synonyms.push({ name: each, value: hidden ? null : value, source })
    }
  }
  addFrom(Source.dynamicBroker, each => perBroker.get(each))
  addFrom(Source.dynamicDefault, each => clusterDefault.get(each))
  addFrom(Source.staticBroker, each => file.get(each))
  // Those that can only be set while running have no default that anybody is told.
  addFrom(Source.default, each => {
    const row = brokerSettingRow(each)
    return row?.isDynamicOnly === true ? null : row?.default
  })
  const first = synonyms.findIndex(synonym => synonym.name === name)
  return first < 0 ? [] : synonyms.slice(first)
}

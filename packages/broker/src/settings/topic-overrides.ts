import { topicSettingRows } from './rows/topic.ts'
import type { SettingRow, ValuesOf } from './setting.ts'
import { InvalidSetting, parseValue } from './value.ts'

export type TopicSettingName = keyof typeof topicSettingRows
type Typed = ValuesOf<typeof topicSettingRows>
/** What a topic says of its own. */
export type TopicOverrides = { readonly [Name in TopicSettingName]?: Typed[Name] }

export const isTopicSetting = (name: string): name is TopicSettingName => Object.hasOwn(topicSettingRows, name)
export const topicSettingRow = (name: string): SettingRow | undefined =>
  isTopicSetting(name) ? topicSettingRows[name] : undefined

/** The overrides of a topic were refused; `message` is what Kafka tells the client. */
export class InvalidTopicConfig extends Error {
  override readonly name = 'InvalidTopicConfig'
}

/** Values that parse, and what is wrong with the others. */
export function parseTopicOverrides(overrides: ReadonlyMap<string, string>): {
  readonly values: TopicOverrides
  readonly problems: readonly Error[]
} {
  const values: Record<string, unknown> = {}
  const problems: Error[] = []
  for (const [name, text] of overrides) {
    const row = topicSettingRow(name)
    if (row === undefined) {
      problems.push(new InvalidTopicConfig(`Unknown topic config name: ${name}`))
      continue
    }
    try {
      values[name] = parseValue(name, row, text).value
    } catch (error) {
      if (!(error instanceof InvalidSetting)) throw error
      problems.push(error)
    }
  }
  return { values, problems }
}

/** Before a topic's overrides are written: throws InvalidTopicConfig with the first problem, as Kafka words it. */
export function validateTopicOverrides(overrides: ReadonlyMap<string, string>): void {
  const { values, problems } = parseTopicOverrides(overrides)
  const [first] = problems
  if (first !== undefined) throw new InvalidTopicConfig(first.message, { cause: first })
  const { 'min.compaction.lag.ms': minLag = 0, 'max.compaction.lag.ms': maxLag = Number.MAX_SAFE_INTEGER } = values
  if (minLag > maxLag) {
    throw new InvalidTopicConfig(
      `conflict topic config setting min.compaction.lag.ms (${minLag}) > max.compaction.lag.ms (${maxLag})`,
    )
  }
  if (values['remote.storage.enable'] === true) {
    throw new InvalidTopicConfig(
      'Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.',
    )
  }
  for (const name of ['remote.log.delete.on.disable', 'remote.log.copy.disable'] as const) {
    if (values[name] === true) throw new InvalidTopicConfig(`It is invalid to set \`${name}\` under Zookeeper's mode.`)
  }
}

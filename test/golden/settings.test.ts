import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliDecompressSync } from 'node:zlib'
import { describe, expect, test } from '@jest/globals'
import { brokerSettingRows } from '@millrace/broker/settings/broker-settings'
import { topicSettingRows } from '@millrace/broker/settings/rows/topic'
import type { SettingRow } from '@millrace/broker/settings/setting'
import { defaultValue } from '@millrace/broker/settings/value'

/** Kafka 3.9's own definitions, printed by its ConfigDef. */
const kafka = {
  broker: readTable('broker-configs.csv.br'),
  topic: readTable('topic-configs.csv.br'),
}
const ours: Record<keyof typeof kafka, Readonly<Record<string, SettingRow>>> = {
  broker: brokerSettingRows,
  topic: topicSettingRows,
}

describe.each(['broker', 'topic'] as const)('settings of a %s', kind => {
  test('the same names as Kafka', () => {
    const names = Object.keys(ours[kind]).filter(name => !name.startsWith('millrace.'))
    expect(new Set(names)).toEqual(new Set(kafka[kind].map(row => row['name'])))
  })

  test.each(kafka[kind].map(row => [row['name']!, row] as const))(
    '%s: type, default, range, importance as in Kafka',
    (name, row) => {
      const mine = ours[kind][name]!
      expect({ type: mine.type, importance: mine.importance }).toEqual({
        type: row['type'],
        importance: row['importance'],
      })
      expect(mine.default).toBe(row['default'] === 'null' ? null : row['default'])
      expect(rangeText(mine)).toBe(expectedRange(row))
      // The default passes its own range, and prints as it is.
      expect(defaultValue(mine).text).toBe(mine.default)
      expect(mine.doc).toMatch(/^[A-Z].*\.$/)
    },
  )

  test('applied settings name a test that exists', () => {
    const root = join(import.meta.dirname, '../..')
    const missing = Object.entries(ours[kind]).filter(
      ([, { status }]) => status.kind === 'applied' && !existsSync(join(root, status.test)),
    )
    expect(missing.map(([name]) => name)).toEqual([])
  })
})

test.each(kafka.broker.map(row => [row['name']!, row] as const))('%s: update mode as in Kafka', (name, row) => {
  const mine = ours.broker[name]!
  expect(mine.update).toBe(row['update_mode'])
  expect(mine.isInternal === true).toBe(row['internal'] === 'yes')
  expect(mine.isDynamicOnly === true).toBe(row['dynamic_note']!.startsWith('dynamic only'))
})

test.each(kafka.topic.map(row => [row['name']!, row] as const))(
  '%s: broker settings behind it as in Kafka',
  (name, row) => {
    const text = row['broker_synonyms_in_precedence_order']!
    const expected = text === '(none)' ? [] : text.split(';').map(each => each.replace(/\(.*\)$/, ''))
    expect(ours.topic[name]!.brokerSynonyms).toEqual(expected)
  },
)

/** Ranges that are not worth a name of their own here: Kafka asks for "not null", or for an empty default to be non-empty. */
function expectedRange(row: Readonly<Record<string, string>>): string {
  const range = row['valid_range']!
  if (range === 'non-null string') return ''
  if (range === 'non-empty string' || range === 'non-empty list') return row['default'] === '' ? '' : 'non-empty'
  if (range.startsWith('>=1 or -1')) return '[1,...,2147483647] or -1'
  return range.replace(/ \(short or full form\)$/, '')
}
const rangeText = (row: SettingRow): string => (row.range?.text ?? '').replace(/ \(short or full form\)$/, '')

function readTable(name: string): Readonly<Record<string, string>>[] {
  const text = brotliDecompressSync(readFileSync(join(import.meta.dirname, 'settings', name))).toString()
  const [head = [], ...rows] = text.trimEnd().split('\n').map(cells)
  return rows.map(row => Object.fromEntries(head.map((key, index) => [key, row[index] ?? ''])))
}

/** One line of CSV; quoted cells may hold commas. */
function cells(line: string): string[] {
  return [...line.matchAll(/(?:^|,)(?:"([^"]*)"|([^,]*))/g)].map(([, quoted, plain]) => quoted ?? plain ?? '')
}

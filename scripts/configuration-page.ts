import { groupSettings } from '@millrace/broker/settings/rows/groups'
import { kraftSettings } from '@millrace/broker/settings/rows/kraft'
import { logSettings } from '@millrace/broker/settings/rows/log'
import { millraceSettings } from '@millrace/broker/settings/rows/millrace'
import { networkSettings } from '@millrace/broker/settings/rows/network'
import { otherSettings } from '@millrace/broker/settings/rows/other'
import { quotaSettings } from '@millrace/broker/settings/rows/quotas'
import { replicationSettings } from '@millrace/broker/settings/rows/replication'
import { saslSettings } from '@millrace/broker/settings/rows/security-sasl'
import { securitySettings } from '@millrace/broker/settings/rows/security'
import { tieredStorageSettings } from '@millrace/broker/settings/rows/tiered-storage'
import { topicDefaultSettings } from '@millrace/broker/settings/rows/topic-defaults'
import { topicSettingRows } from '@millrace/broker/settings/rows/topic'
import { transactionSettings } from '@millrace/broker/settings/rows/transactions'
import { zookeeperSettings } from '@millrace/broker/settings/rows/zookeeper'
import type { SettingRow, Status } from '@millrace/broker/settings/setting'

type Rows = Readonly<Record<string, SettingRow>>

const rooms: readonly (readonly [title: string, rows: Rows])[] = [
  ['Registration and ZooKeeper', zookeeperSettings],
  ['Network', networkSettings],
  ['Topics', topicDefaultSettings],
  ['Log', logSettings],
  ['Replication', replicationSettings],
  ['Groups', groupSettings],
  ['Transactions', transactionSettings],
  ['Security', securitySettings],
  ['SASL', saslSettings],
  ['Quotas', quotaSettings],
  ['Tiered storage', tieredStorageSettings],
  ['KRaft', kraftSettings],
  ['Others', otherSettings],
  ['Millrace', millraceSettings],
]

/** `docs/configuration.md`: every setting that a broker or a topic can have, and what becomes of it. */
export function configurationPage(): string {
  const brokerRows = rooms.flatMap(([, rows]) => Object.values(rows))
  const lines = [
    '# Configuration',
    '',
    '<!-- Written by `npm run docs` from packages/broker/src/settings/rows: edit the rows, not this page. -->',
    '',
    "A broker reads a properties file with Kafka's names, `millrace-broker server.properties`, and `--override key=value` for each",
    'property that is to be another. A value that makes no sense stops the start; all of them are named at once. A key that nobody',
    'knows, and one that has no effect, is warned of.',
    '',
    '- **applied**: has its effect; the test shows it.',
    '- **not yet**: read and kept, without effect until the part that needs it is built.',
    '- **never**: read, so that files written for Kafka work, and without effect: the reason stands there.',
    '',
    'Update: *read-only* settings take a restart; *per-broker* and *cluster-wide* ones may change while the broker runs (KIP-226),',
    'for one broker (`kafka-configs --entity-type brokers --entity-name 1`) or for all (`--entity-default`). What a topic may say of',
    'its own stands in the last table, and wins over the broker setting that is named with it.',
    '',
    `${count(brokerRows)} of the broker: ${tally(brokerRows)}. ${count(Object.values(topicSettingRows))} of topics: ${tally(Object.values(topicSettingRows))}.`,
  ]
  for (const [title, rows] of rooms) lines.push('', `## ${title}`, '', ...table(rows))
  lines.push('', '## Settings of a topic', '', ...topicTable(topicSettingRows))
  return `${lines.join('\n')}\n`
}

const count = (rows: readonly SettingRow[]): string => `${rows.length} settings`

function tally(rows: readonly SettingRow[]): string {
  const kinds = ['applied', 'not yet', 'never'] as const
  return kinds.map(kind => `${rows.filter(row => row.status.kind === kind).length} ${kind}`).join(', ')
}

const table = (rows: Rows): string[] => [
  '| name | type | default | range | update | status |',
  '|---|---|---|---|---|---|',
  ...Object.entries(rows).map(([name, row]) => {
    const update = row.isDynamicOnly === true ? `${row.update}, never in the file` : row.update
    return tableRow([named(name, row), row.type, value(row.default), row.range?.text ?? '', update, status(row.status)])
  }),
]

const topicTable = (rows: Rows): string[] => [
  '| name | type | default | range | broker settings behind it | status |',
  '|---|---|---|---|---|---|',
  ...Object.entries(rows).map(([name, row]) => {
    const synonyms = (row.brokerSynonyms ?? []).map(code).join(', ')
    return tableRow([
      named(name, row),
      row.type,
      value(row.default),
      row.range?.text ?? '',
      synonyms,
      status(row.status),
    ])
  }),
]

const tableRow = (cells: readonly string[]): string =>
  `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`

const named = (name: string, row: SettingRow): string => `${code(name)}<br>${row.doc.replaceAll('<', '&lt;')}`
const code = (text: string): string => `\`${text}\``

function value(text: string | null): string {
  if (text === null) return 'none'
  return text === '' ? 'empty' : code(text)
}

function status(of: Status): string {
  switch (of.kind) {
    case 'applied':
      return `applied: [test](../${of.test})`
    case 'not yet':
      return `not yet: ${of.issue}${of.meanwhile === undefined ? '' : ` (until then ${of.meanwhile})`}`
    case 'never':
      return `never: ${of.why}`
  }
}

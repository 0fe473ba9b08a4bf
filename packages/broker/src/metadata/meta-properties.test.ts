import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { NodeFiles } from '@millrace/runtime/node/files'
import { checkDataFolders, claimDataFolders, readMetaProperties, UnusableDataFolder } from './meta-properties.ts'

const files = new NodeFiles()
const clusterId = 'c8k9TfwSSsCMmYZPkjjxTA'
let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'millrace-meta-'))
})
afterEach(() => rmSync(root, { recursive: true }))

/** A folder of the broker, with a mark where `text` is given. */
function folder(name: string, text?: string): string {
  const path = join(root, name)
  mkdirSync(path)
  if (text !== undefined) writeFileSync(join(path, 'meta.properties'), text)
  return path
}
const mark = (brokerId: number, cluster = clusterId): string =>
  `#\n#Sun Nov 22 02:48:46 UTC 2026\nbroker.id=${brokerId}\nversion=0\ncluster.id=${cluster}\n`

const check = (directories: string[], configuredBrokerId = -1) =>
  checkDataFolders(files, directories, { clusterId, configuredBrokerId })

test('data folders: new ones: claimed, as Kafka writes it', () => {
  const [a, b] = [folder('a'), folder('b')]
  const checked = check([a, b])
  expect(checked.brokerId).toBeNull()
  claimDataFolders(files, checked, { clusterId, brokerId: 3, wallMs: Date.UTC(2026, 10, 22, 2, 48, 46) })
  for (const path of [a, b]) expect(readFileSync(join(path, 'meta.properties'), 'utf8')).toBe(mark(3))
  expect(check([a, b], 3).brokerId).toBe(3)
})

test('data folders: known and new: the id of the known, which is not written again', () => {
  const [a, b] = [folder('a', mark(5)), folder('b')]
  const checked = check([a, b])
  expect(checked.brokerId).toBe(5)
  claimDataFolders(files, checked, { clusterId, brokerId: 5, wallMs: 0 })
  expect(readFileSync(join(a, 'meta.properties'), 'utf8')).toBe(mark(5))
  expect(readMetaProperties(files, b)?.brokerId).toBe(5)
})

test('data folders: the directory id of a later Kafka: kept', () => {
  const path = folder('a', 'version=0\nbroker.id=1\ndirectory.id=2H8bCsuQSLuMsoLnZRBtcA\n')
  claimDataFolders(files, check([path]), { clusterId, brokerId: 1, wallMs: 0 })
  expect(readMetaProperties(files, path)).toEqual({ clusterId, brokerId: 1, directoryId: '2H8bCsuQSLuMsoLnZRBtcA' })
})

test.each([
  [
    'of another cluster',
    mark(1, 'other'),
    -1,
    'FOREIGN_CLUSTER',
    /belongs to cluster other, and ZooKeeper holds cluster c8k9/,
  ],
  ['of another broker than configured', mark(1), 2, 'OTHER_BROKER', /belongs to broker 1, and broker.id is 2/],
  ['of KRaft', 'version=1\nnode.id=1\ncluster.id=x\n', -1, 'UNSUPPORTED_VERSION', /formatted by a KRaft broker/],
  ['without a version', 'broker.id=1\n', -1, 'MALFORMED', /has no version/],
  ['with a strange id', 'version=0\nbroker.id=x\n', -1, 'MALFORMED', /has broker.id x/],
  ['with half an escape', 'version=\\u00', -1, 'MALFORMED', /is not a properties file/],
])('data folder %s: refused, naming the file', (_, text, configured, problem, message) => {
  const path = folder('a', text)
  let error: unknown
  try {
    check([path], configured)
  } catch (thrown) {
    error = thrown
  }
  expect(error).toBeInstanceOf(UnusableDataFolder)
  expect(error).toMatchObject({ problem, path: join(path, 'meta.properties') })
  expect((error as Error).message).toMatch(message)
})

test('data folders of two brokers: refused, naming both', () => {
  const [a, b] = [folder('a', mark(1)), folder('b', mark(2))]
  expect(() => check([a, b])).toThrow(/b\/meta.properties: belongs to broker 2, and .*a\/meta.properties to broker 1/)
})

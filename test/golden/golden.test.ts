import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, expect, test } from '@jest/globals'
import { checkFile } from './check-file.ts'
import { loadCheckers } from './checkers.ts'

const folder = join(import.meta.dirname, 'vectors')
const scratch = mkdtempSync(join(tmpdir(), 'millrace-golden-'))
afterAll(() => rmSync(scratch, { recursive: true }))

const minutes = 60_000

test.each(readdirSync(folder))(
  'golden: %s: every vector that Kafka made checks',
  async name => {
    const result = await checkFile(join(folder, name), await loadCheckers())
    expect(result.mismatches.slice(0, 5)).toEqual([])
    const checked = [...result.types.values()].reduce((sum, counts) => sum + counts.checked, 0)
    expect(checked > 0 || result.format === 'archive').toBe(true)
  },
  5 * minutes,
)

test(
  'golden: code generation from strings disallowed: messages check with closures',
  async () => {
    const check = join(import.meta.dirname, 'check.ts')
    const flags = ['--conditions=@millrace/source', '--disallow-code-generation-from-strings']
    const files = ['messages.jsonl.br', 'internal-records.jsonl.br'].map(name => join(folder, name))
    const { stdout } = await promisify(execFile)(process.execPath, [...flags, check, ...files])
    expect(stdout).toContain('2 files, all right')
  },
  2 * minutes,
)

const right = {
  message: 'HeartbeatResponse',
  apiKey: 12,
  version: 1,
  json: { throttleTimeMs: 7, errorCode: 25 },
  hex: '000000070019',
}
const rightHash = {
  type: 'murmur2',
  keyHex: '',
  hash: 275646681,
  positive: 275646681,
  partition: { '7': 2 },
}

test.each([
  ['a right message', right, 0],
  ['another value', { ...right, json: { throttleTimeMs: 7, errorCode: 26 } }, 1],
  ['a byte too many', { ...right, hex: '00000007001900' }, 1],
  ['a byte too few', { ...right, hex: '0000000700' }, 1],
  ['a field that the version lacks', { ...right, version: 0, hex: '0019' }, 1],
  ['an unknown message', { ...right, message: 'HeartBeatResponse' }, 1],
  ['a version that does not exist', { ...right, version: 5 }, 1],
  ['a right hash', rightHash, 0],
  ['a wrong hash', { ...rightHash, hash: 1 }, 1],
  ['a wrong partition', { ...rightHash, partition: { '7': 3 } }, 1],
  ['an unknown format', { nobody: 'knows' }, 1],
])('golden: %s: found right or wrong', async (_, vector, mismatches) => {
  const path = join(scratch, 'vectors.jsonl')
  writeFileSync(path, `${JSON.stringify(vector)}\n`)
  const result = await checkFile(path, await loadCheckers())
  expect(result.mismatches).toHaveLength(mismatches)
})

test('golden: lines that are not JSON, empty and missing files: mismatches, no exception', async () => {
  const checkers = await loadCheckers()
  const broken = join(scratch, 'broken.jsonl')
  writeFileSync(broken, `${JSON.stringify(right)}\n{"message":\n`)
  expect((await checkFile(broken, checkers)).mismatches).toMatchObject([{ type: 'line', line: 2 }])
  const empty = join(scratch, 'empty.jsonl')
  writeFileSync(empty, '')
  expect((await checkFile(empty, checkers)).mismatches).toHaveLength(1)
  expect((await checkFile(join(scratch, 'missing.jsonl'), checkers)).mismatches).toHaveLength(1)
})

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { root } from '../../scripts/pinned-node.js'
import { mutations } from '../scenarios/model/mutations.ts'

const page = readFileSync(join(root, 'docs', 'internals', 'bug-ledger.md'), 'utf8')
const rows = page.split('\n').filter(line => /^\| (?!line|---)/.test(line))

test('bug ledger: every test and every mutation that it names exists', () => {
  const known = new Set(mutations.map(({ name }) => name))
  const missing: string[] = []
  for (const row of rows) {
    const cell = row.split(' | ').at(-1)!
    // Names stand in quotes: behind a file, or behind the word mutation.
    for (const part of cell.split(/(?=`(?:packages|test)\/)|(?=\bmutations?\b)/)) {
      const file = /^`([^`]+)`/.exec(part)?.[1]
      const names = [...part.matchAll(/"([^"]+)"/g)].map(([, name]) => name!)
      if (file !== undefined) {
        const text = readFileSync(join(root, file), 'utf8')
        missing.push(...names.filter(name => !text.includes(name)).map(name => `${file}: ${name}`))
      } else if (/^mutations?\b/.test(part)) {
        missing.push(...names.filter(name => !known.has(name)).map(name => `mutation: ${name}`))
      }
    }
  }
  expect(missing).toEqual([])
  expect(rows.length).toBeGreaterThan(25)
})

test('bug ledger: every row names a test; every mutation stands for a line', () => {
  expect(rows.filter(row => !row.includes('"'))).toEqual([])
  expect(mutations.filter(({ ledger }) => ledger === '')).toEqual([])
})

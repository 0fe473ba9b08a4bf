// npm run model:mutations [-- --quick]: puts every fault of mutations.ts into a copy of broker/core, one at a time, and shows what finds it. Prints the table.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { root } from '../../../scripts/pinned-node.js'
import { coreFolder } from './core-folder.ts'
import { byRules, bySearch, byWalks, type Effort, type Finding } from './examine.ts'
import { loadMachines } from './machines.ts'
import { mutations, type Mutation } from './mutations.ts'

const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false } } })
/** What no rule finds is looked for longer. */
const effort: Effort = { seeds: 10_000, depth: 7, maxStates: 100_000 }
const seedsAfterRule = values.quick ? 100 : effort.seeds

/** The copy stands outside of node_modules, where Node strips no types; imports of packages find the real ones. */
function writeCopy(folder: string, { file, search, replace }: Mutation): string {
  const copy = join(folder, 'src', 'core')
  cpSync(coreFolder, copy, { recursive: true, filter: source => !source.endsWith('.test.ts') })
  const path = join(copy, file)
  const text = readFileSync(path, 'utf8')
  if (text.split(search).length !== 2)
    throw new Error(`the patch no longer applies: ${file}: ${JSON.stringify(search)}`)
  writeFileSync(
    path,
    text.replace(search, () => replace),
  )
  symlinkSync(join(dirname(coreFolder), 'settings'), join(folder, 'src', 'settings'), 'junction')
  return copy
}

const folder = mkdtempSync(join(tmpdir(), 'millrace-mutations-'))
let missed = 0
try {
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}\n')
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction')
  const rows: string[][] = []
  for (const [index, mutation] of mutations.entries()) {
    const place = join(folder, String(index))
    mkdirSync(place)
    let row: (string | null)[]
    try {
      const machines = await loadMachines(writeCopy(place, mutation))
      const rule = byRules(machines)
      const walked = byWalks(machines, rule === null ? effort.seeds : seedsAfterRule)
      const searched = rule === null && walked === null ? bySearch(machines, effort) : null
      const found: Finding | null = rule ?? walked ?? searched
      if (found === null) missed++
      row = [found === null ? 'MISSED' : 'caught', rule?.by ?? null, walked?.by ?? searched?.by ?? null]
    } catch (error) {
      missed++
      row = [`FAILED: ${String(error)}`, null, null]
    }
    rows.push([String(index + 1), mutation.name, mutation.ledger, ...row.map(cell => cell ?? '-')])
  }
  const header = ['', 'fault', 'ledger', 'verdict', 'by a rule', 'by three replicas']
  for (const row of [header, header.map(() => '---'), ...rows]) console.log(`| ${row.join(' | ')} |`)
  console.log(`${mutations.length - missed} of ${mutations.length} caught`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
process.exit(missed === 0 ? 0 : 1)

// npm run model:mutations [-- --quick]: puts every fault of mutations.ts into a copy of broker/core, one at a time, and shows what finds it. Prints the table.
import { parseArgs } from 'node:util'
import { byRules, bySearch, byWalks, type Effort, type Finding } from './examine.ts'
import { loadMachines } from './machines.ts'
import { MutatedCores } from './mutated-cores.ts'
import { mutations } from './mutations.ts'

const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false } } })
/** What no rule finds is looked for longer. */
const effort: Effort = { seeds: 10_000, depth: 7, maxStates: 100_000 }
const seedsAfterRule = values.quick ? 100 : effort.seeds

const cores = new MutatedCores()
let missed = 0
try {
  const rows: string[][] = []
  for (const [index, mutation] of mutations.entries()) {
    let row: (string | null)[]
    try {
      const machines = await loadMachines(cores.write(mutation))
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
  cores.remove()
}
process.exit(missed === 0 ? 0 : 1)

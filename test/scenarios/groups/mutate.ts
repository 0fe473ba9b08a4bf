// npm run groups:mutations: puts every fault of mutations.ts into a copy of broker/core, one at a time, and shows what finds it. Prints the table.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { MutatedCores } from '../model/mutated-cores.ts'
import type { GroupMachine } from './coordinator.ts'
import { mutations } from './mutations.ts'
import { walk } from './walk.ts'

const seedsMax = 400

function finding(machine: GroupMachine): string | null {
  for (let seed = 1; seed <= seedsMax; seed++) {
    try {
      walk(machine, seed)
    } catch (error) {
      return `seed ${seed}: ${error instanceof Error ? error.message : String(error)}`
    }
  }
  return null
}

const cores = new MutatedCores()
let missed = 0
try {
  const rows = ['| | fault | verdict | by |', '| --- | --- | --- | --- |']
  for (const [index, mutation] of mutations.entries()) {
    let verdict: string
    let by: string | null = null
    try {
      const folder = cores.write(mutation)
      const machine = (await import(pathToFileURL(join(folder, 'groups', 'group-shard.ts')).href)) as GroupMachine
      by = finding(machine)
      verdict = by === null ? 'MISSED' : 'caught'
    } catch (error) {
      verdict = `FAILED: ${String(error)}`
    }
    if (by === null) missed++
    rows.push(`| ${index + 1} | ${mutation.name} | ${verdict} | ${by ?? '-'} |`)
  }
  console.log(rows.join('\n'))
  console.log(`${mutations.length - missed} of ${mutations.length} caught`)
} finally {
  cores.remove()
}
process.exit(missed === 0 ? 0 : 1)

// npm run groups -- [--seed 1] [--seeds 300] [--steps 2500]: random walks of the group machine. Names the seed of the first that fails.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { coreFolder } from '../model/core-folder.ts'
import { sightings, type GroupMachine } from './coordinator.ts'
import { walk } from './walk.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '300' },
    steps: { type: 'string', default: '2500' },
  },
})
const first = Number(values.seed)
const count = Number(values.seeds)
const machine = (await import(pathToFileURL(join(coreFolder, 'groups', 'group-shard.ts')).href)) as GroupMachine
const seen = new Set<string>()
for (let seed = first; seed < first + count; seed++) {
  try {
    for (const each of walk(machine, seed, Number(values.steps))) seen.add(each)
  } catch (error) {
    console.log(`seed ${seed}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
    process.exit(1)
  }
}
const unseen = sightings.filter(each => !seen.has(each))
console.log(`never seen: ${unseen.length === 0 ? 'nothing' : unseen.join(', ')}`)
console.log(`holds: ${count} walks`)

// npm run model -- --depth 14 [--states N] [--seeds N] [--setup NAME]: the searches and the walks, on the shipped machines.
import { parseArgs } from 'node:util'
import { coreFolder } from './core-folder.ts'
import { loadMachines } from './machines.ts'
import { Model } from './model.ts'
import { search, walk } from './search.ts'
import { searchBounds, walkBounds } from './setups.ts'

const { values } = parseArgs({
  options: {
    depth: { type: 'string', default: '14' },
    states: { type: 'string', default: '8000000' },
    seeds: { type: 'string', default: '3000' },
    setup: { type: 'string', default: '' },
  },
})
const machines = await loadMachines(coreFolder)
let failed = false
const report = (name: string, violation: { why: string; trail: readonly string[] } | null): void => {
  if (violation === null) return
  failed = true
  console.log(
    `${name}: ${violation.why}\n  ${violation.trail.map((line, index) => `${index + 1}. ${line}`).join('\n  ')}`,
  )
}
for (const [name, bounds] of Object.entries(searchBounds)) {
  if (values.setup !== '' && values.setup !== name) continue
  const startedMs = performance.now()
  const seconds = (): string => `${((performance.now() - startedMs) / 1000).toFixed(1)} s`
  const result = search(new Model(machines, bounds), {
    depth: Number(values.depth),
    maxStates: Number(values.states),
    onDepth: (depth, states) => console.log(`${name}: depth ${depth}: ${states} worlds, ${seconds()}`),
  })
  const { states, transitions, depth, isComplete } = result
  console.log(
    `${name}: ${states} worlds, ${transitions} steps, depth ${depth}${isComplete ? ' (all there are)' : ''}, ${seconds()}`,
  )
  report(name, result.violation)
}
for (const [name, bounds] of Object.entries(walkBounds)) {
  if (values.setup !== '' && values.setup !== name) continue
  const startedMs = performance.now()
  const model = new Model(machines, bounds)
  let bad = 0
  for (let seed = 1; seed <= Number(values.seeds); seed++) {
    const violation = walk(model, { seed, steps: 30 + (seed % 90), withTime: bounds.lagTimeMaxMs > 0 })
    if (violation !== null && bad++ === 0) report(`${name}, seed ${seed}`, violation)
  }
  console.log(`${name}: ${values.seeds} walks, ${bad} bad, ${((performance.now() - startedMs) / 1000).toFixed(1)} s`)
}
console.log(failed ? 'VIOLATED' : 'holds')
process.exit(failed ? 1 : 0)

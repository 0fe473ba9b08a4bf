// npm run fuzz [-- --seed N] [--runs N | --seconds N]: everything that reads bytes of strangers, with sound values and with damaged ones.
// Whatever is thrown must be one of the typed errors, no value may hold more than its bytes, and sound values come back as they were.
import { parseArgs } from 'node:util'
import { fuzz } from './fuzzing/fuzz.fuzz.ts'

const { values } = parseArgs({
  options: { seed: { type: 'string' }, runs: { type: 'string' }, seconds: { type: 'string', default: '10' } },
})
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed)
const started = performance.now()
const secondsUsed = (): number => (performance.now() - started) / 1000
const isWanted =
  values.runs === undefined
    ? (): boolean => secondsUsed() < Number(values.seconds)
    : (attempts: number): boolean => attempts < Number(values.runs)

console.log(`seed ${seed}`)
const { attempts, find } = await fuzz(seed, isWanted)
console.log(`${attempts} attempts in ${secondsUsed().toFixed(1)} s`)
if (find !== null) {
  console.error(`FOUND in ${find.target}; repeat with: npm run fuzz -- --seed ${find.seed} --runs 1`)
  console.error(find.error)
  process.exitCode = 1
}

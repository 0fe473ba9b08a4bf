/**
 * How long a test waits for `startCluster({ brokers: 3 })`: from the call until every broker knows every other and the
 * controller, with embedded coordination and folders of its own. The first cluster of a process (nothing compiled yet, as in
 * every test file) and the fifth, in fresh processes. To reach: 0.5 s.
 *   npm run bench -- micro/cluster-start
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startCluster } from '@millrace/testing'
import { nodeFlags, root } from '../../scripts/pinned-node.js'

const processes = 7
const clustersPerProcess = 5
const targetMs = 500

if (process.argv[2] === 'child') {
  const times: number[] = []
  for (let i = 0; i < clustersPerProcess; i++) {
    const fromMs = performance.now()
    const cluster = await startCluster({ brokers: 3 })
    times.push(performance.now() - fromMs)
    await cluster.close()
  }
  console.log(JSON.stringify(times))
  process.exit(0)
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN

const all: number[][] = []
for (let i = 0; i < processes; i++) {
  const output = execFileSync(process.execPath, [...nodeFlags, import.meta.filename, 'child'])
  all.push(JSON.parse(output.toString()) as number[])
}
const first = all.map(times => times[0] ?? NaN)
const last = all.map(times => times.at(-1) ?? NaN)
const text = (times: readonly number[]): string =>
  `${median(times).toFixed(0)} ms (${Math.min(...times).toFixed(0)} to ${Math.max(...times).toFixed(0)})`
console.log(`first cluster of a process: ${text(first)}; to reach: ${targetMs} ms`)
console.log(`fifth: ${text(last)}`)
mkdirSync(join(root, 'bench', 'results'), { recursive: true })
writeFileSync(
  join(root, 'bench', 'results', 'cluster-start.json'),
  `${JSON.stringify({ node: process.version, brokers: 3, targetMs, firstMs: first, fifthMs: last }, null, 2)}\n`,
)

/**
 * Every check of the project, in one command: types, lint, format, then jest (layers, unit, golden, contract, interop).
 * With words on the command line, only the jest tests whose path contains one of them.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setUpOracles } from '../test/oracles/setup.ts'
import { nodeFlags, root } from './pinned-node.js'

interface Totals {
  passed: number
  failed: number
  skipped: number
}
const patterns = process.argv.slice(2)
const modules = join(root, 'node_modules')
const totals: Totals = { passed: 0, failed: 0, skipped: 0 }

function step(name: string, script: string, args: readonly string[]): boolean {
  const startedMs = Date.now()
  const { status } = spawnSync(process.execPath, [...nodeFlags, join(modules, script), ...args], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  console.log(`${status === 0 ? 'ok    ' : 'FAILED'} ${name} (${((Date.now() - startedMs) / 1000).toFixed(1)} s)`)
  return status === 0
}
function check(name: string, script: string, args: readonly string[]): void {
  if (step(name, script, args)) totals.passed++
  else totals.failed++
}

const startedMs = Date.now()
console.log('oracles: what foreign programs are here?')
for (const [name, oracle] of Object.entries(setUpOracles())) {
  console.log(
    oracle.ok ? `  ${name}: ${oracle.path}` : `  ${name}: missing (${oracle.reason}); to enable: ${oracle.command}`,
  )
}
if (patterns.length === 0) {
  mkdirSync(join(modules, '.cache', 'millrace'), { recursive: true })
  check('types', 'typescript/bin/tsc', [])
  check('lint', 'oxlint/bin/oxlint', ['--type-aware', '--quiet', 'packages', 'test', 'scripts', 'bench'])
  check('format', 'prettier/bin/prettier.cjs', [
    '--check',
    '--cache',
    '--cache-location',
    join(modules, '.cache', 'millrace', 'prettier'),
    '--log-level',
    'warn',
    '.',
  ])
}
const report = join(modules, '.cache', 'millrace', `jest-${process.pid}.json`)
const jestOk = step('jest', 'jest/bin/jest.js', [
  '--json',
  `--outputFile=${report}`,
  '--testLocationInResults=false',
  ...patterns,
])
try {
  const result = JSON.parse(readFileSync(report, 'utf8')) as {
    numPassedTests: number
    numFailedTests: number
    numPendingTests: number
    numRuntimeErrorTestSuites: number
  }
  totals.passed += result.numPassedTests
  totals.failed += result.numFailedTests + result.numRuntimeErrorTestSuites
  totals.skipped += result.numPendingTests
  rmSync(report)
} catch (error) {
  console.error(`jest left no report: ${String(error)}`)
  totals.failed++
}
if (!jestOk && totals.failed === 0) totals.failed++
console.log(`done in ${Math.round((Date.now() - startedMs) / 1000)} s`)
console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`)
process.exitCode = totals.failed === 0 ? 0 : 1

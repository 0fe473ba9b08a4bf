import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { nodeFlags } from '../../../scripts/pinned-node.js'
import { coreFolder } from './core-folder.ts'
import { loadMachines } from './machines.ts'
import { rules } from './rules.ts'

/** The searches run in a process of their own: in jest's sandbox they take seven times as long. */
function run(file: string, ...args: readonly string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...nodeFlags, join(__dirname, file), ...args], {
    encoding: 'utf8',
    timeout: 240_000,
  })
  return { status, output: stdout + stderr }
}

describe('replication machines: rules', () => {
  test.each(Object.keys(rules))('%s', async name => {
    rules[name]!(await loadMachines(coreFolder))
  })
})

describe('replication machines: three replicas', () => {
  test('everything in any order, and random walks that are healed: nothing committed is lost, nobody is stuck', () => {
    const { status, output } = run('main.ts', '--depth', '8', '--states', '40000', '--seeds', '2000')
    expect(output).toMatch(/^holds$/m)
    expect(status).toBe(0)
    // It did look at that many.
    const worlds = [...output.matchAll(/: (\d+) worlds, \d+ steps/g)].map(([, count]) => Number(count))
    expect(worlds.length).toBeGreaterThanOrEqual(4)
    expect(Math.min(...worlds)).toBeGreaterThan(20_000)
  }, 300_000)

  test('faults of the bug ledger, each put back into a copy of the shipped core: all are caught', () => {
    const { status, output } = run('mutate.ts', '--quick')
    process.stdout.write(`${output}\n`)
    expect(output).not.toMatch(/MISSED|FAILED/)
    expect(output).toMatch(/^(\d+) of \1 caught$/m)
    expect(Number(/^(\d+) of/m.exec(output)![1])).toBeGreaterThanOrEqual(25)
    expect(status).toBe(0)
  }, 300_000)
})

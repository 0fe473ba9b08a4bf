import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { nodeFlags } from '../../../scripts/pinned-node.js'

/** In processes of their own: in jest's sandbox the walks take several times as long. */
function run(file: string, ...args: readonly string[]): string {
  const { stdout, stderr } = spawnSync(process.execPath, [...nodeFlags, join(__dirname, file), ...args], {
    encoding: 'utf8',
    timeout: 240_000,
  })
  return stdout + stderr
}

describe('groups: members that do what they like, writes that fail or come late, coordinators that change', () => {
  test('one owner per partition and generation, one answer per request, the log knows all, and everything heals', () => {
    const output = run('main.ts', '--seeds', '300')
    expect(output).toMatch(/^holds: 300 walks$/m)
    // Nothing was left out: each of these happened.
    expect(output).toMatch(/^never seen: nothing$/m)
  }, 300_000)

  test('faults, each put into a copy of the shipped machine: all are caught', () => {
    const output = run('mutate.ts')
    process.stdout.write(`${output}\n`)
    expect(output).not.toMatch(/MISSED|FAILED/)
    expect(output).toMatch(/^(\d+) of \1 caught$/m)
    expect(Number(/^(\d+) of/m.exec(output)![1])).toBeGreaterThanOrEqual(25)
  }, 300_000)
})

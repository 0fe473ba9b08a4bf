import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { nodeFlags } from '../../../scripts/pinned-node.js'
import { plain, readCommandLine } from './command-line.ts'

/** What yargs makes of each; in a process of its own, because jest cannot load the ES modules of yargs. */
function byYargs(argvs: readonly (readonly string[])[]): unknown {
  const module = JSON.stringify(join(import.meta.dirname, 'command-line.ts'))
  const script = `import { byYargs } from ${module}
    const read = []
    for (const argv of ${JSON.stringify(argvs)}) read.push(await byYargs(argv))
    console.log(JSON.stringify(read))`
  const output = execFileSync(process.execPath, [...nodeFlags, '--input-type=module', '--eval', script])
  return JSON.parse(output.toString())
}

test('command line: the plain form: read as yargs reads it', () => {
  const argvs = [
    ['server.properties'],
    ['server.properties', '--override', 'broker.id=2'],
    ['--override', 'broker.id=2', 'server.properties', '--override', 'listeners=PLAINTEXT://:9093'],
    ['--embedded', 'tree', '/etc/millrace/server.properties'],
    ['a b.properties', '--override', 'x= y =z', '--embedded', '/tmp/a b'],
  ]
  const read = argvs.map(plain)
  expect(read).not.toContain(null)
  expect(read).toEqual(byYargs(argvs))
})

test('command line: --override=key=value: read by yargs', () => {
  expect(byYargs([['s.properties', '--override=a=b=c']])).toEqual([
    { file: 's.properties', overrides: ['a=b=c'], embedded: null },
  ])
})

test.each([
  [[]],
  [['--help']],
  [['server.properties', '--override']],
  [['server.properties', '--override', '--embedded']],
  [['server.properties', '--override=broker.id=2']],
  [['server.properties', '--embedded', 'a', '--embedded', 'b']],
  [['one.properties', 'two.properties']],
  [['server.properties', '-x']],
])('command line: %j: left to yargs', argv => {
  expect(plain(argv)).toBe(null)
})

test('command line: an override without a key: says what is expected', async () => {
  await expect(readCommandLine(['s.properties', '--override', 'broker.id'])).rejects.toThrow('expected key=value')
  await expect(readCommandLine(['s.properties', '--override', '=2'])).rejects.toThrow('expected key=value')
})

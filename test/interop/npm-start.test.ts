import { afterAll, expect, jest, test } from '@jest/globals'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from '../../scripts/pinned-node.js'
import { eventually, freePorts, runProcess, startProcess, type RunningProcess } from '../oracles/processes.ts'

jest.setTimeout(60_000)
const work = mkdtempSync(join(tmpdir(), 'millrace-start-'))
afterAll(() => rmSync(work, { recursive: true, force: true }))
const commandLine = (...args: string[]) => ({
  name: 'npm start',
  command: process.execPath,
  args: [join(root, 'scripts', 'start.js'), ...args],
})

const untilReady = (cluster: RunningProcess): Promise<void> =>
  eventually(async () => cluster.output().includes('broker ready after'), 30_000)

test('npm start: says where it listens; --fresh of another one on the same folder: refused, nothing removed; SIGINT: exit 0', async () => {
  const [port = 0, other = 0] = await freePorts(2)
  const data = join(work, 'data')
  const cluster = startProcess(commandLine('--brokers', '1', '--port', `${port}`, '--data', data))
  await untilReady(cluster)

  const second = {
    ...commandLine('--brokers', '1', '--port', `${other}`, '--data', data, '--fresh'),
    allowFailure: true,
  }
  const { code, stderr } = await runProcess(second)
  expect(code).toBe(1)
  expect(stderr).toContain(`Another cluster runs on ${data}`)
  expect(existsSync(join(data, 'broker-1', 'meta.properties'))).toBe(true)

  expect(cluster.output()).toContain(`kcat -b 127.0.0.1:${port} -L`)
  cluster.kill('SIGINT')
  expect(await cluster.ended()).toBe(0)

  const fresh = startProcess(commandLine('--brokers', '1', '--port', `${other}`, '--data', data, '--fresh'))
  await untilReady(fresh)
  fresh.kill('SIGINT')
  expect(await fresh.ended()).toBe(0)
})

test('npm start: options that make no sense: exit 1, with what was expected', async () => {
  for (const [args, expected] of [
    [['--brokers', '0'], '--brokers 0: expected a whole number from 1 to 100'],
    [['--override', 'nonsense'], '--override nonsense: expected key=value'],
    [['--nonsense'], 'Unknown argument: nonsense'],
  ] as const) {
    const { code, stderr } = await runProcess({ ...commandLine(...args), allowFailure: true })
    expect(code).toBe(1)
    expect(stderr).toContain(expected)
  }
})

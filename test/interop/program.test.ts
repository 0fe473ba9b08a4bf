import { afterAll, describe, expect, jest, test } from '@jest/globals'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nodeFlags, root } from '../../scripts/pinned-node.js'
import { describeWith } from '../oracles/describe-with.ts'
import { freePorts, runProcess, startProcess, untilListening, type RunningProcess } from '../oracles/processes.ts'
import { startZooKeeper } from '../oracles/zookeeper-server.ts'

jest.setTimeout(60_000)
const work = mkdtempSync(join(tmpdir(), 'millrace-program-'))
afterAll(() => rmSync(work, { recursive: true, force: true }))
const bin = join(root, 'packages', 'broker', 'bin', 'millrace-broker.js')

let configs = 0
function configFile(properties: Record<string, string>): string {
  const path = join(work, `server-${configs++}.properties`)
  const lines = Object.entries(properties).map(([key, value]) => `${key}=${value}\n`)
  writeFileSync(path, `# as Kafka's\n${lines.join('')}`)
  return path
}
const start = (args: readonly string[]): RunningProcess =>
  startProcess({ name: 'millrace-broker', command: process.execPath, args: [...nodeFlags, bin, ...args] })
const run = (args: readonly string[]): ReturnType<typeof runProcess> =>
  runProcess({
    name: 'millrace-broker',
    command: process.execPath,
    args: [...nodeFlags, bin, ...args],
    allowFailure: true,
  })

describe('millrace-broker, the program', () => {
  test('bad settings: exit 1, every problem named with key, value and expectation, nothing started', async () => {
    const file = configFile({
      'broker.id': 'one',
      'log.segment.bytes': '3',
      listeners: 'PLAINTEXT//nowhere',
      'zookeeper.connect': '',
    })
    const { code, stderr } = await run([file])
    expect(code).toBe(1)
    for (const word of ['broker.id', 'one', 'log.segment.bytes', '14', 'listeners', 'zookeeper.connect'])
      expect(stderr).toContain(word)
    expect(stderr).not.toContain('    at ')
  })

  test('no such file, a bad override, --help: say what to do', async () => {
    expect(await run([join(work, 'missing.properties')])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('missing.properties'),
    })
    expect(await run([configFile({}), '--override', 'nonsense'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('key=value'),
    })
    const help = await run(['--help'])
    expect(help.code).toBe(0)
    expect(help.stdout.toString()).toContain('--override')
  })

  test('unknown keys and keys without effect: one warning each, and it starts; SIGTERM: exit 0, clean marker, the folder is free again', async () => {
    const [port = 0] = await freePorts(1)
    const data = join(work, 'clean')
    const file = configFile({
      'broker.id': '7',
      listeners: `PLAINTEXT://127.0.0.1:${port}`,
      'log.dirs': data,
      'no.such.key': '1',
      'auto.leader.rebalance.enable': 'true',
      'log.cleaner.threads': '2',
    })
    const args = [file, '--embedded', join(work, 'clean-tree')]
    for (let round = 0; round < 2; round++) {
      const broker = start(args)
      await untilListening(port, 20_000, broker)
      expect(existsSync(join(data, '.kafka_cleanshutdown'))).toBe(false)
      broker.kill('SIGTERM')
      expect(await broker.ended()).toBe(0)
      expect(existsSync(join(data, '.kafka_cleanshutdown'))).toBe(true)
      expect(
        broker
          .output()
          .split('\n')
          .filter(line => line.includes('no.such.key')).length,
      ).toBe(1)
      expect(
        broker
          .output()
          .split('\n')
          .filter(line => line.includes('"level":"error"')),
      ).toEqual([])
    }
  })

  test('a folder that another broker holds: exit 1, says who; the other goes on', async () => {
    const [first = 0, second = 0] = await freePorts(2)
    const data = join(work, 'locked')
    const holder = start([
      configFile({ 'broker.id': '1', listeners: `PLAINTEXT://127.0.0.1:${first}`, 'log.dirs': data }),
      '--embedded',
      join(work, 'tree-1'),
    ])
    await untilListening(first, 20_000, holder)
    const { code, stdout } = await run([
      configFile({ 'broker.id': '1', listeners: `PLAINTEXT://127.0.0.1:${second}`, 'log.dirs': data }),
      '--embedded',
      join(work, 'tree-2'),
    ])
    expect(code).toBe(1)
    expect(stdout.toString()).toMatch(/locked|belongs to cluster/)
    expect(holder.exited).toBe(false)
    await holder.stop()
  })
})

describeWith(['kafka'], 'millrace-broker on a real ZooKeeper', () => {
  test('an id that is taken: exit 1, names the broker that has it; a foreign folder: exit 1, names both clusters', async () => {
    const zookeeper = await startZooKeeper()
    try {
      const [first = 0, second = 0] = await freePorts(2)
      const properties = (port: number, data: string, chroot: string): Record<string, string> => ({
        'broker.id': '1',
        listeners: `PLAINTEXT://127.0.0.1:${port}`,
        'log.dirs': join(work, data),
        'zookeeper.connect': `${zookeeper.connectString}/${chroot}`,
      })
      const broker = start([configFile(properties(first, 'one', 'a'))])
      await untilListening(first, 20_000, broker)
      const duplicate = await run([configFile(properties(second, 'two', 'a'))])
      expect(duplicate.code).toBe(1)
      expect(duplicate.stdout.toString()).toContain(`127.0.0.1:${first}`)
      await broker.stop()
      const foreign = await run([configFile(properties(second, 'one', 'b'))])
      expect(foreign.code).toBe(1)
      expect(foreign.stdout.toString()).toContain('belongs to cluster')
    } finally {
      await zookeeper.stop()
    }
  })

  test('no ZooKeeper answers: it waits for zookeeper.connection.timeout.ms and goes on when one does; else exit 1, says so', async () => {
    const zookeeper = await startZooKeeper()
    try {
      const [port = 0] = await freePorts(1)
      const file = (data: string, timeoutMs: number): string =>
        configFile({
          'broker.id': '1',
          listeners: `PLAINTEXT://127.0.0.1:${port}`,
          'log.dirs': join(work, data),
          'zookeeper.connect': `${zookeeper.connectString}/late`,
          'zookeeper.connection.timeout.ms': String(timeoutMs),
        })
      const [server] = zookeeper.servers
      server!.kill('SIGKILL')
      await server!.ended()
      const waiting = start([file('waiting', 30_000)])
      const { code, stdout } = await run([file('hopeless', 1500)])
      expect({ code, stdout: stdout.toString() }).toEqual({ code: 1, stdout: expect.stringContaining('ZooKeeper') })
      expect(stdout.toString()).toContain('"level":"error"')
      await server!.restart()
      await untilListening(port, 30_000, waiting)
      await waiting.stop()
    } finally {
      await zookeeper.stop()
    }
  })
})

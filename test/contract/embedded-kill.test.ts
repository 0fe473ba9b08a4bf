import { expect, test } from '@jest/globals'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { silentLogger } from '@millrace/runtime/logger'
import { nodeWorld } from '@millrace/runtime/node/world'
import { EmbeddedTree } from '@millrace/zookeeper/embedded/embedded-tree'

const nodeFlags = ['--conditions=@millrace/source', '--disable-warning=ExperimentalWarning']

test('embedded tree: its process is killed with -9 while it writes: every acknowledged write is there, the ephemeral is not', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-tree-'))
  const writer = spawn(process.execPath, [...nodeFlags, join(__dirname, 'tree-writer.ts'), folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise(resolve => writer.once('exit', resolve))
  let acknowledged = 0
  for await (const line of createInterface({ input: writer.stdout })) {
    acknowledged = Number(line)
    if (acknowledged === 3000) writer.kill('SIGKILL')
  }
  await ended
  expect(acknowledged).toBeGreaterThanOrEqual(3000)

  const tree = new EmbeddedTree({ world: nodeWorld(), logger: silentLogger, folder })
  const zk = tree.client({ sessionTimeoutMs: 1000 })
  await zk.connect()
  const { data, stat } = await zk.get('/counter')
  expect(stat.version).toBeGreaterThanOrEqual(acknowledged)
  expect(data.toString()).toBe(String(stat.version))
  expect(await zk.children('/')).toEqual(['counter', 'zookeeper'])
  await tree.close()
  rmSync(folder, { recursive: true })
}, 30_000)

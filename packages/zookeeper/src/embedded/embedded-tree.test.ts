import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLogger } from '@millrace/runtime/logger'
import type { Logger } from '@millrace/runtime/logger'
import { nodeWorld } from '@millrace/runtime/node/world'
import type { File } from '@millrace/runtime/ports'
import type { SessionEvent } from '../coordination.ts'
import type { EmbeddedClient } from './embedded-client.ts'
import { EmbeddedTree } from './embedded-tree.ts'
import type { EmbeddedTreeOptions } from './embedded-tree.ts'
import { TreeStoreDamaged } from './tree-store.ts'

const world = nodeWorld()
let folder = ''
let trees: EmbeddedTree[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-tree-'))
})
afterEach(async () => {
  await Promise.all(trees.map(tree => tree.close()))
  trees = []
  rmSync(folder, { recursive: true })
})

function open(options: Partial<EmbeddedTreeOptions> = {}): EmbeddedTree {
  const tree = new EmbeddedTree({ world, logger: silentLogger, folder, ...options })
  trees.push(tree)
  return tree
}

async function clientOf(tree: EmbeddedTree): Promise<EmbeddedClient> {
  const client = tree.client({ sessionTimeoutMs: 1000 })
  await client.connect()
  return client
}

describe('embedded tree, in a folder', () => {
  test.each(['closed', 'killed'])(
    '%s and opened again: data, versions, zxids and sequence numbers go on',
    async how => {
      const first = open()
      const zk = await clientOf(first)
      await zk.create('/a', Buffer.from('one'))
      await zk.set('/a', Buffer.from('two'), 0)
      await zk.create('/a/n-', null, { mode: 'persistent-sequential' })
      const before = await zk.get('/a')
      if (how === 'closed') await first.close()
      else first.kill()

      const again = await clientOf(open())
      expect(await again.get('/a')).toEqual(before)
      expect(await again.create('/a/n-', null, { mode: 'persistent-sequential' })).toBe('/a/n-0000000001')
      expect((await again.get('/a/n-0000000001')).stat.czxid).toBeGreaterThan(before.stat.pzxid)
    },
  )

  test('killed and opened again: the ephemerals of the sessions that died are gone', async () => {
    const first = open()
    const zk = await clientOf(first)
    await zk.create('/p', null)
    await zk.create('/p/e', null, { mode: 'ephemeral' })
    first.kill()
    const again = await clientOf(open())
    expect(await again.children('/p')).toEqual([])
    expect(again.session?.id).not.toBe(zk.session?.id)
  })

  test('killed while the log is folded into snapshots: nothing is lost', async () => {
    const first = open({ compactAboveBytes: 500 })
    const zk = await clientOf(first)
    await zk.create('/a', null)
    for (let version = 0; version < 200; version++) await zk.set('/a', Buffer.alloc(50), version)
    first.kill()
    expect((await (await clientOf(open())).get('/a')).stat.version).toBe(200)
  })

  test('stopped between snapshot and empty log: what both hold is applied once', async () => {
    const first = open()
    const zk = await clientOf(first)
    await zk.create('/a', null)
    await zk.create('/a/n-', null, { mode: 'persistent-sequential' })
    const log = readFileSync(join(folder, 'log'))
    await first.close()
    writeFileSync(join(folder, 'log'), log)
    expect(await (await clientOf(open())).children('/a')).toEqual(['n-0000000000'])
  })

  test('log cut at any byte of the last write: everything before it is there', async () => {
    const first = open()
    const zk = await clientOf(first)
    await zk.create('/a', null)
    const before = readFileSync(join(folder, 'log')).length
    await zk.create('/b', Buffer.alloc(100))
    first.kill()
    const log = readFileSync(join(folder, 'log'))
    for (let size = before; size < log.length; size++) {
      writeFileSync(join(folder, 'log'), log.subarray(0, size))
      const tree = open()
      const names = await (await clientOf(tree)).children('/')
      tree.kill()
      expect({ size, names }).toEqual({ size, names: ['a', 'zookeeper'] })
    }
  })

  test('log that ends in zeros: cut off, and later writes are kept', async () => {
    const first = open()
    await (await clientOf(first)).create('/a', null)
    first.kill()
    const log = readFileSync(join(folder, 'log'))
    truncateSync(join(folder, 'log'), log.length + 4096)
    const second = open()
    await (await clientOf(second)).create('/b', null)
    second.kill()
    expect(await (await clientOf(open())).children('/')).toEqual(['a', 'b', 'zookeeper'])
  })

  test('log damaged in the middle: TreeStoreDamaged, nothing is cut off, the folder is free', async () => {
    const first = open()
    const zk = await clientOf(first)
    for (const path of ['/a', '/b', '/c']) await zk.create(path, null)
    first.kill()
    const log = readFileSync(join(folder, 'log'))
    const damaged = Buffer.from(log)
    damaged[20]! ^= 1
    writeFileSync(join(folder, 'log'), damaged)
    expect(() => open()).toThrow(TreeStoreDamaged)
    expect(readFileSync(join(folder, 'log'))).toEqual(damaged)
    writeFileSync(join(folder, 'log'), log)
    expect(await (await clientOf(open())).children('/')).toEqual(['a', 'b', 'c', 'zookeeper'])
  })

  test('snapshot damaged or cut: TreeStoreDamaged', async () => {
    const first = open()
    await (await clientOf(first)).create('/a', null)
    await first.close()
    const snapshot = readFileSync(join(folder, 'snapshot'))
    writeFileSync(join(folder, 'snapshot'), snapshot.subarray(0, -3))
    expect(() => open()).toThrow(TreeStoreDamaged)
    const lastRecord = snapshot.lastIndexOf('{"path"') - 8
    writeFileSync(join(folder, 'snapshot'), snapshot.subarray(0, lastRecord))
    expect(() => open()).toThrow(TreeStoreDamaged)
  })

  test('folder in use: refused', () => {
    open()
    expect(() => open()).toThrow(expect.objectContaining({ name: 'FileLocked' }))
  })

  test('disk full: the write is not acknowledged, every client loses its server, nobody reads what was not written', async () => {
    let isFull = false
    const files = {
      ...bound(world.files),
      open: (...args: Parameters<typeof world.files.open>): File => {
        const file = bound(world.files.open(...args))
        return {
          ...file,
          write: (...write) => {
            if (isFull) throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
            return file.write(...write)
          },
        }
      },
    }
    const tree = open({ world: { ...world, files } })
    const [writer, reader] = [await clientOf(tree), await clientOf(tree)]
    await writer.create('/a', null)
    const sessions: SessionEvent[] = []
    reader.onSessionEvent(event => void sessions.push(event))
    isFull = true
    await expect(writer.create('/b', null)).rejects.toMatchObject({
      code: 'UNKNOWN_OUTCOME',
      cause: { code: 'ENOSPC' },
    })
    await expect(reader.exists('/b')).rejects.toMatchObject({ code: 'NOT_CONNECTED' })
    await expect(clientOf(tree)).rejects.toMatchObject({ code: 'NOT_CONNECTED' })
    expect(sessions).toEqual([{ type: 'suspended', generation: 1 }])
    tree.kill()
    expect(await (await clientOf(open())).children('/')).toEqual(['a', 'zookeeper'])
  })

  test('first log line: says that it is for one machine only', () => {
    const lines: string[] = []
    const logger: Logger = { ...silentLogger, info: line => void lines.push(line), child: () => logger }
    open({ logger })
    expect(lines[0]).toMatch(/one machine only/)
  })
})

/** A plain object with the methods of `target`. */
function bound<T extends object>(target: T): T {
  const methods = Object.getOwnPropertyNames(Object.getPrototypeOf(target)).filter(name => name !== 'constructor')
  const own = Object.entries(target)
  return Object.fromEntries([
    ...own,
    ...methods.map(name => {
      const value: unknown = target[name as keyof T]
      return [name, typeof value === 'function' ? value.bind(target) : value]
    }),
  ]) as T
}

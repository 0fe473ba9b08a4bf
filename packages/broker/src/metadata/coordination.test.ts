import { describe, expect, test } from '@jest/globals'
import { VirtualTree } from '@millrace/testing/world/virtual-tree'
import type { EmbeddedClient } from '@millrace/zookeeper/embedded/embedded-client'
import { ControllerMoved, createRecursive, ensurePath, fencedMulti, update } from './coordination.ts'
import { controllerEpochZnode, producerIdBlockZnode } from './znodes.ts'

async function start(): Promise<{ world: VirtualTree; client: EmbeddedClient }> {
  const world = new VirtualTree()
  return { world, client: await world.client() }
}

describe('fenced writes', () => {
  test('the epoch in force: written, results of the operations alone', async () => {
    const { world, client } = await start()
    await world.during(client.create('/controller_epoch', controllerEpochZnode.encode(0)))
    const { version } = await world.during(client.set('/controller_epoch', controllerEpochZnode.encode(1), 0))
    const results = await world.during(
      fencedMulti(client, { epoch: 1, epochVersion: version }, [{ op: 'create', path: '/a', data: null }]),
    )
    expect(results).toHaveLength(1)
    expect(results[0]?.path).toBe('/a')
  })

  test('another epoch, or none at all: ControllerMoved, nothing written', async () => {
    const { world, client } = await start()
    const write = (): Promise<unknown> =>
      world.during(fencedMulti(client, { epoch: 1, epochVersion: 0 }, [{ op: 'create', path: '/a', data: null }]))
    await expect(write()).rejects.toThrow(ControllerMoved)
    await world.during(client.create('/controller_epoch', controllerEpochZnode.encode(0)))
    await world.during(client.set('/controller_epoch', controllerEpochZnode.encode(2), 0))
    await expect(write()).rejects.toMatchObject({ name: 'ControllerMoved', epoch: 1 })
    await expect(world.during(client.exists('/a'))).resolves.toBeNull()
  })

  test('an operation fails: its own error, its own index', async () => {
    const { world, client } = await start()
    await world.during(client.create('/controller_epoch', controllerEpochZnode.encode(0)))
    const write = fencedMulti(client, { epoch: 0, epochVersion: 0 }, [
      { op: 'create', path: '/a', data: null },
      { op: 'set', path: '/b', data: null, version: 3 },
    ])
    await expect(world.during(write)).rejects.toMatchObject({ code: 'NO_NODE', failedIndex: 1 })
  })
})

test('create with parents: those that are missing, without data', async () => {
  const { world, client } = await start()
  await world.during(createRecursive(client, '/a/b/c', Buffer.from('x')))
  await world.during(createRecursive(client, '/a/b/d/e', Buffer.from('x')))
  await expect(world.during(createRecursive(client, '/a/b/c', null))).rejects.toMatchObject({ code: 'NODE_EXISTS' })
  await expect(world.during(ensurePath(client, '/a/b'))).resolves.toBe(false)
  await expect(world.during(ensurePath(client, '/z'))).resolves.toBe(true)
  expect((await world.during(client.get('/a/b'))).data).toHaveLength(0)
})

test('compare and set: many at once: every change counts', async () => {
  const { world, client } = await start()
  await world.during(client.create('/latest_producer_id_block', null))
  const take = (brokerId: number): Promise<unknown> =>
    update(client, producerIdBlockZnode, '/latest_producer_id_block', current => {
      const firstProducerId = current === null ? 0 : current.lastProducerId + 1
      return { brokerId, firstProducerId, lastProducerId: firstProducerId + 999 }
    })
  await world.during(Promise.all([1, 2, 3, 4, 5].map(take)))
  const { data, stat } = await world.during(client.get('/latest_producer_id_block'))
  expect(producerIdBlockZnode.decode(data, '').lastProducerId).toBe(4999)
  expect(stat.version).toBe(5)
})

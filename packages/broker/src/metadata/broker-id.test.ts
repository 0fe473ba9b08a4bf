import { expect, test } from '@jest/globals'
import { VirtualTree } from '@millrace/testing/world/virtual-tree'
import { NoBrokerId, resolveBrokerId } from './broker-id.ts'
import { clusterId } from './cluster-id.ts'
import { createStartupPaths, startupPaths } from './startup-paths.ts'
import { randomUuid } from './uuid.ts'

const none = { configured: -1, stored: null, reservedMaxId: 1000, mayGenerate: true }

test('broker id: configured over stored over generated', async () => {
  const world = new VirtualTree()
  const client = await world.client()
  const resolve = (options: object): Promise<number> => world.during(resolveBrokerId(client, { ...none, ...options }))
  await expect(resolve({ configured: 3, stored: 4 })).resolves.toBe(3)
  await expect(resolve({ stored: 4 })).resolves.toBe(4)
  await expect(resolve({})).resolves.toBe(1001)
  await expect(resolve({ reservedMaxId: 5 })).resolves.toBe(7)
  await expect(resolve({ mayGenerate: false })).rejects.toThrow(NoBrokerId)
})

test('broker id: many brokers at once: each has its own', async () => {
  const world = new VirtualTree()
  const clients = await Promise.all(Array.from({ length: 5 }, () => world.client()))
  const ids = await world.during(Promise.all(clients.map(client => resolveBrokerId(client, none))))
  expect(new Set(ids).size).toBe(5)
})

test('startup paths: persistent, without data; there already: left alone', async () => {
  const world = new VirtualTree()
  const client = await world.client()
  await world.during(client.create('/brokers', Buffer.from('x')))
  await world.during(createStartupPaths(client))
  await world.during(createStartupPaths(client))
  for (const path of startupPaths) {
    await expect(world.during(client.get(path))).resolves.toMatchObject({
      stat: { version: 0, ephemeralOwner: 0n, dataLength: 0 },
    })
  }
  expect((await world.during(client.get('/brokers'))).data.toString()).toBe('x')
})

test('cluster id: several brokers at once: one id, as Kafka writes it', async () => {
  const world = new VirtualTree()
  const clients = await Promise.all([world.client(), world.client(), world.client()])
  const ids = await world.during(Promise.all(clients.map(client => clusterId(client, world.random))))
  expect(new Set(ids).size).toBe(1)
  const { data } = await world.during(clients[0]!.get('/cluster/id'))
  expect(data.toString()).toBe(`{"version":"1","id":"${ids[0]}"}`)
})

test('uuid: version 4, 22 characters, never beginning with a dash (seed 1)', () => {
  const { random } = new VirtualTree()
  for (let round = 0; round < 1000; round++) {
    const uuid = randomUuid(random)
    expect(uuid).toMatch(/^[A-Za-z0-9_][A-Za-z0-9_-]{21}$/)
    const bytes = Buffer.from(uuid, 'base64url')
    expect([bytes.length, bytes[6]! >> 4, bytes[8]! >> 6]).toEqual([16, 4, 2])
  }
})

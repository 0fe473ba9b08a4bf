import { expect, test } from '@jest/globals'
import { VirtualTree } from '@millrace/testing/world/virtual-tree'
import { AnyVersion } from '@millrace/zookeeper/coordination'
import { ConsumerOffsets, isOffsetFailure } from './consumer-offsets.ts'

const path = '/consumers/g/offsets/t/3'

test('consumer offsets: none yet, committed, committed again: one decimal znode, parents without data', async () => {
  const world = new VirtualTree()
  const client = await world.client()
  const offsets = new ConsumerOffsets(client)
  expect(await world.during(offsets.get('g', 't', 3))).toBeNull()
  for (const offset of [0, 9007199254740991, -1]) {
    await world.during(offsets.set('g', 't', 3, offset))
    expect((await world.during(client.get(path))).data.toString()).toBe(String(offset))
    expect(await world.during(offsets.get('g', 't', 3))).toBe(offset)
  }
  expect((await world.during(client.get('/consumers/g/offsets'))).data).toHaveLength(0)
  expect((await world.during(client.getAcl(path))).acl).toEqual([{ scheme: 'world', id: 'anyone', permissions: 31 }])
})

test('consumer offsets: several brokers make the same znodes at once: all succeed', async () => {
  const world = new VirtualTree()
  const clients = await Promise.all([world.client(), world.client(), world.client()])
  const all = clients.flatMap((client, index) =>
    [0, 1, 3].map(partition => new ConsumerOffsets(client).set('g', 't', partition, index)),
  )
  await world.during(Promise.all(all))
  expect([0, 1, 2]).toContain(await world.during(new ConsumerOffsets(clients[0]!).get('g', 't', 3)))
})

test.each(['', 'abc', ' 7', '1.5', '99999999999999999999'])(
  'consumer offsets: %j was written there by somebody: unreadable, and overwritten by the next commit',
  async text => {
    const world = new VirtualTree()
    const client = await world.client()
    const offsets = new ConsumerOffsets(client)
    await world.during(offsets.set('g', 't', 3, 1))
    await world.during(client.set(path, Buffer.from(text), AnyVersion))
    const error = await world.during(offsets.get('g', 't', 3).catch((thrown: unknown) => thrown))
    expect(isOffsetFailure(error)).toBe(true)
    await world.during(offsets.set('g', 't', 3, 2))
    expect(await world.during(offsets.get('g', 't', 3))).toBe(2)
  },
)

test('consumer offsets: no coordination, and names that are no path: failures that say so, no crash', async () => {
  const world = new VirtualTree()
  const client = await world.client()
  const offsets = new ConsumerOffsets(client)
  for (const group of ['', '..', 'a//b']) {
    const error = await world.during(offsets.set(group, 't', 3, 1).catch((thrown: unknown) => thrown))
    expect(isOffsetFailure(error)).toBe(true)
  }
  await world.during(client.close())
  const error = await world.during(offsets.get('g', 't', 3).catch((thrown: unknown) => thrown))
  expect(isOffsetFailure(error)).toBe(true)
  expect(isOffsetFailure(new TypeError('a bug'))).toBe(false)
})

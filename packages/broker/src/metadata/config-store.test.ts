import { describe, expect, test } from '@jest/globals'
import { silentLogger } from '@millrace/runtime/logger'
import { VirtualTree } from '@millrace/testing/world/virtual-tree'
import type { EmbeddedClient } from '@millrace/zookeeper/embedded/embedded-client'
import { parseBrokerSettings } from '../settings/parse.ts'
import { ConfigChanges } from './config-changes.ts'
import { ConfigStore, brokerEntity, topicEntity, type ConfigValues } from './config-store.ts'
import { ControllerMoved } from './coordination.ts'
import { createStartupPaths } from './startup-paths.ts'
import { TopicConfigs } from './topic-configs.ts'
import { controllerZnode } from './znodes.ts'

const values = (of: Record<string, string>): ConfigValues => new Map(Object.entries(of))

async function start(
  options: { controller?: boolean } = {},
): Promise<{ world: VirtualTree; client: EmbeddedClient; store: ConfigStore }> {
  const world = new VirtualTree()
  const client = await world.client()
  await world.during(createStartupPaths(client))
  if (options.controller !== false) {
    const data = controllerZnode.encode({ brokerId: 1, timestampMs: 5, kraftControllerEpoch: -1 })
    await world.during(client.create('/controller', data, { mode: 'ephemeral' }))
  }
  return { world, client, store: new ConfigStore(client) }
}

describe('config store', () => {
  test('written: the entity, then a notification, as Kafka writes them', async () => {
    const { world, client, store } = await start()
    await world.during(store.write(topicEntity('t'), values({ 'segment.bytes': '100' })))
    await world.during(store.write(topicEntity('t'), values({})))
    const entity = await world.during(client.get('/config/topics/t'))
    expect(entity.data.toString()).toBe('{"version":1,"config":{}}')
    expect(entity.stat.version).toBe(1)
    expect(await world.during(client.children('/config/changes'))).toEqual([
      'config_change_0000000000',
      'config_change_0000000001',
    ])
    const change = await world.during(client.get('/config/changes/config_change_0000000000'))
    expect(change.data.toString()).toBe('{"version":2,"entity_path":"topics/t"}')
  })

  test('read: what was written, nothing where nothing is', async () => {
    const { world, store } = await start()
    await world.during(store.write(brokerEntity(null), values({ 'max.connections': '5' })))
    await expect(world.during(store.read(brokerEntity(null)))).resolves.toEqual(values({ 'max.connections': '5' }))
    await expect(world.during(store.read(brokerEntity(1)))).resolves.toEqual(new Map())
    await expect(world.during(store.names('brokers'))).resolves.toEqual(['<default>'])
  })

  test('a user and a client of it: the parents are made', async () => {
    const { world, client, store } = await start()
    await world.during(store.write('users/alice/clients/app', values({ request_percentage: '50' })))
    expect((await world.during(client.get('/config/users/alice/clients/app'))).data.length).toBeGreaterThan(0)
  })

  test('no controller, or one of KRaft: refused, nothing written', async () => {
    const { world, client, store } = await start({ controller: false })
    const write = (): Promise<string> => world.during(store.write(topicEntity('t'), values({})))
    await expect(write()).rejects.toThrow(ControllerMoved)
    const kraft = controllerZnode.encode({ brokerId: 3000, timestampMs: 5, kraftControllerEpoch: 7 })
    await world.during(client.create('/controller', kraft))
    await expect(write()).rejects.toThrow(ControllerMoved)
    await expect(world.during(client.exists('/config/topics/t'))).resolves.toBeNull()
    await expect(world.during(client.children('/config/changes'))).resolves.toEqual([])
  })

  test('a new topic: no notification; left-overs of an older one are replaced', async () => {
    const { world, client, store } = await start()
    await world.during(store.writeForNewTopic('t', values({ 'segment.bytes': '100' })))
    await world.during(store.writeForNewTopic('t', values({})))
    await expect(world.during(store.read(topicEntity('t')))).resolves.toEqual(new Map())
    await expect(world.during(client.children('/config/changes'))).resolves.toEqual([])
  })
})

describe('config changes', () => {
  async function follow(world: VirtualTree, client: EmbeddedClient, received: () => Promise<void> = async () => {}) {
    const heard: string[] = []
    const tell = (who: string, of: ConfigValues): void => void heard.push(`${who} ${JSON.stringify([...of])}`)
    const changes = new ConfigChanges({
      coordination: client,
      store: new ConfigStore(client),
      brokerId: 1,
      clock: world.time,
      timers: world.time,
      logger: silentLogger,
      receiver: {
        brokerChanged: of => tell('broker', of),
        clusterDefaultChanged: of => tell('default', of),
        topicChanged: async (topic, of) => {
          await received()
          tell(topic, of)
        },
      },
    })
    await world.during(changes.start())
    return { changes, heard }
  }

  test('at the start: everything that concerns this broker', async () => {
    const { world, client, store } = await start()
    await world.during(store.writeForNewTopic('t', values({ a: '1' })))
    await world.during(store.write(brokerEntity(1), values({ b: '2' })))
    await world.during(store.write(brokerEntity(2), values({ c: '3' })))
    const { heard } = await follow(world, client)
    expect(heard.slice(-3)).toEqual(['default []', 'broker [["b","2"]]', 't [["a","1"]]'])
  })

  test('a change: heard once, with the values that are stored', async () => {
    const { world, client, store } = await start()
    const { heard } = await follow(world, client)
    heard.length = 0
    await world.during(store.write(topicEntity('t'), values({ a: '1' })))
    await world.time.run()
    await world.during(store.write(brokerEntity(2), values({ a: '1' })))
    await world.during(store.write(brokerEntity(null), values({ a: '2' })))
    await world.time.run()
    expect(heard).toEqual(['t [["a","1"]]', 'default [["a","2"]]'])
  })

  test('whoever waits for a change: until the receiver has taken it and those before; no longer than asked, nor than it is followed', async () => {
    const { world, client, store } = await start()
    let take = (): void => {}
    const { changes, heard } = await follow(world, client, () => new Promise(resolve => (take = resolve)))
    heard.length = 0
    const until = (path: string, timeoutMs: number): { readonly heard: () => number | null } => {
      let seen: number | null = null
      void changes.untilApplied(path, timeoutMs).then(() => (seen = heard.length))
      return { heard: () => seen }
    }
    const [first, second, third] = [
      await world.during(store.write(topicEntity('t'), values({ a: '1' }))),
      await world.during(store.write(topicEntity('u'), values({ a: '1' }))),
      await world.during(store.write(topicEntity('v'), values({ a: '1' }))),
    ]
    const [one, two, impatient, stopped] = [until(first, 500), until(second, 500), until(second, 50), until(third, 1e6)]
    await world.time.run(100)
    expect([one, two, impatient].map(each => each.heard())).toEqual([null, null, 0])
    take()
    await world.time.run(10)
    expect([one, two].map(each => each.heard())).toEqual([1, null])
    take()
    await world.time.run(10)
    expect([two, until(second, 500), stopped].map(each => each.heard())).toEqual([2, null, null])
    const stop = changes.stop()
    take()
    await world.during(stop)
    await world.time.run()
    expect([stopped.heard(), await changes.untilApplied(third, 500)]).toEqual([3, undefined])
  })

  test('the topic is gone again: heard as empty', async () => {
    const { world, client, store } = await start()
    const { heard } = await follow(world, client)
    heard.length = 0
    const written = store.write(topicEntity('t'), values({ a: '1' }))
    await world.during(written.then(() => client.delete('/config/topics/t', -1)))
    await world.time.run()
    expect(heard.at(-1)).toBe('t []')
  })

  test('a notification that nobody can read: skipped', async () => {
    const { world, client, store } = await start()
    const { heard } = await follow(world, client)
    heard.length = 0
    await world.during(
      client.create('/config/changes/config_change_', Buffer.from('?'), { mode: 'persistent-sequential' }),
    )
    await world.during(store.write(topicEntity('t'), values({ a: '1' })))
    await world.time.run()
    expect(heard).toEqual(['t [["a","1"]]'])
  })

  test('session expired: changes of the time between are heard under the new one', async () => {
    const { world, client } = await start()
    const other = await world.client(60_000)
    const controller = controllerZnode.encode({ brokerId: 2, timestampMs: 5, kraftControllerEpoch: -1 })
    const { heard } = await follow(world, client)
    heard.length = 0
    client.disconnect()
    await world.time.run(7000)
    await world.during(other.create('/controller', controller).catch(() => ''))
    await world.during(new ConfigStore(other).write(topicEntity('t'), values({ a: '1' })))
    await world.time.run(5000)
    expect(heard).toContain('t [["a","1"]]')
    heard.length = 0
    await world.during(new ConfigStore(other).write(topicEntity('t'), values({ a: '2' })))
    await world.time.run()
    expect(heard).toEqual(['t [["a","2"]]'])
  })

  test('notifications older than 15 minutes: removed with the next change', async () => {
    const { world, client, store } = await start()
    await follow(world, client)
    await world.during(store.write(topicEntity('t'), values({ a: '1' })))
    await world.time.run(15 * 60_000 + 1)
    await world.during(store.write(topicEntity('t'), values({ a: '2' })))
    await world.time.run()
    await expect(world.during(client.children('/config/changes'))).resolves.toEqual(['config_change_0000000001'])
  })

  test('stopped: hears nothing more', async () => {
    const { world, client, store } = await start()
    const { changes, heard } = await follow(world, client)
    heard.length = 0
    await world.during(changes.stop())
    await world.during(store.write(topicEntity('t'), values({ a: '1' })))
    await world.time.run()
    expect(heard).toEqual([])
  })
})

describe('topic configs', () => {
  const { settings } = parseBrokerSettings(values({ 'zookeeper.connect': 'z', 'log.segment.bytes': '500' }))

  test('settings of a topic: its own over the broker’s; the same object until something changes', () => {
    const told: (string | null)[] = []
    const configs = new TopicConfigs({ store: new Map() as never, broker: settings, logger: silentLogger })
    configs.onChange(topic => told.push(topic))
    expect(configs.settingsOf('t').segmentBytes).toBe(500)
    expect(configs.settingsOf('t')).toBe(configs.settingsOf('u'))
    configs.apply('t', values({ 'segment.bytes': '100' }))
    configs.apply('t', values({ 'segment.bytes': '100' }))
    expect(configs.settingsOf('t').segmentBytes).toBe(100)
    expect(configs.settingsOf('t')).toBe(configs.settingsOf('t'))
    expect(configs.settingsOf('u').segmentBytes).toBe(500)
    configs.brokerSettingsChanged()
    configs.apply('t', values({}))
    expect(configs.settingsOf('t').segmentBytes).toBe(500)
    expect(told).toEqual(['t', null, 't'])
  })

  test('loaded: what ZooKeeper has now', async () => {
    const { world, store } = await start()
    const configs = new TopicConfigs({ store, broker: settings, logger: silentLogger })
    await world.during(store.writeForNewTopic('t', values({ 'segment.bytes': '100' })))
    expect((await world.during(configs.load('t'))).segmentBytes).toBe(100)
    await world.during(store.writeForNewTopic('t', values({})))
    expect((await world.during(configs.load('t'))).segmentBytes).toBe(500)
  })
})

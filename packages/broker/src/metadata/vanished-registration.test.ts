import { describe, expect, test } from '@jest/globals'
import { silentLogger } from '@millrace/runtime/logger'
import { VirtualTree } from '@millrace/testing/world/virtual-tree'
import { AnyVersion, type Coordination } from '@millrace/zookeeper/coordination'
import { BrokerRegistrar } from './broker-registration.ts'
import { createStartupPaths } from './startup-paths.ts'

const announcement = {
  endpoints: [{ listener: 'PLAINTEXT', host: 'h', port: 9092, securityProtocol: 'PLAINTEXT' as const }],
  rack: null,
  jmxPort: -1,
  features: new Map<string, never>(),
}
const path = '/brokers/ids/1'

interface Setting {
  readonly world: VirtualTree
  readonly client: Coordination
  readonly other: Coordination
  readonly registrar: BrokerRegistrar
  /** What happened, in order. */
  readonly story: string[]
}

async function start(watchesItself = true): Promise<Setting> {
  const world = new VirtualTree()
  const [client, other] = [await world.client(), await world.client()]
  await world.during(createStartupPaths(client))
  const ports = { clock: world.time, timers: world.time, logger: silentLogger }
  const registrar = new BrokerRegistrar({ ...ports, coordination: client, brokerId: 1, watchesItself })
  const story: string[] = []
  registrar.onVanished(() => story.push('vanished'))
  registrar.onRegistered(epoch => void story.push(`registered ${epoch}`))
  await world.during(registrar.register(announcement))
  return { world, client, other, registrar, story }
}

describe('a registration that vanishes while its session lives', () => {
  test('told first, then registered again with a new epoch; as often as it happens', async () => {
    const { world, client, other, registrar, story } = await start()
    const expected = [`registered ${registrar.brokerEpoch}`]
    for (let round = 0; round < 4; round++) {
      const before = registrar.brokerEpoch
      await world.during(other.delete(path, AnyVersion))
      await world.time.run(100)
      expect(registrar.brokerEpoch).toBeGreaterThan(before)
      expected.push('vanished', `registered ${registrar.brokerEpoch}`)
    }
    expect(story).toEqual(expected)
    const stat = await world.during(client.exists(path))
    expect(stat).toMatchObject({ czxid: registrar.brokerEpoch, ephemeralOwner: client.session!.id })
  })

  test('other endpoints, then it vanishes: found all the same', async () => {
    const { world, other, registrar, story } = await start()
    await world.during(registrar.update({ ...announcement, rack: 'r' }))
    await world.time.run(100)
    expect(story).toHaveLength(1)
    await world.during(other.delete(path, AnyVersion))
    await world.time.run(100)
    expect(story).toHaveLength(3)
  })

  test('the broker stops: it does not come back', async () => {
    const { world, client, other, registrar, story } = await start()
    registrar.stop()
    await world.during(other.delete(path, AnyVersion))
    await world.time.run(10_000)
    expect(story).toHaveLength(1)
    expect(await world.during(client.exists(path))).toBeNull()
  })

  test('a broker that does not watch itself stays away, as Kafka’s would', async () => {
    const { world, client, other, story } = await start(false)
    await world.during(other.delete(path, AnyVersion))
    await world.time.run(10_000)
    expect(story).toHaveLength(1)
    expect(await world.during(client.exists(path))).toBeNull()
  })
})

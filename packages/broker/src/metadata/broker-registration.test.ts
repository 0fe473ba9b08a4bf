import { describe, expect, test } from '@jest/globals'
import { silentLogger } from '@millrace/runtime/logger'
import { VirtualTree } from '@millrace/testing/world/virtual-tree'
import type { Coordination } from '@millrace/zookeeper/coordination'
import type { Endpoint } from '../settings/endpoint.ts'
import { BrokerRegistrar, DuplicateBrokerId, EndpointInUse, type Announcement } from './broker-registration.ts'
import { createStartupPaths } from './startup-paths.ts'
import { brokerZnode } from './znodes.ts'

const endpoint = (port: number, host = 'h'): Endpoint => ({
  listener: 'PLAINTEXT',
  host,
  port,
  securityProtocol: 'PLAINTEXT',
})
const at = (port: number, rack: string | null = null): Announcement => ({
  endpoints: [endpoint(port)],
  rack,
  jmxPort: -1,
  features: new Map(),
})

async function start(): Promise<VirtualTree> {
  const world = new VirtualTree()
  const client = await world.client()
  await world.during(createStartupPaths(client))
  return world
}

const registrar = (world: VirtualTree, coordination: Coordination, brokerId: number): BrokerRegistrar =>
  new BrokerRegistrar({ coordination, clock: world.time, timers: world.time, logger: silentLogger, brokerId })

describe('broker registration', () => {
  test('a free id: ephemeral znode of version 1, its czxid is the epoch', async () => {
    const world = await start()
    const client = await world.client()
    const epoch = await world.during(registrar(world, client, 7).register(at(9092, 'rack-a')))
    const { data, stat } = await world.during(client.get('/brokers/ids/7'))
    expect(stat).toMatchObject({ version: 1, ephemeralOwner: client.session!.id, czxid: epoch })
    expect(brokerZnode.decode(data, '')).toMatchObject({
      rack: 'rack-a',
      endpoints: [endpoint(9092)],
      timestampMs: world.time.wallMs(),
    })
  })

  test('another broker has the id: an error that says who and where, nothing written', async () => {
    const world = await start()
    const [first, second] = [await world.client(), await world.client()]
    await world.during(registrar(world, first, 1).register(at(9092)))
    const failure = world.during(registrar(world, second, 1).register(at(9093)))
    await expect(failure).rejects.toThrow(DuplicateBrokerId)
    await expect(failure).rejects.toThrow(
      /broker 1 is already registered by another process: PLAINTEXT:\/\/h:9092, registered at \d{4}-\d\d-\d\d .* \(ZooKeeper session 0x/,
    )
    expect((await world.during(first.get('/brokers/ids/1'))).stat.version).toBe(1)
  })

  test('another broker has the address: refused, naming it', async () => {
    const world = await start()
    const [first, second] = [await world.client(), await world.client()]
    await world.during(registrar(world, first, 1).register(at(9092)))
    const failure = world.during(registrar(world, second, 2).register(at(9092)))
    await expect(failure).rejects.toThrow(EndpointInUse)
    await expect(failure).rejects.toThrow('PLAINTEXT://h:9092 is advertised by broker 1 already')
  })

  test('killed and started again: waits for the old session to end, then a higher epoch', async () => {
    const world = await start()
    const first = await world.client()
    const before = await world.during(registrar(world, first, 1).register(at(9092)))
    first.kill()
    const startedMs = world.time.monotonicMs()
    const after = await world.during(registrar(world, await world.client(), 1).register(at(9092)))
    expect(after).toBeGreaterThan(before)
    expect(world.time.monotonicMs() - startedMs).toBeGreaterThan(0)
  })

  test('the same addresses, and the other one stays alive: refused after the session timeout', async () => {
    const world = await start()
    const [first, second] = [await world.client(), await world.client()]
    await world.during(registrar(world, first, 1).register(at(9092)))
    await expect(world.during(registrar(world, second, 1).register(at(9092)))).rejects.toThrow(DuplicateBrokerId)
    expect(world.time.monotonicMs()).toBeGreaterThanOrEqual(8000)
  })

  test('session expired: registers again, tells the new epoch', async () => {
    const world = await start()
    const client = await world.client()
    const broker = registrar(world, client, 1)
    const epochs: number[] = []
    broker.onRegistered(epoch => void epochs.push(epoch))
    await world.during(broker.register(at(9092)))
    client.expireSession()
    await world.time.run(1000)
    expect(epochs).toHaveLength(2)
    expect(epochs[1]).toBeGreaterThan(epochs[0]!)
    expect(broker.brokerEpoch).toBe(epochs[1])
    const { stat } = await world.during(client.get('/brokers/ids/1'))
    expect(stat).toMatchObject({ czxid: epochs[1], ephemeralOwner: client.session!.id })
  })

  test('connection lost and back in the same session: stays as it was', async () => {
    const world = await start()
    const client = await world.client()
    const broker = registrar(world, client, 1)
    const epoch = await world.during(broker.register(at(9092)))
    client.disconnect()
    await world.time.run(1000)
    client.reconnect()
    await world.time.run(1000)
    expect(broker.brokerEpoch).toBe(epoch)
  })

  test('session expired and the id taken meanwhile: tries on, and has it when the other one is gone', async () => {
    const world = await start()
    const [client, other] = [await world.client(), await world.client()]
    const broker = registrar(world, client, 1)
    const epoch = await world.during(broker.register(at(9092)))
    client.disconnect()
    const rival = registrar(world, other, 1)
    const taken = world.during(rival.register(at(9092)))
    await world.time.run(10_000)
    await taken
    rival.stop()
    other.kill({ expireNow: true })
    await world.time.run(20_000)
    expect(broker.brokerEpoch).toBeGreaterThan(epoch)
  })

  test('stopped: does not register again', async () => {
    const world = await start()
    const client = await world.client()
    const broker = registrar(world, client, 1)
    await world.during(broker.register(at(9092)))
    broker.stop()
    client.expireSession()
    await world.time.run(1000)
    await expect(world.during(client.exists('/brokers/ids/1'))).resolves.toBeNull()
  })

  test('other endpoints: the same znode and epoch', async () => {
    const world = await start()
    const client = await world.client()
    const broker = registrar(world, client, 1)
    const epoch = await world.during(broker.register(at(9092)))
    await world.during(broker.update(at(9099)))
    const { data, stat } = await world.during(client.get('/brokers/ids/1'))
    expect(stat.czxid).toBe(epoch)
    expect(brokerZnode.decode(data, '').endpoints).toEqual([endpoint(9099)])
  })
})

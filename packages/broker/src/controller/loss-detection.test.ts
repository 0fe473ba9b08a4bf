import { afterEach, describe, expect, test } from '@jest/globals'
import { HintingCluster, type HintingOptions } from '@millrace/testing/controller/hinting-cluster'
import { AnyVersion } from '@millrace/zookeeper/coordination'
import { partitionStateZnode, topicZnode } from '../metadata/znodes.ts'
import { depose, prepareDeposition } from './deposition.ts'

let cluster = new HintingCluster()
afterEach(async () => {
  await cluster.close()
})

async function start(count: number, options: HintingOptions = {}): Promise<void> {
  cluster = new HintingCluster(options)
  for (let id = 1; id <= count; id++) await cluster.start(id)
  // The first one is controller, and everybody is connected to everybody that matters.
  expect(cluster.active?.id).toBe(1)
  await cluster.pass(1000)
}

const isRegistered = async (id: number): Promise<boolean> =>
  (await cluster.world.during(cluster.anybody.client.exists(`/brokers/ids/${id}`))) !== null

async function createTopic(name: string, replicas: readonly (readonly number[])[]): Promise<void> {
  const data = topicZnode.encode({
    topicId: null,
    partitions: new Map(replicas.map((list, partition) => [partition, list])),
    addingReplicas: new Map(),
    removingReplicas: new Map(),
  })
  await cluster.world.during(cluster.anybody.client.create(`/brokers/topics/${name}`, data))
  await cluster.pass(300)
}

async function stateOf(topic: string, partition: number): Promise<{ leader: number; isr: readonly number[] }> {
  const path = partitionStateZnode.path(topic, partition)
  const { data } = await cluster.world.during(cluster.anybody.client.get(path))
  const { leader, inSyncReplicas } = partitionStateZnode.decode(data, path)
  return { leader, isr: inSyncReplicas }
}

describe('a broker is killed', () => {
  test('its registration is gone long before its session, and others lead', async () => {
    await start(3)
    await createTopic('t', [[2, 3, 1]])
    cluster.kill(2)
    await cluster.pass(1000)
    expect(await isRegistered(2)).toBe(false)
    expect(await stateOf('t', 0)).toEqual({ leader: 3, isr: [3, 1] })
    expect(await cluster.elections()).toBe(1)
  })

  test('the switch is off: ZooKeeper decides', async () => {
    await start(3, { isFast: false })
    cluster.kill(2)
    await cluster.pass(10_000)
    expect(await isRegistered(2)).toBe(true)
    await cluster.pass(10_000)
    expect(await isRegistered(2)).toBe(false)
  })

  test('the only member of an ISR: stays in it, without a leader; unclean election waits for the session timeout', async () => {
    await start(3, { uncleanByDefault: () => true })
    // Otherwise the election of the controller itself is what it waits for.
    await cluster.pass(20_000)
    await createTopic('t', [[2, 3]])
    cluster.kill(3)
    await cluster.pass(19_000)
    expect(await stateOf('t', 0)).toEqual({ leader: 2, isr: [2] })
    await cluster.start(3)
    cluster.kill(2)
    await cluster.pass(1000)
    expect(await isRegistered(2)).toBe(false)
    expect(await stateOf('t', 0)).toEqual({ leader: -1, isr: [2] })
    await cluster.pass(16_500)
    expect(await stateOf('t', 0)).toEqual({ leader: -1, isr: [2] })
    await cluster.pass(2000)
    expect(await stateOf('t', 0)).toEqual({ leader: 3, isr: [3] })
  })

  test('two of three at once: the second is left to ZooKeeper', async () => {
    await start(3)
    cluster.kill(2)
    cluster.kill(3)
    await cluster.pass(2000)
    expect([await isRegistered(2), await isRegistered(3)]).toContain(true)
    expect([await isRegistered(2), await isRegistered(3)]).toContain(false)
    await cluster.pass(20_000)
    expect([await isRegistered(2), await isRegistered(3)]).toEqual([false, false])
  })

  test('one after the other, each back in a new session before the next: none waits for ZooKeeper', async () => {
    await start(3)
    for (const id of [2, 3, 2, 3]) {
      cluster.kill(id)
      await cluster.pass(1000)
      expect(await isRegistered(id)).toBe(false)
      await cluster.start(id)
      await cluster.pass(1000)
    }
  })
})

describe('the controller is killed', () => {
  test('another one is elected, and the registration of the dead one goes too', async () => {
    await start(3)
    await createTopic('t', [[1, 2, 3]])
    cluster.kill(1)
    await cluster.pass(1000)
    expect(cluster.active?.id).toBeDefined()
    expect(await isRegistered(1)).toBe(false)
    expect(await stateOf('t', 0)).toEqual({ leader: 2, isr: [2, 3] })
    expect(await cluster.elections()).toBe(2)
  })

  test('again and again: each time at once', async () => {
    await start(3)
    for (let round = 0; round < 6; round++) {
      const { id } = cluster.active!
      cluster.kill(id)
      await cluster.until(() => cluster.active !== undefined, 1000)
      await cluster.pass(1000)
      await cluster.start(id)
      await cluster.pass(1000)
    }
    expect(await cluster.elections()).toBe(7)
  })

  test('together with another broker: the new controller was never connected to that one, and fences it all the same', async () => {
    await start(5)
    cluster.kill(1)
    cluster.kill(4)
    await cluster.pass(1500)
    expect(await cluster.elections()).toBe(2)
    expect([await isRegistered(1), await isRegistered(4)]).toEqual([false, false])
  })
})

describe('wrong hints', () => {
  test('no answer is no hint: nothing happens, however long', async () => {
    await start(3)
    for (const id of [2, 3]) {
      cluster.cut(1, id, 'silent')
      cluster.cut(id, 1, 'silent')
    }
    await cluster.pass(120_000)
    expect(await cluster.elections()).toBe(1)
    expect([...cluster.brokers.values()].map(({ timesVanished }) => timesVanished)).toEqual([0, 0, 0])
  })

  test('a broker that lives is fenced: it hears of it, and is back with a new epoch in the same session', async () => {
    await start(3)
    const broker = cluster.brokers.get(2)!
    const { brokerEpoch } = broker.registrar
    const session = broker.client.session!.id
    cluster.cut(1, 2, 'refused')
    await cluster.until(() => broker.registrar.brokerEpoch > brokerEpoch, 2000)
    expect(broker.timesVanished).toBe(1)
    expect(broker.client.session!.id).toBe(session)
    expect(await isRegistered(2)).toBe(true)
  })

  test('a controller that can reach nobody: fences one of two, once; the cluster keeps its brokers', async () => {
    await start(3)
    cluster.cut(1, 2, 'refused')
    cluster.cut(1, 3, 'refused')
    await cluster.pass(300_000)
    const vanished = [2, 3].map(id => cluster.brokers.get(id)!.timesVanished)
    expect(vanished.toSorted((a, b) => a - b)).toEqual([0, 1])
    expect([await isRegistered(2), await isRegistered(3)]).toEqual([true, true])
    expect(await cluster.elections()).toBeLessThanOrEqual(3)
  })

  test('a controller that can reach nobody, and whom nobody reaches: deposed once by each at most', async () => {
    await start(3)
    for (const id of [2, 3]) {
      cluster.cut(1, id, 'refused')
      cluster.cut(id, 1, 'refused')
    }
    await cluster.pass(300_000)
    expect(await cluster.elections()).toBeLessThanOrEqual(3)
    for (const id of [1, 2, 3]) expect(await isRegistered(id)).toBe(true)
  })

  test.each([1, 2, 3])(
    'broker 3 alone cannot reach the controller for 5 minutes: at most 3 elections (healed and cut %i times)',
    async rounds => {
      await start(3)
      for (let round = 0; round < rounds; round++) {
        const { id } = cluster.active!
        if (id !== 3) cluster.cut(3, id, 'refused')
        await cluster.pass(300_000 / rounds / 2)
        cluster.heal()
        await cluster.pass(300_000 / rounds / 2)
      }
      expect(await cluster.elections()).toBeLessThanOrEqual(3)
    },
  )
})

describe('deposition', () => {
  test('the deposed one lives, and its registration is gone for a moment: that proves nothing, the next one is not deposed', async () => {
    await start(4)
    // It lives, and stands for no election again.
    const deposed = cluster.brokers.get(1)!
    void deposed.controller.stop()
    cluster.cut(4, 1, 'refused')
    await cluster.pass(1000)
    expect(await cluster.elections()).toBe(2)
    const second = cluster.active!.id
    expect([1, 4]).not.toContain(second)
    await cluster.pass(500)
    // Fenced too, and too slow to come back: its session lives.
    deposed.registrar.stop()
    await cluster.world.during(deposed.client.delete('/brokers/ids/1', AnyVersion))
    cluster.cut(4, second, 'refused')
    await cluster.pass(10_000)
    expect(await cluster.elections()).toBe(2)
  })

  test('prepared against the old controller: fails after a new election', async () => {
    await start(2, { isFast: false })
    const { client } = cluster.brokers.get(2)!
    const old = (await cluster.world.during(prepareDeposition(client, 1)))!
    expect(old.suspect.brokerId).toBe(1)
    await cluster.world.during(client.delete('/controller', AnyVersion))
    await cluster.until(() => cluster.active !== undefined, 1000)
    const before = await cluster.elections()
    expect(await cluster.world.during(depose(client, old))).toBe(false)
    await cluster.pass(500)
    expect(await cluster.elections()).toBe(before)
    expect(await cluster.world.during(client.exists('/controller'))).not.toBeNull()
  })

  test('between two elections: fails, nothing is there to delete', async () => {
    await start(1, { isFast: false })
    const outsider = await cluster.world.client()
    const deposition = (await cluster.world.during(prepareDeposition(outsider, 1)))!
    cluster.brokers.get(1)!.stop()
    await cluster.world.during(outsider.delete('/controller', AnyVersion))
    expect(await cluster.world.during(depose(outsider, deposition))).toBe(false)
  })

  test('somebody else is controller: there is nothing to prepare', async () => {
    await start(2, { isFast: false })
    expect(await cluster.world.during(prepareDeposition(cluster.brokers.get(1)!.client, 2))).toBeNull()
  })
})

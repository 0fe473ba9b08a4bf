import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { silentLogger } from '@millrace/runtime/logger'
import { nodeWorld } from '@millrace/runtime/node/world'
import type { ClusterClient } from '@millrace/testing/workload/cluster-client'
import type { Coordination } from '@millrace/zookeeper/coordination'
import { ensembleCoordination } from '@millrace/zookeeper/zookeeper/ensemble-coordination'
import { describeWith } from '../oracles/describe-with.ts'
import type { BrokerProcess } from '../process-cluster/broker-process.ts'
import { expireSession, sessionOf } from '../process-cluster/expire-session.ts'
import { startProcessCluster, type ProcessCluster } from '../process-cluster/process-cluster.ts'
import { expectNothingLost, lasting, longestGapMs, processes, sleep, underLoad } from './under-load.ts'

jest.setTimeout(300_000)

/** So long may a leader be without ZooKeeper and without followers; here it has followers. */
const sessionTimeoutMs = 4000

describeWith(['kafka', 'confluent'], 'an ensemble that fails', () => {
  let cluster: ProcessCluster
  beforeAll(async () => {
    cluster = await startProcessCluster({ properties: { 'zookeeper.session.timeout.ms': String(sessionTimeoutMs) } })
  })
  afterAll(() => cluster.close())

  test('kill -9 of one server: nobody notices, nothing is lost', async () => {
    const verdict = await underLoad(processes(cluster), { topic: 'one-server' }, async ({ client, topic }) => {
      const before = await client.partition(topic, 0)
      const [server] = cluster.zookeeper.servers
      server!.kill('SIGKILL')
      await server!.ended()
      await sleep(lasting(1500, 10_000))
      await server!.restart()
      expect((await client.partition(topic, 0)).leaderEpoch).toBe(before.leaderEpoch)
    })
    expectNothingLost(verdict)
    expect(longestGapMs(verdict)).toBeLessThan(sessionTimeoutMs)
  })

  test('kill -9 of the whole ensemble, longer than the sessions: the data path goes on, then all is as before', async () => {
    const awayMs = lasting(sessionTimeoutMs + 1500, 30_000)
    const verdict = await underLoad(processes(cluster), { topic: 'ensemble' }, async () => {
      const { servers } = cluster.zookeeper
      for (const server of servers) server.kill('SIGKILL')
      await Promise.all(servers.map(server => server.ended()))
      await sleep(awayMs)
      await Promise.all(servers.map(server => server.restart()))
    })
    expectNothingLost(verdict)
    // Nobody waited for the end of a session, or for that of the outage.
    expect(longestGapMs(verdict)).toBeLessThan(sessionTimeoutMs)
  })

  /** For as long as `during` takes, and closed again. */
  async function withObserver<T>(during: (observer: Coordination) => Promise<T>): Promise<T> {
    const observer = ensembleCoordination({
      ...{ servers: cluster.zookeeperConnect, sessionTimeoutMs: 20_000, connectionTimeoutMs: 10_000 },
      ...{ world: nodeWorld(), logger: silentLogger },
    })
    try {
      await observer.connect()
      return await during(observer)
    } finally {
      await observer.close()
    }
  }

  /** As ZooKeeper would after a silence; the broker lives on and hears of it. */
  async function expire(broker: BrokerProcess): Promise<void> {
    const servers = cluster.zookeeperConnect
    expect(await expireSession(servers, sessionOf(broker, servers)!, 10_000)).toBe(true)
  }

  const isKnown = async (client: ClusterClient, broker: BrokerProcess): Promise<boolean> =>
    (await client.metadata(null)).brokers.some(({ nodeId }) => nodeId === broker.id)

  test('the session of a leader that lives expires: it stops leading, comes back under a new epoch, nothing is lost', async () => {
    const verdict = await underLoad(
      processes(cluster),
      { topic: 'expired' },
      async ({ leader, controller, client, topic }) => {
        // Not of the controller: the next test.
        const [leaders, controllerId] = [await Promise.all([0, 1, 2].map(leader)), await controller()]
        const partition = leaders.findIndex(id => id !== controllerId)
        const broker = cluster.broker(leaders[partition]!)
        const { leaderEpoch } = await client.partition(topic, partition)
        await expire(broker)
        await client.until(
          'another epoch began',
          async () => (await client.partition(topic, partition)).leaderEpoch > leaderEpoch,
          20_000,
        )
        await client.until('it is back', () => isKnown(client, broker), 20_000)
      },
    )
    expectNothingLost(verdict)
  })

  test('the session of the leader that is the controller expires and it is controller again before anybody saw it: it leads on, nothing is lost', async () => {
    const verdict = await underLoad(
      processes(cluster),
      { topic: 'unnoticed' },
      async ({ leader, controller, client, topic }) => {
        const [leaders, controllerId] = [await Promise.all([0, 1, 2].map(leader)), await controller()]
        const partition = leaders.indexOf(controllerId)
        const broker = cluster.broker(controllerId)
        const before = await client.partition(topic, partition)
        const others = cluster.brokers.filter(({ id }) => id !== controllerId)
        await withObserver(async observer => {
          const { czxid } = (await observer.get('/controller')).stat
          for (const other of others) other.pause()
          try {
            await expire(broker)
            const isAgain = async (): Promise<boolean> => {
              const found = await observer.get('/controller').catch(() => null)
              return found !== null && found.stat.czxid > czxid
            }
            await client.until('it is controller again', isAgain, 20_000)
          } finally {
            for (const other of others) other.resume()
          }
        })
        expect(await controller()).toBe(controllerId)
        await client.until('all know it', () => isKnown(client, broker), 20_000)
        // What it led it leads on, as in Kafka: nobody else has led in between. (A later epoch is automatic balancing at work.)
        const after = await client.partition(topic, partition)
        expect(after.leaderEpoch > before.leaderEpoch || after.leader === broker.id).toBe(true)
      },
    )
    expectNothingLost(verdict)
    expect(longestGapMs(verdict)).toBeLessThan(2 * sessionTimeoutMs)
  })
})

import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { readSessionFile } from '@millrace/broker/metadata/session-file'
import { silentLogger } from '@millrace/runtime/logger'
import { nodeWorld } from '@millrace/runtime/node/world'
import { endSession } from '@millrace/zookeeper/zookeeper/end-session'
import { describeWith } from '../oracles/describe-with.ts'
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

  test('the session of a leader that lives expires: it stops leading, comes back under a new epoch, nothing is lost', async () => {
    const verdict = await underLoad(
      processes(cluster),
      { topic: 'expired' },
      async ({ leader, controller, client, topic }) => {
        // Not of the controller: it may be back and controller again before anybody has read that it was gone, and go on leading, as in Kafka.
        const [leaders, controllerId] = [await Promise.all([0, 1, 2].map(leader)), await controller()]
        const partition = leaders.findIndex(id => id !== controllerId)
        const broker = cluster.broker(leaders[partition]!)
        const { leaderEpoch } = await client.partition(topic, partition)
        const world = nodeWorld()
        const servers = cluster.zookeeperConnect
        const session = readSessionFile(world.files, broker.logDirs[0]!, servers)
        const options = { servers, sessionTimeoutMs, connectionTimeoutMs: 10_000, requestsInFlightMax: 10 }
        expect(await endSession({ ...options, world, logger: silentLogger }, session!)).toBe(true)
        await client.until(
          'another epoch began',
          async () => (await client.partition(topic, partition)).leaderEpoch > leaderEpoch,
          20_000,
        )
        await client.until(
          'it is back',
          async () => (await client.metadata(null)).brokers.some(({ nodeId }) => nodeId === broker.id),
          20_000,
        )
      },
    )
    expectNothingLost(verdict)
  })
})

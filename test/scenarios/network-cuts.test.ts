import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, jest, test } from '@jest/globals'
import { startCluster, type Cluster } from '@millrace/testing/cluster/cluster'
import { NetworkCuts } from '@millrace/testing/faults/network-cuts'
import { describeWith } from '../oracles/describe-with.ts'
import { startIsolatedCluster, type IsolatedCluster } from '../process-cluster/isolated-cluster.ts'
import { NetworkNamespaces } from '../process-cluster/network-namespaces.ts'
import { expectNothingLost, inProcess, lasting, processes, sleep, underLoad, type UnderLoad } from './under-load.ts'

// First three brokers in this process, whose transports hold back what a cut swallows: clients and the coordination reach every broker. Then three
// processes, each in a network of its own, with the kernel's TCP between them: connections stay open while nothing arrives, and repeat for longer and longer.

jest.setTimeout(300_000)

const lagTimeMaxMs = 2000

describeWith(['confluent'], 'a network between brokers that is cut', () => {
  const cuts = new NetworkCuts()
  let cluster: Cluster
  beforeAll(async () => {
    cluster = await startCluster({
      cuts,
      properties: {
        'min.insync.replicas': '2',
        'default.replication.factor': '3',
        'replica.lag.time.max.ms': String(lagTimeMaxMs),
        'zookeeper.session.timeout.ms': '4000',
      },
    })
  })
  afterAll(async () => {
    cuts.heal()
    await cluster.close()
  })

  /** Longer than a follower may lag, so that in-sync sets change. */
  const cutMs = lasting(lagTimeMaxMs + 1000, 15_000)
  const othersOf = (id: number): number[] => cluster.brokers.map(each => each.id).filter(each => each !== id)

  const shrinks = ({ client, topic }: UnderLoad, without: number): Promise<void> =>
    client.until(
      `${without} is out of the in-sync set`,
      async () => !(await client.partition(topic, 0)).inSyncReplicas.includes(without),
      20_000,
    )

  test('between a leader and a follower, both ways: the follower leaves the in-sync set, writes go on, nothing is lost', async () => {
    const verdict = await underLoad(inProcess(cluster), { topic: 'pair', partitions: 1 }, async context => {
      const leader = await context.leader()
      // Not the controller: whom the leader cannot reach, it cannot tell.
      const controller = await context.controller()
      const follower = othersOf(leader).find(id => id !== controller)!
      cuts.cutBoth(leader, follower)
      await shrinks(context, follower)
      await context.atWork()
      await sleep(cutMs)
      cuts.heal()
    })
    expectNothingLost(verdict)
  })

  test('one way, the leader hears no follower: nothing is acknowledged with acks=all meanwhile unless it was replicated, nothing is lost', async () => {
    const verdict = await underLoad(inProcess(cluster), { topic: 'deaf', partitions: 1 }, async ({ leader }) => {
      const id = await leader()
      for (const other of othersOf(id)) cuts.cut(other, id)
      await sleep(cutMs)
      cuts.heal()
    })
    expectNothingLost(verdict)
  })

  test('one way, no follower hears the leader: as above', async () => {
    const verdict = await underLoad(inProcess(cluster), { topic: 'mute', partitions: 1 }, async ({ leader }) => {
      const id = await leader()
      for (const other of othersOf(id)) cuts.cut(id, other)
      await sleep(cutMs)
      cuts.heal()
    })
    expectNothingLost(verdict)
  })

  test('the controller is cut off from both others: the partitions of the other two go on; afterwards all is well', async () => {
    const verdict = await underLoad(inProcess(cluster), { topic: 'controller', partitions: 3 }, async context => {
      const id = await context.controller()
      for (const other of othersOf(id)) cuts.cutBoth(id, other)
      await sleep(cutMs)
      expect(await context.controller()).toBeGreaterThan(0)
      cuts.heal()
    })
    expectNothingLost(verdict)
  })
})

const whyNot = NetworkNamespaces.whyNot()

describeWith(
  ['kafka', 'confluent'],
  whyNot === null ? 'a real network that is cut' : `a real network that is cut [skipped: ${whyNot}]`,
  () => {
    if (whyNot !== null) {
      test.skip(`every scenario: ${whyNot}`, () => {})
      return
    }
    let cluster: IsolatedCluster
    let folder: string
    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'millrace-cuts-'))
      cluster = await startIsolatedCluster({
        ...{ folder, network: true, diskMegabytes: null },
        properties: { 'replica.lag.time.max.ms': String(lagTimeMaxMs) },
      })
    })
    afterAll(async () => {
      await cluster.close()
      rmSync(folder, { recursive: true, force: true })
    })

    // Also where a test failed: the next ones want all in sync.
    afterEach(() => cluster.network!.heal())

    const othersOf = (id: number): number[] => cluster.brokers.map(each => each.id).filter(each => each !== id)
    /** Longer than a follower may lag. */
    const cutMs = lasting(lagTimeMaxMs + 1000, 15_000)

    test('between a leader and a follower, both ways: the follower leaves the in-sync set, writes go on, nothing is lost', async () => {
      const verdict = await underLoad(processes(cluster), { topic: 'real-pair', partitions: 1 }, async context => {
        const { client, topic } = context
        const leader = await context.leader()
        const controller = await context.controller()
        const follower = othersOf(leader).find(id => id !== controller)!
        cluster.network!.cut(leader, follower)
        cluster.network!.cut(follower, leader)
        // The follower itself is not told where the leader is the controller, too.
        await client.until(
          `${follower} is out of the in-sync set`,
          async () => !(await client.partition(topic, 0, leader)).inSyncReplicas.includes(follower),
          20_000,
        )
        await context.atWork()
        await sleep(cutMs)
        cluster.network!.heal()
      })
      expectNothingLost(verdict)
    })

    test('one way, the leader hears no follower: nothing that was acknowledged with acks=all is lost', async () => {
      const verdict = await underLoad(processes(cluster), { topic: 'real-deaf', partitions: 1 }, async ({ leader }) => {
        const id = await leader()
        for (const other of othersOf(id)) cluster.network!.cut(other, id)
        await sleep(cutMs)
        cluster.network!.heal()
      })
      expectNothingLost(verdict)
    })

    test('one way, no follower hears the leader: as above', async () => {
      const verdict = await underLoad(processes(cluster), { topic: 'real-mute', partitions: 1 }, async ({ leader }) => {
        const id = await leader()
        for (const other of othersOf(id)) cluster.network!.cut(id, other)
        await sleep(cutMs)
        cluster.network!.heal()
      })
      expectNothingLost(verdict)
    })

    const whyNoLoss = NetworkNamespaces.whyNoLoss()
    const lossy = whyNoLoss === null ? test : test.skip
    lossy(
      `a tenth of what comes to a leader is lost on the way: writes go on, nothing is lost${whyNoLoss === null ? '' : ` [skipped: ${whyNoLoss}]`}`,
      async () => {
        const verdict = await underLoad(processes(cluster), { topic: 'real-loss', partitions: 1 }, async context => {
          const id = await context.leader()
          cluster.network!.lose(id, 0.1)
          try {
            await context.atWork()
            await sleep(cutMs)
            expect(cluster.network!.lostOf(id)).toBeGreaterThan(10)
          } finally {
            cluster.network!.loseNothing(id)
          }
        })
        expectNothingLost(verdict)
      },
    )
  },
)

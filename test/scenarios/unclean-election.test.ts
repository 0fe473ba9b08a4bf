import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { describeWith } from '../oracles/describe-with.ts'
import { startProcessCluster, type ProcessCluster } from '../process-cluster/process-cluster.ts'
import { expectNothingLost, processes, sleep, underLoad } from './under-load.ts'

// What the other scenarios never see has to be seen here, or they prove nothing.

jest.setTimeout(300_000)

/** The same story, with the topic set up so that it loses records and so that it does not. */
async function lastReplicaStanding(
  cluster: ProcessCluster,
  topic: string,
  isUnclean: boolean,
): ReturnType<typeof underLoad> {
  const configs = { 'unclean.leader.election.enable': String(isUnclean), 'min.insync.replicas': '1' }
  return underLoad(processes(cluster), { topic, configs, partitions: 1 }, async ({ leader, client, atWork }) => {
    const last = cluster.broker(await leader())
    const others = cluster.brokers.filter(broker => broker !== last)
    for (const broker of others) await broker.kill()
    const isAlone = async (): Promise<boolean> =>
      (await client.partition(topic, 0, last.id)).inSyncReplicas.length === 1
    await client.until('it is alone in the ISR', isAlone, 20_000)
    // Acknowledged with acks=all, on one disk.
    await atWork()
    await sleep(500)
    await last.kill()
    for (const broker of others) await broker.start()
    if (isUnclean) {
      const isElected = async (): Promise<boolean> => {
        const { leader: id } = await client.partition(topic, 0)
        return others.some(broker => broker.id === id)
      }
      await client.until('a replica that was not in sync leads', isElected, 30_000)
      await atWork()
    }
    await last.start()
  })
}

describeWith(['kafka', 'confluent'], 'the last in-sync replica ends and others come back', () => {
  let cluster: ProcessCluster
  beforeAll(async () => {
    cluster = await startProcessCluster()
  })
  afterAll(() => cluster.close())

  test('unclean elections are on: the checker finds acknowledged records that are lost', async () => {
    const { findings } = await lastReplicaStanding(cluster, 'unclean', true)
    expect(findings.violations).toHaveProperty('lost')
  })

  test('unclean elections are off: the partition waits for the one that has everything, nothing is lost', async () => {
    expectNothingLost(await lastReplicaStanding(cluster, 'clean', false))
  })
})

import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import {
  alterPartitionReassignmentsRequest,
  alterPartitionReassignmentsResponse,
} from '@millrace/protocol/messages/45-alter-partition-reassignments'
import { emptyOf } from '@millrace/protocol/schema'
import { ClusterClient } from '@millrace/testing/workload/cluster-client'
import { describeWith } from '../oracles/describe-with.ts'
import { startProcessCluster, type ProcessCluster } from '../process-cluster/process-cluster.ts'
import { expectNothingLost, lasting, processes, sleep, underLoad } from './under-load.ts'

jest.setTimeout(300_000)

const patienceMs = 30_000

describeWith(['kafka', 'confluent'], 'topics that are moved and deleted while brokers end', () => {
  let cluster: ProcessCluster
  let client: ClusterClient
  beforeAll(async () => {
    cluster = await startProcessCluster()
    client = new ClusterClient(processes(cluster).brokers)
  })
  afterAll(async () => {
    await client.close()
    await cluster.close()
  })

  test('deleted while a broker is down: gone there too when it is back; under the same name a new topic begins empty', async () => {
    const topic = 'deleted'
    const idOf = async (): Promise<string | null> => {
      const [row] = (await client.metadata(topic)).topics
      return row?.errorCode === 0 && row.partitions.every(({ leaderId }) => leaderId >= 0) ? row.topicId : null
    }
    const untilThere = (): Promise<void> => client.until('it is there', async () => (await idOf()) !== null, patienceMs)
    await client.createTopic(topic, { partitions: 3 })
    await untilThere()
    const firstId = await idOf()
    for (const partition of [0, 1, 2]) await client.produceUntilAcked(topic, partition, ['of the first'], patienceMs)
    const broker = cluster.broker(1)
    await broker.kill()
    // It may have been the controller.
    await client.until('its deletion is accepted', () => client.deleteTopic(topic).then(() => true), patienceMs)
    expect(existsSync(join(broker.logDirs[0]!, `${topic}-0`))).toBe(true)
    await sleep(lasting(500, 10_000))
    await broker.start()
    const isDeletedThere = (): Promise<boolean> =>
      Promise.resolve(!readdirSync(broker.logDirs[0]!).some(name => /^deleted-\d+$/.test(name)))
    await client.until('its folders are gone', isDeletedThere, patienceMs)
    const isCreated = (): Promise<boolean> => client.createTopic(topic, { partitions: 3 }).then(() => true)
    await client.until('the name is free', isCreated, patienceMs)
    await untilThere()
    expect(await idOf()).not.toBe(firstId)
    for (const partition of [0, 1, 2]) expect(await client.readAll(topic, partition)).toEqual([])
  })

  test('replicas move while leaders end, one after another: they arrive where they should, nothing is lost', async () => {
    const verdict = await underLoad(
      processes(cluster),
      { topic: 'moved', partitions: 3 },
      async ({ topic, leader }) => {
        const order = [3, 1, 2]
        for (const replicas of [[1, 2], [2, 3], order]) {
          const moving = moveAll(client, topic, replicas)
          const victim = cluster.broker(await leader(replicas[0]! % 3))
          await victim.kill()
          await sleep(lasting(300, 5000))
          await victim.start()
          await moving
        }
        for (const partition of [0, 1, 2]) expect((await client.partition(topic, partition)).replicas).toEqual(order)
      },
    )
    expectNothingLost(verdict)
  })
})

/** Asks again until every partition is where it should be: the controller may be the one that ends. */
async function moveAll(client: ClusterClient, topic: string, replicas: readonly number[]): Promise<void> {
  const partitions = [0, 1, 2].map(partitionIndex => ({ partitionIndex, replicas: [...replicas] }))
  await client.until(
    `${topic} on ${replicas.join()}`,
    async () => {
      const { topics, controllerId } = await client.metadata(topic)
      if (topics[0]!.partitions.every(({ replicaNodes }) => replicaNodes.join() === replicas.join())) return true
      const value = { ...emptyOf(alterPartitionReassignmentsRequest), topics: [{ name: topic, partitions }] }
      await client.ask(controllerId, alterPartitionReassignmentsRequest, alterPartitionReassignmentsResponse, value)
      await sleep(200)
      return false
    },
    patienceMs,
  )
}

import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { errorName } from '@millrace/protocol/errors'
import { electLeadersRequest, electLeadersResponse } from '@millrace/protocol/messages/43-elect-leaders'
import {
  alterPartitionReassignmentsRequest,
  alterPartitionReassignmentsResponse,
} from '@millrace/protocol/messages/45-alter-partition-reassignments'
import { emptyOf } from '@millrace/protocol/schema'
import { describeWith } from '../oracles/describe-with.ts'
import { AckedLoad, MixedBrokers, type Product } from './mixed-brokers.ts'

jest.setTimeout(120_000)

const topic = 'mixed'
/** Two of Kafka, two of Millrace; each partition has both among its followers, or leads the other. */
const products: readonly Product[] = ['kafka', 'kafka', 'millrace', 'millrace']
const assignments = [
  [1, 3, 2],
  [3, 1, 4],
  [4, 2, 3],
  [2, 4, 1],
]

/**
 * Brokers of Kafka 3.9.1 and of Millrace in one cluster: each follows the other, each is the other's controller, and each dies
 * under the other's eyes. All the while records are written with acks=all: in the end none of the acknowledged may be missing.
 */
describeWith(['kafka'], 'Kafka and Millrace brokers in one cluster', () => {
  let cluster: MixedBrokers
  let load: AckedLoad
  beforeAll(async () => {
    cluster = await MixedBrokers.start(products, 3)
    // The records of these tests are as old as the code: time must not delete them.
    const configs = { 'min.insync.replicas': '2', 'retention.ms': '-1' }
    await cluster.client.createTopic(topic, { assignments, configs })
    for (const partition of assignments.keys()) {
      await cluster.until(topic, partition, ({ inSyncReplicas }) => inSyncReplicas.length === 3)
      await cluster.client.produceUntilAcked(topic, partition, ['first'], 20_000)
    }
    load = new AckedLoad(cluster.client, topic, assignments.length)
  })
  afterAll(async () => {
    await load?.stop()
    await cluster?.close()
  })

  /** Each partition has taken more records since. */
  async function goesOn(partitions: readonly number[]): Promise<void> {
    const before = partitions.map(partition => load.count(partition))
    await cluster.client.until(
      'acknowledged by all',
      async () => partitions.every((partition, index) => load.count(partition) > before[index]! + 2),
      30_000,
    )
  }
  const allInSync = async (): Promise<void> => {
    for (const partition of assignments.keys()) {
      await cluster.until(
        topic,
        partition,
        ({ replicas, inSyncReplicas }) => inSyncReplicas.length === replicas.length && replicas.length === 3,
      )
    }
  }
  const leaderOf = async (partition: number): Promise<number> => (await cluster.stored(topic, partition)).leader

  async function reassign(partition: number, replicas: number[]): Promise<void> {
    const { client } = cluster
    const { controllerId } = await client.metadata(null)
    const topics = [{ name: topic, partitions: [{ partitionIndex: partition, replicas }] }]
    const request = alterPartitionReassignmentsRequest
    const value = { ...emptyOf(request), timeoutMs: 10_000, topics }
    const answer = await client.ask(controllerId, request, alterPartitionReassignmentsResponse, value)
    expect(errorName(answer.responses[0]?.partitions[0]?.errorCode ?? answer.errorCode)).toBe('NONE')
    const isSame = (ids: readonly number[]): boolean => ids.length === 3 && replicas.every(id => ids.includes(id))
    await cluster.until(topic, partition, stored => isSame(stored.replicas) && isSame(stored.inSyncReplicas))
  }

  describe.each([
    { controller: 3, product: 'Millrace' },
    { controller: 1, product: 'Kafka' },
  ])('$product is controller', ({ controller }) => {
    test('it is elected, and everybody goes on', async () => {
      await cluster.elect(controller)
      await allInSync()
      await goesOn([0, 1, 2, 3])
    })

    test.each([
      { who: 'Kafka', id: 2, partition: 2, leader: 'Millrace' },
      { who: 'Millrace', id: 4, partition: 3, leader: 'Kafka' },
    ])('$who follows a $leader leader, is stopped for a while and leaves the ISR; it comes back', async each => {
      const { id, partition } = each
      await electPreferred(partition)
      cluster.pause(id)
      try {
        await cluster.until(topic, partition, ({ inSyncReplicas }) => !inSyncReplicas.includes(id))
        await goesOn([partition])
      } finally {
        cluster.goOn(id)
      }
      await allInSync()
    })

    test('a partition moves from one product to the other and back', async () => {
      const { replicas } = await cluster.stored(topic, 0)
      await reassign(0, [3, 4, 2])
      await goesOn([0])
      await reassign(0, [...replicas])
      await goesOn([0])
      await allInSync()
    })

    test('a leader of the other product is killed: one of the ISR leads; it comes back', async () => {
      const victim = controller === 3 ? 2 : 4
      const led = controller === 3 ? 3 : 2
      await electPreferred(led)
      expect(await leaderOf(led)).toBe(victim)
      const { leaderEpoch } = await cluster.stored(topic, led)
      await cluster.kill(victim)
      await cluster.until(topic, led, stored => stored.leader !== victim && stored.leader >= 0)
      expect((await cluster.stored(topic, led)).leaderEpoch).toBeGreaterThan(leaderEpoch)
      await goesOn([0, 1, 2, 3])
      await cluster.start(victim)
      await allInSync()
    })

    test('a broker of the other product shuts down in an orderly way: its leaders are moved before it goes', async () => {
      const leaver = controller === 3 ? 1 : 3
      const outcome = await cluster.shutDown(leaver)
      expect([0, 143]).toContain(outcome)
      for (const partition of assignments.keys()) {
        const { leader, inSyncReplicas } = await cluster.stored(topic, partition)
        expect({ partition, leaves: leader === leaver || inSyncReplicas.includes(leaver), led: leader >= 0 }).toEqual({
          ...{ partition, leaves: false, led: true },
        })
      }
      await goesOn([0, 1, 2, 3])
      await cluster.start(leaver)
      await allInSync()
    })
  })

  /** The first replica leads again, where another one does. */
  async function electPreferred(partition: number): Promise<void> {
    const { leader, replicas } = await cluster.stored(topic, partition)
    if (leader === replicas[0]) return
    const { controllerId } = await cluster.client.metadata(null)
    await cluster.client.ask(controllerId, electLeadersRequest, electLeadersResponse, {
      ...emptyOf(electLeadersRequest),
      topicPartitions: [{ topic, partitions: [partition] }],
      timeoutMs: 10_000,
    })
    await cluster.until(topic, partition, stored => stored.leader === replicas[0])
  }

  test('the controller of either product is killed: another one takes over, and nothing that was acknowledged is missing', async () => {
    for (const victim of [3, 1]) {
      await allInSync()
      await cluster.elect(victim)
      await cluster.kill(victim)
      await cluster.knowEachOther()
      await goesOn([0, 1, 2, 3])
      // One of Kafka takes seconds to start, and nothing below needs it.
      if (victim === 3) await cluster.start(victim)
    }
    await load.stop()
    let total = 0
    for (const partition of assignments.keys()) {
      const { replicas } = await cluster.stored(topic, partition)
      const records = await cluster.client.readAll(topic, partition)
      const byOffset = new Map(records.map(({ offset, value }) => [offset, value]))
      const acked = load.acked.get(partition)!
      total += acked.size
      expect([...acked].filter(([offset, value]) => byOffset.get(offset) !== value)).toEqual([])
      // Followers know of the last high watermark with the next fetch.
      for (const brokerId of replicas.filter(id => id !== 1)) {
        await cluster.client.until(`the same on ${brokerId}`, async () => {
          const copies = await cluster.client.readAll(topic, partition, { brokerId })
          return JSON.stringify(copies) === JSON.stringify(records)
        })
      }
    }
    expect(total).toBeGreaterThan(500)
    console.log(`${total} acknowledged of ${load.attempts}, none missing`)
  })
})

import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { errorName } from '@millrace/protocol/errors'
import { electLeadersRequest, electLeadersResponse } from '@millrace/protocol/messages/43-elect-leaders'
import {
  alterPartitionReassignmentsRequest,
  alterPartitionReassignmentsResponse,
} from '@millrace/protocol/messages/45-alter-partition-reassignments'
import { emptyOf } from '@millrace/protocol/schema'
import { describeWith } from '../oracles/describe-with.ts'
import { eventually } from '../oracles/processes.ts'
import { JavaClients, PythonMember, type ClientRecord } from './group-clients.ts'
import { coordinatorOf, groupsOf, type GroupSnapshot } from './group-snapshot.ts'
import { AckedLoad, MixedBrokers } from './mixed-brokers.ts'

/*
 * A broker of Kafka 3.9.1 and one of ours have the same __consumer_offsets; who leads it coordinates. The leadership goes to and fro, in an orderly
 * way and by kill -9, while a Java and a librdkafka consumer work. The same with one folder: takeover.test.ts.
 */

jest.setTimeout(120_000)

const kafka = 1
const millrace = 2
const ids = { Kafka: kafka, Millrace: millrace } as const
const offsetsTopic = '__consumer_offsets'
const work = 'work'
const workPartitions = 4
const settings = {
  'group.initial.rebalance.delay.ms': '0',
  'offsets.topic.num.partitions': '1',
  'offsets.topic.replication.factor': '2',
  // Each broker compacts its own copy, meanwhile.
  'offsets.topic.segment.bytes': '5000',
  'log.cleaner.backoff.ms': '100',
  'log.cleaner.dedupe.buffer.size': '2200000',
  'log.cleaner.min.cleanable.ratio': '0.01',
}

describeWith(['kafka', 'confluent'], 'groups of a cluster of Kafka and Millrace brokers', () => {
  let cluster: MixedBrokers
  let java: JavaClients
  let python: PythonMember
  let members: string[]
  /** By partition, the offsets that were acknowledged. */
  const written = new Map<number, number[]>()

  beforeAll(async () => {
    cluster = await MixedBrokers.start(['kafka', 'millrace'], millrace, settings)
    java = new JavaClients(cluster.bootstrap)
    const assignments = [
      [kafka, millrace],
      [millrace, kafka],
      [kafka, millrace],
      [millrace, kafka],
    ]
    await cluster.client.createTopic(work, { assignments, configs: { 'retention.ms': '-1' } })
    const { client } = cluster
    await client.until('a coordinator', async () => (await coordinatorOf(client, 'any', kafka)) > 0, 30_000)
    await cluster.until(offsetsTopic, 0, ({ inSyncReplicas }) => inSyncReplicas.length === 2)
    await java.run(`member java ${work} instance-1 30000`)
    python = new PythonMember(cluster.bootstrap, work, 'python', 30_000)
    await eventually(async () => java.assignments('java').length > 0 && python.assignments().length > 0, 40_000)
  })
  afterAll(async () => {
    await java?.kill()
    await python?.stop()
    await cluster?.close()
  })

  /** Writes while `meanwhile` happens and for a moment after; both members get all of it. */
  async function underLoad(meanwhile: () => Promise<void>): Promise<void> {
    const load = new AckedLoad(cluster.client, work, workPartitions)
    const partitions = Array.from({ length: workPartitions }, (_, partition) => partition)
    const goesOn = async (): Promise<void> => {
      const before = partitions.map(partition => load.count(partition))
      const isOn = async (): Promise<boolean> => partitions.every(each => load.count(each) > before[each]! + 5)
      await cluster.client.until('acknowledged everywhere', isOn, 30_000)
    }
    try {
      await goesOn()
      await meanwhile()
      await goesOn()
    } finally {
      await load.stop()
    }
    for (const [partition, acked] of load.acked) {
      written.set(partition, [...(written.get(partition) ?? []), ...acked.keys()])
    }
    const lost = (): string[] => [...missing(java.records('java')), ...missing(python.records())]
    await eventually(async () => lost().length === 0, 40_000).catch(error => {
      const said = [java.output(), python.output()].map(text => text.split('\n').slice(-30).join('\n'))
      throw new Error(
        [missing(java.records('java')), missing(python.records()), ...said, cluster.output()].join('\n'),
        { cause: error },
      )
    })
    expect(java.complaints()).toEqual([])
  }
  function missing(records: readonly ClientRecord[]): string[] {
    const seen = new Set(records.map(({ partition, offset }) => `${partition} ${offset}`))
    return [...written]
      .flatMap(([partition, offsets]) => offsets.map(offset => `${partition} ${offset}`))
      .filter(each => !seen.has(each))
  }

  /** Makes this one coordinator of all groups. */
  async function lead(id: number): Promise<void> {
    const { client } = cluster
    if ((await cluster.stored(offsetsTopic, 0)).leader !== id) {
      await cluster.until(offsetsTopic, 0, ({ inSyncReplicas }) => inSyncReplicas.length === 2)
      const { controllerId } = await client.metadata(null)
      const replicas = [id, id === kafka ? millrace : kafka]
      const reassigned = await client.ask(
        controllerId,
        alterPartitionReassignmentsRequest,
        alterPartitionReassignmentsResponse,
        {
          ...emptyOf(alterPartitionReassignmentsRequest),
          timeoutMs: 10_000,
          topics: [{ name: offsetsTopic, partitions: [{ partitionIndex: 0, replicas }] }],
        },
      )
      expect(errorName(reassigned.errorCode)).toBe('NONE')
      await cluster.until(offsetsTopic, 0, stored => stored.replicas[0] === id)
      await client.ask(controllerId, electLeadersRequest, electLeadersResponse, {
        ...emptyOf(electLeadersRequest),
        topicPartitions: [{ topic: offsetsTopic, partitions: [0] }],
        timeoutMs: 10_000,
      })
    }
    await cluster.until(offsetsTopic, 0, stored => stored.leader === id)
    await coordinates(id)
  }
  async function coordinates(id: number): Promise<void> {
    const { client } = cluster
    await client.until(`coordinator ${id}`, async () => {
      return (await coordinatorOf(client, 'java', id)) === id && (await groupsOf(client, [id])).has('java')
    })
  }
  const groupsAt = async (id: number): Promise<Record<string, GroupSnapshot>> =>
    Object.fromEntries(await groupsOf(cluster.client, [id]))
  const idsAt = async (id: number): Promise<string[]> =>
    Object.values(await groupsAt(id)).flatMap(group => group.members.map(member => member.split(' ')[0]!))

  /** Nothing moves while the leadership does. */
  async function expectSameAfter(from: number, change: () => Promise<void>, to: number): Promise<void> {
    const ends = [...written].map(([partition, acked]) => [`${work}-${partition}`, Math.max(...acked) + 1] as const)
    let before: Record<string, GroupSnapshot> = {}
    // A record is told of before it is committed.
    await cluster.client.until('at work, everything committed', async () => {
      before = await groupsAt(from)
      const groups = Object.values(before)
      const isDone = ({ state, offsets }: GroupSnapshot): boolean =>
        state === 'Stable' && ends.every(([partition, end]) => offsets[partition]?.offset === end)
      return groups.length === 2 && groups.every(isDone)
    })
    java.pause()
    python.pause()
    try {
      await change()
      await coordinates(to)
      expect(await groupsAt(to)).toEqual(before)
    } finally {
      java.goOn()
      python.goOn()
    }
  }
  const stable = async (id: number): Promise<void> =>
    cluster.client.until('all at work', async () =>
      Object.values(await groupsAt(id)).every(({ state }) => state === 'Stable'),
    )

  test('Millrace leads and a group of each client is at work', async () => {
    await lead(millrace)
    await underLoad(async () => {})
    await stable(millrace)
    members = await idsAt(millrace)
    expect(members).toHaveLength(2)
  })

  test.each([
    { from: 'Millrace', to: 'Kafka' },
    { from: 'Kafka', to: 'Millrace' },
  ] as const)('leadership moves from $from to $to: the same groups, members and offsets', async ({ from, to }) => {
    await expectSameAfter(ids[from], () => lead(ids[to]), ids[to])
    await underLoad(async () => {})
    expect(await idsAt(ids[to])).toEqual(members)
  })

  test('leadership to and fro under load: both groups go on, nobody is thrown out, every record is processed', async () => {
    await underLoad(async () => {
      for (const id of [kafka, millrace, kafka, millrace, kafka]) {
        await lead(id)
        await new Promise(resolve => setTimeout(resolve, 300))
      }
    })
    await stable(kafka)
    expect(await idsAt(kafka)).toEqual(members)
  })

  test.each([
    { from: 'Kafka', to: 'Millrace' },
    { from: 'Millrace', to: 'Kafka' },
  ] as const)('kill -9 of the coordinator, $from: $to has the same groups, and members go on', async ({ from, to }) => {
    const [victim, heir] = [ids[from], ids[to]]
    await lead(victim)
    await stable(victim)
    await expectSameAfter(victim, () => cluster.kill(victim), heir)
    await underLoad(async () => {})
    expect(await idsAt(heir)).toEqual(members)
    await underLoad(async () => {
      await cluster.start(victim)
      for (let partition = 0; partition < workPartitions; partition++) {
        await cluster.until(work, partition, ({ inSyncReplicas }) => inSyncReplicas.length === 2)
      }
    })
    expect(await idsAt(heir)).toEqual(members)
  })
})

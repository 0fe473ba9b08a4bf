import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { join } from 'node:path'
import { Kafka, logLevel, type Admin, type Consumer, type Producer } from 'kafkajs'
import { describeWith } from '../oracles/describe-with.ts'
import { kafkaTool, KafkaTool } from '../oracles/kafka.ts'
import { oraclePath } from '../oracles/oracles.ts'
import { eventually, startProcess, type RunningProcess } from '../oracles/processes.ts'
import { startMillrace, type CoordinationKind, type MillraceCluster } from './clusters.ts'

jest.setTimeout(60_000)

const quickGroups = {
  'group.initial.rebalance.delay.ms': '0',
  'offsets.topic.num.partitions': '5',
  'offsets.topic.replication.factor': '2',
}

const byNumber = (a: number, b: number): number => a - b

const suite = (kind: CoordinationKind, others: boolean): void => {
  let cluster: MillraceCluster
  let kafka: Kafka
  let admin: Admin
  let producer: Producer
  beforeAll(async () => {
    cluster = await startMillrace(kind, 2, quickGroups)
    kafka = new Kafka({ brokers: cluster.bootstrap.split(','), logLevel: logLevel.NOTHING, retry: { retries: 20 } })
    admin = kafka.admin()
    await admin.connect()
    producer = kafka.producer()
    await producer.connect()
  })
  afterAll(async () => {
    await producer?.disconnect()
    await admin?.disconnect()
    await cluster?.stop()
  })

  const produce = async (topic: string, from: number, count: number): Promise<void> => {
    for (let i = from; i < from + count; i++) {
      await producer.send({ topic, messages: [{ partition: i % 4, value: String(i) }] })
    }
  }

  interface JsMember {
    readonly consumer: Consumer
    readonly seen: string[]
    owned: readonly number[]
  }
  const jsMember = async (groupId: string, topic: string): Promise<JsMember> => {
    const consumer = kafka.consumer({
      groupId,
      sessionTimeout: 6_000,
      heartbeatInterval: 200,
      rebalanceTimeout: 6_000,
      maxWaitTimeInMs: 100,
    })
    const member: JsMember = { consumer, seen: [], owned: [] }
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      member.owned = payload.memberAssignment[topic] ?? []
    })
    consumer.on(consumer.events.REBALANCING, () => {
      member.owned = []
    })
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning: true })
    await consumer.run({
      autoCommitThreshold: 1,
      eachMessage: ({ message }) => {
        member.seen.push(message.value!.toString())
        return Promise.resolve()
      },
    })
    return member
  }

  test('kafkajs: two members share, one leaves, the other takes over and goes on where the group stopped', async () => {
    const topic = 'js-group'
    await admin.createTopics({ topics: [{ topic, numPartitions: 4 }] })
    await produce(topic, 0, 20)
    const first = await jsMember('js', topic)
    await eventually(async () => first.seen.length === 20)
    expect([...first.owned].sort(byNumber)).toEqual([0, 1, 2, 3])
    const second = await jsMember('js', topic)
    await eventually(async () => first.owned.length === 2 && second.owned.length === 2, 20_000)
    expect([...first.owned, ...second.owned].sort(byNumber)).toEqual([0, 1, 2, 3])
    await produce(topic, 20, 20)
    await eventually(async () => new Set([...first.seen, ...second.seen]).size === 40)
    expect(second.seen.length).toBeGreaterThan(0)
    const { groups } = await admin.describeGroups(['js'])
    expect(groups[0]).toMatchObject({ state: 'Stable', protocolType: 'consumer', errorCode: 0 })
    expect(groups[0]!.members.length).toBe(2)
    await first.consumer.disconnect()
    await eventually(async () => second.owned.length === 4, 20_000)
    await produce(topic, 40, 8)
    await eventually(async () => new Set([...first.seen, ...second.seen]).size === 48)
    await second.consumer.disconnect()
    const offsets = await admin.fetchOffsets({ groupId: 'js', topics: [topic] })
    expect(offsets[0]!.partitions.map(({ offset }) => Number(offset))).toEqual([12, 12, 12, 12])
    expect((await admin.listGroups()).groups).toContainEqual({ groupId: 'js', protocolType: 'consumer' })
    await admin.deleteGroups(['js'])
    expect((await admin.listGroups()).groups.map(({ groupId }) => groupId)).not.toContain('js')
  })

  test('brokers stopped and started: the committed offsets are there', async () => {
    const topic = 'restart'
    await admin.createTopics({ topics: [{ topic, numPartitions: 4 }] })
    await produce(topic, 0, 8)
    const member = await jsMember('kept', topic)
    await eventually(async () => member.seen.length === 8)
    await member.consumer.disconnect()
    await admin.disconnect()
    await producer.disconnect()
    for (const [index, process] of [...cluster.processes].entries()) {
      await process.stop()
      await cluster.restart(index)
    }
    await admin.connect()
    await producer.connect()
    await eventually(async () => {
      const offsets = await admin.fetchOffsets({ groupId: 'kept', topics: [topic] })
      return offsets[0]!.partitions.every(({ offset }) => offset === '2')
    }, 20_000)
    await produce(topic, 8, 4)
    const again = await jsMember('kept', topic)
    await eventually(async () => again.seen.length === 4, 20_000)
    expect([...again.seen].sort()).toEqual(['10', '11', '8', '9'])
    await again.consumer.disconnect()
  })

  if (!others) return

  const python = (topic: string, group: string): { process: RunningProcess; lines(): string[] } => {
    const process = startProcess({
      name: 'group_member.py',
      command: oraclePath('confluent'),
      args: [join(import.meta.dirname, 'python', 'group_member.py'), cluster.bootstrap, topic, group],
    })
    return { process, lines: () => process.output().trim().split('\n') }
  }
  const lastAssignment = (lines: readonly string[]): number[] => {
    const last = lines.findLast(line => line.startsWith('assigned '))
    return last === undefined ? [] : (JSON.parse(last.slice('assigned '.length)) as number[])
  }

  test('confluent-kafka: two members share; one is killed: the other has everything within the session timeout', async () => {
    const topic = 'py-group'
    await admin.createTopics({ topics: [{ topic, numPartitions: 4 }] })
    await produce(topic, 0, 8)
    const first = python(topic, 'py')
    const second = python(topic, 'py')
    await eventually(
      async () => lastAssignment(first.lines()).length === 2 && lastAssignment(second.lines()).length === 2,
      30_000,
    )
    first.process.kill('SIGKILL')
    await eventually(async () => lastAssignment(second.lines()).length === 4, 20_000)
    await produce(topic, 8, 8)
    const records = (): Set<string> =>
      new Set([...first.lines(), ...second.lines()].filter(line => line.startsWith('record')))
    await eventually(async () => records().size === 16, 20_000)
    await second.process.stop()
  })

  test('Java console consumer in a group; kafka-consumer-groups describes, resets and deletes it', async () => {
    const topic = 'java-group'
    await admin.createTopics({ topics: [{ topic, numPartitions: 4 }] })
    await produce(topic, 0, 12)
    const tool = async (mainClass: string, args: readonly string[]): Promise<string> =>
      (await kafkaTool(mainClass, ['--bootstrap-server', cluster.bootstrap, ...args])).stdout.toString()
    const consume = (max: string): Promise<string> =>
      tool(KafkaTool.consoleConsumer, [
        ...['--topic', topic, '--group', 'java', '--from-beginning', '--max-messages', max, '--timeout-ms', '20000'],
      ])
    const seen = (await consume('12')).trim().split('\n').map(Number)
    expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: 12 }, (_, i) => i))
    const described = await tool(KafkaTool.groups, ['--describe', '--group', 'java'])
    const rows = described.split('\n').filter(line => line.startsWith('java'))
    expect(rows.map(row => row.split(/\s+/).slice(0, 6))).toEqual(
      expect.arrayContaining([0, 1, 2, 3].map(p => ['java', topic, String(p), '3', '3', '0'])),
    )
    await tool(KafkaTool.groups, [
      ...['--reset-offsets', '--group', 'java', '--topic', topic, '--to-offset', '1', '--execute'],
    ])
    const offsets = await admin.fetchOffsets({ groupId: 'java', topics: [topic] })
    expect(offsets[0]!.partitions.map(({ offset }) => offset)).toEqual(['1', '1', '1', '1'])
    expect(await tool(KafkaTool.groups, ['--delete', '--group', 'java'])).toContain('was successful')
  })
}

describe('consumer groups, embedded coordination', () => suite('embedded', false))
describeWith(['kafka', 'confluent'], 'consumer groups, ensemble coordination', () => suite('ensemble', true))

import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { CompressionTypes, ConfigResourceTypes, Kafka, logLevel, type Admin } from 'kafkajs'
import { startMillrace, type CoordinationKind, type MillraceCluster } from './clusters.ts'
import { eventually } from '../oracles/processes.ts'
import { describeWith } from '../oracles/describe-with.ts'
import { storedBatches } from './stored-batches.ts'

jest.setTimeout(60_000)

const suite = (kind: CoordinationKind): void => {
  let cluster: MillraceCluster
  let admin: Admin
  let kafka: Kafka
  beforeAll(async () => {
    cluster = await startMillrace(kind)
    kafka = new Kafka({ brokers: cluster.bootstrap.split(','), logLevel: logLevel.NOTHING })
    admin = kafka.admin()
    await admin.connect()
  })
  afterAll(async () => {
    await admin?.disconnect()
    await cluster?.stop()
  })

  test('admin: topics are created, described, grown, configured and deleted', async () => {
    expect(
      await admin.createTopics({
        topics: [{ topic: 'js', numPartitions: 2, configEntries: [{ name: 'retention.ms', value: '5000000' }] }],
      }),
    ).toBe(true)
    expect(await admin.createTopics({ topics: [{ topic: 'js' }] })).toBe(false) // kafkajs says false for a topic that exists
    await admin.createPartitions({ topicPartitions: [{ topic: 'js', count: 4 }] })
    // Any broker may be asked, and hears of it a moment after the controller, as with Kafka.
    await eventually(
      async () => (await admin.fetchTopicMetadata({ topics: ['js'] })).topics[0]!.partitions.length === 4,
    )
    const described = await admin.describeConfigs({
      resources: [{ type: ConfigResourceTypes.TOPIC, name: 'js', configNames: ['retention.ms'] }],
      includeSynonyms: true,
    })
    expect(described.resources[0]!.configEntries).toMatchObject([
      { configName: 'retention.ms', configValue: '5000000', isDefault: false },
    ])
    await admin.alterConfigs({
      validateOnly: false,
      resources: [
        { type: ConfigResourceTypes.TOPIC, name: 'js', configEntries: [{ name: 'retention.ms', value: '6000000' }] },
      ],
    })
    expect((await admin.describeCluster()).brokers.length).toBe(3)
    await admin.deleteTopics({ topics: ['js'] })
    await eventually(async () => !(await admin.listTopics()).includes('js'))
  })

  test.each([
    ['none', CompressionTypes.None, 0],
    ['gzip', CompressionTypes.GZIP, 1],
  ] as const)(
    'producer, %s: every record has its offset, and is stored with that codec',
    async (name, compression, codec) => {
      const topic = `js-produce-${name}`
      await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] })
      const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
      await producer.connect()
      for (let batch = 0; batch < 20; batch++) {
        const [answer] = await producer.send({
          topic,
          compression,
          acks: -1,
          messages: Array.from({ length: 100 }, (_, i) => ({
            key: `k${i}`,
            value: `value ${batch * 100 + i}`,
            headers: { h: 'x' },
          })),
        })
        expect(answer).toMatchObject({ partition: 0, errorCode: 0, baseOffset: String(batch * 100) })
      }
      await producer.disconnect()
      expect(await admin.fetchTopicOffsets(topic)).toEqual([{ partition: 0, offset: '2000', high: '2000', low: '0' }])
      const batches = storedBatches(cluster.logDirs, topic, 0)
      expect(new Set(batches.map(batch => batch.codec))).toEqual(new Set([codec]))
      expect(batches.reduce((sum, batch) => sum + batch.recordCount, 0)).toBe(2000)
    },
  )
}

describe('kafkajs, embedded coordination', () => suite('embedded'))
describeWith(['kafka'], 'kafkajs, ensemble coordination', () => suite('ensemble'))

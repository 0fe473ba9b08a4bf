import { afterEach, describe, expect, test } from '@jest/globals'
import type { Connection } from '@millrace/client/connection/connection'
import { metadataRequest, metadataResponse } from '@millrace/protocol/messages/03-metadata'
import { createTopicsRequest, createTopicsResponse } from '@millrace/protocol/messages/19-create-topics'
import { deleteTopicsRequest, deleteTopicsResponse } from '@millrace/protocol/messages/20-delete-topics'
import { deleteRecordsRequest, deleteRecordsResponse } from '@millrace/protocol/messages/21-delete-records'
import { ErrorCode } from '@millrace/protocol/errors'
import { emptyOf } from '@millrace/protocol/schema'
import { produceTo, type ProducedBatch } from '@millrace/testing/world/produced-batch'
import { VirtualBroker } from '@millrace/testing/world/virtual-broker'
import { parseProperties } from './settings/properties.ts'

/*
 * What settings do: a whole broker in virtual time, told by its properties file or by its topic, watched from outside. A row of
 * settings/rows that says "applied" names this file or the test of the part that obeys.
 */

const second = 1000
const minute = 60 * second
const hour = 60 * minute

let broker: VirtualBroker
let connection: Connection
afterEach(() => broker.stop())

const produce = (batch?: ProducedBatch): ReturnType<typeof produceTo> => produceTo(broker, connection, batch)

async function start(
  properties: Record<string, string> = {},
  topic: Record<string, string> | null = {},
): Promise<void> {
  broker = await VirtualBroker.start(properties)
  connection = await broker.connect()
  if (topic !== null) await broker.createTopic(connection, 't', topic)
}

const partitionFiles = (suffix: string): string[] =>
  broker.files.list('/data/t-0').filter(name => name.endsWith(suffix))
const segments = (): number[] => partitionFiles('.log').map(name => parseInt(name, 10))
const stored = (name = '00000000000000000000.log'): Buffer => broker.files.readFile(`/data/t-0/${name}`)

/** The same effect, asked for by the topic and by the broker. */
const either = (topic: Record<string, string>, ...ofBroker: Record<string, string>[]) => [
  ...[[topic, {}, topic] as const],
  ...ofBroker.map(each => [each, each, {}] as const),
]

describe('log', () => {
  test.each(either({ 'segment.bytes': '1000' }, { 'log.segment.bytes': '1000' }))(
    '%j: the fifth batch of 240 bytes begins a segment',
    async (_, properties, topic) => {
      await start(properties, topic)
      for (let count = 0; count < 5; count++) await produce({ bytes: 170 })
      expect((await produce({ bytes: 170 })).sent).toBe(240)
      expect(segments()).toEqual([0, 4])
    },
  )

  test.each(either({ 'segment.ms': String(hour) }, { 'log.roll.ms': String(hour) }, { 'log.roll.hours': '1' }))(
    '%j: a record later than that begins a segment',
    async (_, properties, topic) => {
      await start(properties, topic)
      for (const minutes of [0, 59, 61]) await produce({ timestamp: broker.world.clock.wallMs() + minutes * minute })
      expect(segments()).toEqual([0, 2])
    },
  )

  test.each(
    either(
      { 'segment.jitter.ms': String(hour), 'segment.ms': String(hour) },
      { 'log.roll.jitter.ms': String(hour), 'log.roll.ms': String(hour) },
      { 'log.roll.jitter.hours': '1', 'log.roll.ms': String(hour) },
    ),
  )('%j: segments begin earlier, each by a time of its own', async (_, properties, topic) => {
    await start(properties, topic)
    const startMs = broker.world.clock.wallMs()
    for (let minutes = 0; minutes < 600; minutes += 2) await produce({ timestamp: startMs + minutes * minute })
    const lengths = segments()
      .slice(1)
      .map((base, index) => base - segments()[index]!)
    expect(Math.max(...lengths)).toBeLessThanOrEqual(31)
    expect(new Set(lengths).size).toBeGreaterThan(3)
  })

  test.each(
    either(
      { 'retention.ms': String(hour) },
      { 'log.retention.ms': String(hour) },
      { 'log.retention.minutes': '60' },
      { 'log.retention.hours': '1' },
    ),
  )('%j: older segments go', async (_, properties, topic) => {
    await start(properties, topic)
    await produce()
    await broker.pass(50 * minute)
    expect(segments()).toEqual([0])
    await broker.pass(16 * minute)
    expect(segments()).toEqual([1])
  })

  test.each([10 * second, 10 * minute])('log.initial.task.delay.ms=%d: the first look, and not before', async ms => {
    await start({ 'log.initial.task.delay.ms': String(ms), 'log.retention.ms': '1' })
    await produce()
    await broker.pass(ms - 5 * second)
    expect(segments()).toEqual([0])
    await broker.pass(10 * second)
    expect(segments()).toEqual([1])
  })

  test('log.retention.check.interval.ms: looked after so long and not before', async () => {
    await start({ 'log.retention.check.interval.ms': String(10 * hour), 'log.retention.ms': '1' })
    await broker.pass(minute)
    connection = await broker.connect()
    await produce()
    await broker.pass(9 * hour)
    expect(segments()).toEqual([0])
    await broker.pass(2 * hour)
    expect(segments()).toEqual([1])
  })

  test.each(either({ 'retention.bytes': '500' }, { 'log.retention.bytes': '500' }))(
    '%j: the oldest segments above it go',
    async (_, properties, topic) => {
      await start({ 'log.segment.bytes': '240', ...properties }, topic)
      for (let count = 0; count < 6; count++) await produce({ bytes: 170 })
      expect(segments()).toEqual([0, 1, 2, 3, 4, 5])
      await broker.pass(10 * minute)
      expect(segments()).toEqual([3, 4, 5])
    },
  )

  test.each(either({ 'file.delete.delay.ms': String(hour) }, { 'log.segment.delete.delay.ms': String(hour) }))(
    '%j: a deleted segment lies there so long',
    async (_, properties, topic) => {
      await start({ 'log.retention.ms': '1', ...properties }, topic)
      await produce()
      await broker.pass(50 * minute)
      expect(partitionFiles('.log.deleted')).toHaveLength(1)
      await broker.pass(20 * minute)
      expect(partitionFiles('.deleted')).toEqual([])
    },
  )

  test.each(either({ 'cleanup.policy': 'compact' }, { 'log.cleanup.policy': 'compact' }))(
    '%j: retention takes nothing',
    async (_, properties, topic) => {
      await start({ 'log.retention.ms': '1', ...properties }, topic)
      // Without a key there is nothing to compact: such a record is refused.
      await expect(produce()).resolves.toMatchObject({ errorCode: ErrorCode.INVALID_RECORD })
      await broker.pass(hour)
      expect(segments()).toEqual([0])
    },
  )

  test.each(either({ 'index.interval.bytes': '1000' }, { 'log.index.interval.bytes': '1000' }))(
    '%j: an index entry each thousand bytes',
    async (_, properties, topic) => {
      await start(properties, topic)
      for (let count = 0; count < 21; count++) await produce({ bytes: 430 })
      await stopOrderly()
      expect(stored('00000000000000000000.index')).toHaveLength(8 * 6)
    },
  )

  test.each(either({ 'segment.index.bytes': '80' }, { 'log.index.size.max.bytes': '80' }))(
    '%j: a segment ends when its index is full',
    async (_, properties, topic) => {
      await start({ 'log.index.interval.bytes': '1', ...properties }, topic)
      for (let count = 0; count < 20; count++) await produce()
      expect(segments().length).toBeGreaterThan(1)
      expect(segments()[1]).toBeLessThanOrEqual(11)
    },
  )

  const syncs = (): { count: number } => {
    const seen = { count: 0 }
    broker.files.onOperation = ({ kind, path }) => {
      if (kind === 'datasync' && path.endsWith('.log')) seen.count++
    }
    return seen
  }

  test.each(either({ 'flush.messages': '3' }, { 'log.flush.interval.messages': '3' }))(
    '%j: on the disk with every third record',
    async (_, properties, topic) => {
      await start(properties, topic)
      const seen = syncs()
      for (const expected of [0, 0, 1, 1, 1, 2]) {
        await produce()
        expect(seen.count).toBe(expected)
      }
    },
  )

  test.each(either({ 'flush.ms': String(minute) }, { 'log.flush.interval.ms': String(minute) }))(
    '%j: on the disk when so much time has passed',
    async (_, properties, topic) => {
      await start({ 'log.flush.scheduler.interval.ms': String(second), ...properties }, topic)
      const seen = syncs()
      await produce()
      await broker.pass(50 * second)
      expect(seen.count).toBe(0)
      await broker.pass(50 * second)
      expect(seen.count).toBe(1)
    },
  )

  test('log.flush.offset.checkpoint.interval.ms: what is on the disk is noted so often', async () => {
    await start({ 'log.flush.offset.checkpoint.interval.ms': String(hour) }, { 'flush.messages': '1' })
    await produce()
    await produce()
    const noted = (): boolean =>
      broker.files.stat('/data/recovery-point-offset-checkpoint') !== null &&
      text('recovery-point-offset-checkpoint').includes('t 0 2')
    await broker.pass(50 * minute)
    expect(noted()).toBe(false)
    await broker.pass(20 * minute)
    expect(noted()).toBe(true)
  })

  test('replica.high.watermark.checkpoint.interval.ms: what is committed is noted so often', async () => {
    await start({ 'replica.high.watermark.checkpoint.interval.ms': String(hour) })
    await produce()
    await produce()
    const noted = (): boolean =>
      broker.files.stat('/data/replication-offset-checkpoint') !== null &&
      text('replication-offset-checkpoint').includes('t 0 2')
    await broker.pass(50 * minute)
    expect(noted()).toBe(false)
    await broker.pass(20 * minute)
    expect(noted()).toBe(true)
  })

  test('log.flush.start.offset.checkpoint.interval.ms: where logs begin is noted so often', async () => {
    await start({ 'log.flush.start.offset.checkpoint.interval.ms': String(hour) })
    await produce()
    await produce()
    const partitions = [{ partitionIndex: 0, offset: 1 }]
    const request = { topics: [{ name: 't', partitions }], timeoutMs: 5000 }
    const { topics } = await broker.during(connection.request(deleteRecordsRequest, deleteRecordsResponse, request))
    expect(topics[0]!.partitions[0]).toMatchObject({ errorCode: 0, lowWatermark: 1 })
    const noted = (): boolean =>
      broker.files.stat('/data/log-start-offset-checkpoint') !== null &&
      text('log-start-offset-checkpoint').includes('t 0 1')
    await broker.pass(50 * minute)
    expect(noted()).toBe(false)
    await broker.pass(20 * minute)
    expect(noted()).toBe(true)
  })

  const text = (name: string): string => broker.files.readFile(`/data/${name}`).toString()

  test.each(
    either(
      { preallocate: 'true', 'segment.bytes': '5000' },
      { 'log.preallocate': 'true', 'log.segment.bytes': '5000' },
    ),
  )('%j: a segment has its full size from the beginning', async (_, properties, topic) => {
    await start(properties, topic)
    await produce()
    expect(stored()).toHaveLength(5000)
  })

  test('log.dirs, log.dir: partitions lie there', async () => {
    await start({ 'log.dirs': '/a,/b', 'log.dir': '/c' })
    await broker.createTopic(connection, 'u')
    const folders = ['/a', '/b'].map(path => broker.files.list(path).filter(name => /-0$/.test(name)))
    expect(folders.map(names => names.length)).toEqual([1, 1])
    expect(broker.files.stat('/c')).toBeNull()
    expect(parseProperties(broker.files.readFile('/b/meta.properties')).get('broker.id')).toBe('1')
  })

  test.each(either({ 'max.message.bytes': '200' }, { 'message.max.bytes': '200' }))(
    '%j: larger batches are refused',
    async (_, properties, topic) => {
      await start(properties, topic)
      await expect(produce({ bytes: 130 })).resolves.toMatchObject({ errorCode: 0, sent: 200 })
      await expect(produce({ bytes: 131 })).resolves.toMatchObject({ errorCode: ErrorCode.MESSAGE_TOO_LARGE })
    },
  )

  test.each(either({ 'compression.type': 'zstd' }, { 'compression.type': 'zstd' }))(
    '%j: whatever comes is stored so',
    async (_, properties, topic) => {
      await start(properties, topic)
      await produce({ codec: 'gzip' })
      expect(stored().readInt16BE(21) & 7).toBe(4)
    },
  )

  test.each([
    ['gzip', '1', '9'],
    ['zstd', '1', '19'],
  ])('compression.%s.level: %s takes more room than %s', async (codec, low, high) => {
    const sizes: number[] = []
    for (const level of [low, high]) {
      for (const place of ['topic', 'broker'] as const) {
        const settings = { 'compression.type': codec, [`compression.${codec}.level`]: level }
        await start(place === 'broker' ? settings : {}, place === 'topic' ? settings : {})
        await produce({ bytes: 200_000 })
        sizes.push(stored().length)
        await broker.stop()
      }
    }
    expect(sizes[0]).toBe(sizes[1])
    expect(sizes[2]).toBe(sizes[3])
    expect(sizes[0]).toBeGreaterThan(sizes[2]!)
  })

  test.each(either({ 'message.timestamp.type': 'LogAppendTime' }, { 'log.message.timestamp.type': 'LogAppendTime' }))(
    '%j: the broker’s time',
    async (_, properties, topic) => {
      await start(properties, topic)
      const nowMs = broker.world.clock.wallMs()
      expect((await produce({ timestamp: 5 })).logAppendTimeMs - nowMs).toBeLessThan(minute)
    },
  )

  test.each([
    ...either(
      { 'message.timestamp.before.max.ms': String(hour) },
      { 'log.message.timestamp.before.max.ms': String(hour) },
    ).map(each => [...each, -1, 0] as const),
    ...either(
      { 'message.timestamp.after.max.ms': String(hour) },
      { 'log.message.timestamp.after.max.ms': String(hour) },
    ).map(each => [...each, 1, 0] as const),
    ...either(
      { 'message.timestamp.difference.max.ms': String(hour) },
      { 'log.message.timestamp.difference.max.ms': String(hour) },
    ).flatMap(each => [[...each, -1, 1] as const, [...each, 1, 1] as const]),
  ])('%j: records further away are refused', async (_, properties, topic, sign, bothWays) => {
    await start(properties, topic)
    const nowMs = broker.world.clock.wallMs()
    const at = async (ms: number): Promise<number> => (await produce({ timestamp: nowMs + ms })).errorCode
    expect(await at(sign * 50 * minute)).toBe(ErrorCode.NONE)
    expect(await at(sign * 70 * minute)).toBe(ErrorCode.INVALID_TIMESTAMP)
    expect(await at(-sign * 70 * minute)).toBe(bothWays === 1 ? ErrorCode.INVALID_TIMESTAMP : ErrorCode.NONE)
  })

  test('producer.id.expiration.ms, …check.interval.ms: a producer that was idle for so long is forgotten', async () => {
    await start({
      'producer.id.expiration.ms': String(hour),
      'producer.id.expiration.check.interval.ms': String(minute),
      'connections.max.idle.ms': String(24 * hour),
    })
    const producer = { producerId: 7, producerEpoch: 0, baseSequence: 0 }
    await expect(produce(producer)).resolves.toMatchObject({ errorCode: 0, baseOffset: 0 })
    await broker.pass(50 * minute)
    // Known: the same sequence is the same record.
    await expect(produce(producer)).resolves.toMatchObject({ errorCode: 0, baseOffset: 0 })
    await broker.pass(70 * minute)
    await expect(produce(producer)).resolves.toMatchObject({ errorCode: 0, baseOffset: 1 })
  })
})

describe('topics', () => {
  const create = async (
    name: string,
  ): Promise<{ errorCode: number; numPartitions: number; replicationFactor: number }> => {
    const topic = { name, numPartitions: -1, replicationFactor: -1, assignments: [], configs: [] }
    const request = { ...emptyOf(createTopicsRequest), topics: [topic], timeoutMs: 5000 }
    return (await broker.during(connection.request(createTopicsRequest, createTopicsResponse, request))).topics[0]!
  }

  test('num.partitions, default.replication.factor: for those who name none', async () => {
    await start({ 'num.partitions': '5' }, null)
    await expect(create('t')).resolves.toMatchObject({ numPartitions: 5, replicationFactor: 1 })
    await broker.stop()
    await start({ 'default.replication.factor': '2' }, null)
    await expect(create('t')).resolves.toMatchObject({ errorCode: ErrorCode.INVALID_REPLICATION_FACTOR })
  })

  test.each([
    ['true', ErrorCode.LEADER_NOT_AVAILABLE],
    ['false', ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
  ])('auto.create.topics.enable=%s', async (value, code) => {
    await start({ 'auto.create.topics.enable': value }, null)
    const request = {
      ...emptyOf(metadataRequest),
      allowAutoTopicCreation: true,
      topics: [{ ...emptyOf(metadataRequest), topicId: 'AAAAAAAAAAAAAAAAAAAAAA', name: 'new' }],
    }
    const { topics } = await broker.during(connection.request(metadataRequest, metadataResponse, request as never))
    expect(topics[0]!.errorCode).toBe(code)
  })

  test('delete.topic.enable=false: refused', async () => {
    await start({ 'delete.topic.enable': 'false' })
    const request = {
      ...emptyOf(deleteTopicsRequest),
      topics: [{ name: 't', topicId: 'AAAAAAAAAAAAAAAAAAAAAA' }],
      timeoutMs: 5000,
    }
    const { responses } = await broker.during(connection.request(deleteTopicsRequest, deleteTopicsResponse, request))
    expect(responses[0]!.errorCode).toBe(ErrorCode.TOPIC_DELETION_DISABLED)
  })
})

describe('registration', () => {
  const registered = async (id: number): Promise<Record<string, unknown>> =>
    JSON.parse((await broker.during(broker.coordination.get(`/brokers/ids/${id}`))).data.toString()) as Record<
      string,
      unknown
    >

  const threeListeners = {
    'broker.id': '7',
    'broker.rack': 'left',
    listeners: 'CLIENT://broker:9092,INSIDE://inside:9093,CONTROL://control:9094',
    'advertised.listeners': 'CLIENT://example.org:19092,INSIDE://inside:9093,CONTROL://control:9094',
    'listener.security.protocol.map': 'CLIENT:PLAINTEXT,INSIDE:PLAINTEXT,CONTROL:PLAINTEXT',
    'inter.broker.listener.name': 'INSIDE',
  }

  test('broker.id, broker.rack, listeners, advertised.listeners, listener.security.protocol.map: as registered', async () => {
    await start(threeListeners, null)
    await expect(registered(7)).resolves.toMatchObject({
      rack: 'left',
      endpoints: ['CLIENT://example.org:19092', 'INSIDE://inside:9093', 'CONTROL://control:9094'],
      listener_security_protocol_map: { CLIENT: 'PLAINTEXT', INSIDE: 'PLAINTEXT', CONTROL: 'PLAINTEXT' },
    })
  })

  test.each<[Record<string, string>, string]>([
    [{}, 'inside:9093'],
    [{ 'control.plane.listener.name': 'CONTROL' }, 'control:9094'],
    [{ 'inter.broker.listener.name': 'CONTROL' }, 'control:9094'],
  ])(
    'inter.broker.listener.name, control.plane.listener.name: %j: the controller comes to %s',
    async (changes, expected) => {
      const dialled: string[] = []
      broker = await VirtualBroker.start(
        { ...threeListeners, ...changes },
        { onConnect: ({ host, port }) => dialled.push(`${host}:${port}`) },
      )
      expect([...new Set(dialled)]).toEqual([expected])
    },
  )

  test('broker.id=-1, reserved.broker.max.id: the next number above it', async () => {
    await start({ 'broker.id': '-1', 'reserved.broker.max.id': '50' }, null)
    expect(broker.broker.brokerId).toBe(51)
  })

  test('broker.id.generation.enable=false and no id: does not start', async () => {
    await start()
    await expect(VirtualBroker.start({ 'broker.id': '-1', 'broker.id.generation.enable': 'false' })).rejects.toThrow(
      /broker.id/,
    )
  })
})

async function stopOrderly(): Promise<void> {
  await broker.stop()
}

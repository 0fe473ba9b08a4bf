import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { codec } from '@millrace/protocol/codec'
import { ErrorCode } from '@millrace/protocol/errors'
import { decodeResponseHeader } from '@millrace/protocol/header'
import { createTopicsRequest, createTopicsResponse } from '@millrace/protocol/messages/19-create-topics'
import { deleteTopicsRequest, deleteTopicsResponse } from '@millrace/protocol/messages/20-delete-topics'
import { initProducerIdRequest, initProducerIdResponse } from '@millrace/protocol/messages/22-init-producer-id'
import { createPartitionsRequest, createPartitionsResponse } from '@millrace/protocol/messages/37-create-partitions'
import {
  allocateProducerIdsRequest,
  allocateProducerIdsResponse,
} from '@millrace/protocol/messages/67-allocate-producer-ids'
import { Reader } from '@millrace/protocol/reader'
import { ZERO_UUID, type Message } from '@millrace/protocol/schema'
import { Writer } from '@millrace/protocol/writer'
import { silentLogger } from '@millrace/runtime/logger'
import { ControllerCluster, type ControlledBroker } from '@millrace/testing/controller/controller-cluster'
import { ProducerIdBlocks } from '../controller/producer-id-blocks.ts'
import { TopicChanges } from '../metadata/topic-changes.ts'
import { TopicCreation } from '../metadata/topic-creation.ts'
import { LiveBrokerSettings } from '../settings/overrides.ts'
import { parseBrokerSettings } from '../settings/parse.ts'
import createTopics from './19-create-topics.ts'
import deleteTopics from './20-delete-topics.ts'
import initProducerId from './22-init-producer-id.ts'
import createPartitions from './37-create-partitions.ts'
import allocateProducerIds from './67-allocate-producer-ids.ts'
import type { Handler, RequestContext } from './handler.ts'
import type { TopicServices } from './topic-services.ts'

let cluster: ControllerCluster
let controller: ControlledBroker
let follower: ControlledBroker

beforeEach(async () => {
  cluster = new ControllerCluster()
  controller = await cluster.start(1)
  follower = await cluster.start(2)
})
afterEach(() => cluster.close())

function servicesOf(broker: ControlledBroker, properties: Record<string, string> = {}): TopicServices {
  const given = new Map(
    Object.entries({ 'broker.id': '1', 'log.dirs': '/nowhere', 'num.partitions': '2', ...properties }),
  )
  const file = parseBrokerSettings(given, new Map(), { coordination: 'embedded' }).settings
  const settings = new LiveBrokerSettings({ file, brokerId: broker.id, logger: silentLogger })
  const { client: coordination, metadata } = broker
  const { random, time } = cluster.world
  return {
    controller: broker.controller,
    metadata,
    settings,
    topicCreation: new TopicCreation({ coordination, metadata, settings, random, logger: silentLogger }),
    topicChanges: new TopicChanges({ coordination, metadata, random }),
    producerIds: new ProducerIdBlocks({
      // Straight to the controller, without the network.
      client: {
        request: async (_request, response, value) => {
          const asked = value as { brokerId: number; brokerEpoch: number }
          const answer = await controller.controller.allocateProducerIds(asked.brokerId, asked.brokerEpoch)
          const row = { throttleTimeMs: 0, errorCode: answer.errorCode, producerIdStart: answer.firstProducerId }
          return roundTrip(response, { ...row, producerIdLen: answer.count } as never)
        },
      },
      brokerId: broker.id,
      brokerEpoch: () => broker.epoch,
      timers: time,
      logger: silentLogger,
    }),
  }
}

function roundTrip<T>(message: Message<T>, value: T): T {
  const writer = new Writer()
  codec(message, message.versions[1]).encode(writer, value)
  return codec(message, message.versions[1]).decode(new Reader(writer.finish()))
}

/** Through bytes on both ways, as `version`; time goes on until the answer is there. */
async function ask<Services, Q, R>(
  handler: Handler<Services>,
  rows: { readonly request: Message<Q>; readonly response: Message<R>; readonly version: number },
  value: Q,
  services: Services,
): Promise<R> {
  const { request, response, version: apiVersion } = rows
  const writer = new Writer()
  codec(request, apiVersion).encode(writer, value)
  const context = { apiKey: request.apiKey, apiVersion, correlationId: 7 } as RequestContext
  const answer = await cluster.world.during(
    Promise.resolve(handler.run(new Reader(writer.finish()), context, services)),
  )
  if (typeof answer === 'symbol' || answer.kind !== 'parts') throw new Error('no answer')
  const frame = new Reader(Buffer.concat(answer.parts).subarray(4))
  expect(decodeResponseHeader(frame, context)).toBe(7)
  const decoded = codec(response, apiVersion).decode(frame)
  expect(frame.remaining).toBe(0)
  return decoded
}

interface CreateOptions {
  readonly version?: number
  readonly timeoutMs?: number
  readonly validateOnly?: boolean
  readonly services?: TopicServices
}
type AskedTopic = Partial<Parameters<typeof topicRow>[0]> & { readonly name: string }

const topicRow = (topic: {
  name: string
  numPartitions?: number
  replicationFactor?: number
  assignments?: { partitionIndex: number; brokerIds: number[] }[]
  configs?: { name: string; value: string | null }[]
}): {
  name: string
  numPartitions: number
  replicationFactor: number
  assignments: { partitionIndex: number; brokerIds: number[] }[]
  configs: { name: string; value: string | null }[]
} => ({ numPartitions: -1, replicationFactor: -1, assignments: [], configs: [], ...topic })

async function create(topics: readonly AskedTopic[], options: CreateOptions = {}) {
  const { version = 7, timeoutMs = 5000, validateOnly = false, services = servicesOf(controller) } = options
  const rows = { request: createTopicsRequest, response: createTopicsResponse, version }
  const value = { topics: topics.map(topicRow), timeoutMs, validateOnly }
  const answer = await ask(createTopics, rows, value, services)
  await cluster.settle()
  return answer.topics
}

const createOne = async (topic: AskedTopic, options: CreateOptions = {}) => (await create([topic], options))[0]!

describe('CreateTopics', () => {
  test.each([0, 1, 2, 3, 4, 5, 6, 7])('v%i: created, led, answered', async version => {
    const topic = await createOne({ name: 'orders', numPartitions: 3, replicationFactor: 1 }, { version })
    expect(topic).toMatchObject({ name: 'orders', errorCode: ErrorCode.NONE })
    if (version >= 7) expect(topic.topicId).toBe(follower.metadata.topicId('orders'))
    if (version >= 5) expect(topic).toMatchObject({ numPartitions: 3, replicationFactor: 1 })
    expect(follower.metadata.partitions('orders').map(partition => partition.leader >= 0)).toEqual([true, true, true])
  })

  test('automatic placement: leaders go round the brokers', async () => {
    await createOne({ name: 'spread', numPartitions: 4, replicationFactor: 1 })
    const leaders = follower.metadata.partitions('spread').map(partition => partition.leader)
    expect([leaders[0]!, leaders[1]!].sort((left, right) => left - right)).toEqual([1, 2])
    expect([leaders[2], leaders[3]]).toEqual([leaders[0], leaders[1]])
  })

  test('-1: defaults of the broker; its answer says what they are and where settings come from', async () => {
    const topic = await createOne({ name: 'plain', configs: [{ name: 'retention.ms', value: '5000' }] })
    expect(topic).toMatchObject({ errorCode: 0, numPartitions: 2, replicationFactor: 1 })
    expect(topic.configs).toContainEqual({
      name: 'retention.ms',
      value: '5000',
      readOnly: false,
      configSource: 1,
      isSensitive: false,
    })
    expect(topic.configs!.length).toBeGreaterThan(20)
  })

  test('manual assignment: as asked, also on a broker that nobody knows', async () => {
    const assignments = [
      { partitionIndex: 0, brokerIds: [2] },
      { partitionIndex: 1, brokerIds: [9] },
    ]
    const topic = await createOne({ name: 'manual', assignments }, { timeoutMs: 100 })
    expect(topic.errorCode).toBe(ErrorCode.REQUEST_TIMED_OUT)
    expect(follower.metadata.partition('manual', 0)?.leader).toBe(2)
  })

  test.each<[string, AskedTopic, number, string]>([
    [
      'more replicas than brokers',
      { name: 't', numPartitions: 1, replicationFactor: 3 },
      ErrorCode.INVALID_REPLICATION_FACTOR,
      'larger than available brokers: 2',
    ],
    [
      'no partitions',
      { name: 't', numPartitions: 0, replicationFactor: 1 },
      ErrorCode.INVALID_PARTITIONS,
      'larger than 0',
    ],
    [
      'too many partitions',
      { name: 't', numPartitions: 2_000_000_000, replicationFactor: 1 },
      ErrorCode.INVALID_PARTITIONS,
      'do not fit',
    ],
    [
      'both ways',
      { name: 't', numPartitions: 1, assignments: [{ partitionIndex: 0, brokerIds: [1] }] },
      ErrorCode.INVALID_REQUEST,
      'Both',
    ],
    [
      'gap in the assignment',
      { name: 't', assignments: [{ partitionIndex: 1, brokerIds: [1] }] },
      ErrorCode.INVALID_REPLICA_ASSIGNMENT,
      'consecutive',
    ],
    ['bad name', { name: 'a b' }, ErrorCode.INVALID_TOPIC_EXCEPTION, 'characters'],
    ['collision', { name: 'taken_1' }, ErrorCode.INVALID_TOPIC_EXCEPTION, 'collides with existing topics: taken.1'],
    ['exists', { name: 'taken.1' }, ErrorCode.TOPIC_ALREADY_EXISTS, 'already exists'],
    ["KRaft's own topic", { name: '__cluster_metadata' }, ErrorCode.INVALID_REQUEST, '__cluster_metadata'],
    [
      'null setting',
      { name: 't', configs: [{ name: 'retention.ms', value: null }] },
      ErrorCode.INVALID_CONFIG,
      'retention.ms',
    ],
    [
      'unknown setting',
      { name: 't', configs: [{ name: 'nonsense', value: '1' }] },
      ErrorCode.INVALID_CONFIG,
      'nonsense',
    ],
    [
      'bad setting',
      { name: 't', configs: [{ name: 'segment.bytes', value: 'x' }] },
      ErrorCode.INVALID_CONFIG,
      'segment.bytes',
    ],
  ])('refused: %s', async (_, topic, errorCode, message) => {
    await createOne({ name: 'taken.1' })
    const answer = await createOne(topic)
    expect(answer).toMatchObject({
      errorCode,
      topicId: ZERO_UUID,
      numPartitions: -1,
      replicationFactor: -1,
      configs: [],
    })
    expect(answer.errorMessage).toContain(message)
    expect(follower.metadata.hasTopic('t')).toBe(false)
  })

  test('one refused, one twice, one good: each has its own answer', async () => {
    const answers = await create([{ name: 'a b' }, { name: 'twice' }, { name: 'twice' }, { name: 'good' }])
    expect(answers.map(answer => answer.errorCode)).toEqual([
      ErrorCode.INVALID_TOPIC_EXCEPTION,
      ErrorCode.INVALID_REQUEST,
      ErrorCode.INVALID_REQUEST,
      ErrorCode.NONE,
    ])
    expect(follower.metadata.hasTopic('twice')).toBe(false)
  })

  test('validateOnly: says what would be, writes nothing', async () => {
    expect(await createOne({ name: 'dry' }, { validateOnly: true })).toMatchObject({ errorCode: 0, numPartitions: 2 })
    expect(follower.metadata.hasTopic('dry')).toBe(false)
  })

  test('timeout of 0: REQUEST_TIMED_OUT, and the topic is there', async () => {
    const answer = await createOne({ name: 'late' }, { timeoutMs: 0 })
    expect(answer.errorCode).toBe(ErrorCode.REQUEST_TIMED_OUT)
    expect(answer.topicId).toBe(follower.metadata.topicId('late'))
  })

  test('settings left behind by a topic of that name: replaced', async () => {
    const left = Buffer.from('{"version":1,"config":{"retention.ms":"1"}}')
    await cluster.world.during(controller.client.create('/config/topics/again', left))
    expect((await createOne({ name: 'again' })).errorCode).toBe(ErrorCode.NONE)
    const { data } = await cluster.world.during(controller.client.get('/config/topics/again'))
    expect(data.toString()).toBe('{"version":1,"config":{}}')
  })

  test('not the controller: NOT_CONTROLLER', async () => {
    const answer = await createOne({ name: 't' }, { services: servicesOf(follower) })
    expect(answer.errorCode).toBe(ErrorCode.NOT_CONTROLLER)
  })
})

describe('DeleteTopics', () => {
  interface Asked {
    readonly name?: string | null
    readonly topicId?: string
  }
  async function remove(
    topic: Asked,
    options: { version?: number; timeoutMs?: number; services?: TopicServices } = {},
  ) {
    const { version = 6, timeoutMs = 5000, services = servicesOf(controller) } = options
    const rows = { request: deleteTopicsRequest, response: deleteTopicsResponse, version }
    const asked = { name: null, topicId: ZERO_UUID, ...topic }
    const value = { topics: version >= 6 ? [asked] : [], topicNames: version < 6 ? [asked.name!] : [], timeoutMs }
    const { responses } = await ask(deleteTopics, rows, value, services)
    await cluster.settle()
    return responses[0]!
  }

  test.each([0, 1, 2, 3, 4, 5, 6])('v%i: by name: gone everywhere', async version => {
    await createOne({ name: 'old' })
    expect(await remove({ name: 'old' }, { version })).toMatchObject({ name: 'old', errorCode: ErrorCode.NONE })
    expect(follower.metadata.hasTopic('old')).toBe(false)
    expect(await cluster.world.during(controller.client.exists('/brokers/topics/old'))).toBeNull()
  })

  test('by id; and a topic of the same name made after it is another one', async () => {
    const { topicId } = await createOne({ name: 'old' })
    expect(await remove({ topicId })).toMatchObject({ name: 'old', topicId, errorCode: ErrorCode.NONE })
    const again = await createOne({ name: 'old' })
    expect(again.errorCode).toBe(ErrorCode.NONE)
    expect(again.topicId).not.toBe(topicId)
    expect(await remove({ topicId })).toMatchObject({ name: null, topicId, errorCode: ErrorCode.UNKNOWN_TOPIC_ID })
  })

  test('unknown, contradictory, switched off, not the controller', async () => {
    const { topicId } = await createOne({ name: 't' })
    expect(await remove({ name: 'nobody' })).toMatchObject({ errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION })
    expect(await remove({ name: 't', topicId })).toMatchObject({ errorCode: ErrorCode.INVALID_REQUEST })
    const off = servicesOf(controller, { 'delete.topic.enable': 'false' })
    expect(await remove({ name: 't' }, { services: off })).toMatchObject({
      errorCode: ErrorCode.TOPIC_DELETION_DISABLED,
    })
    expect(await remove({ name: 't' }, { services: off, version: 2 })).toMatchObject({
      errorCode: ErrorCode.INVALID_REQUEST,
    })
    const answer = await remove({ name: 't' }, { services: servicesOf(follower) })
    expect(answer.errorCode).toBe(ErrorCode.NOT_CONTROLLER)
    expect(follower.metadata.hasTopic('t')).toBe(true)
  })

  test('timeout of 0: REQUEST_TIMED_OUT, and it is deleted all the same', async () => {
    await createOne({ name: 't' })
    expect(await remove({ name: 't' }, { timeoutMs: 0 })).toMatchObject({ errorCode: ErrorCode.REQUEST_TIMED_OUT })
    expect(follower.metadata.hasTopic('t')).toBe(false)
  })
})

describe('CreatePartitions', () => {
  async function grow(
    topic: { name: string; count: number; assignments?: number[][] },
    options: { version?: number; timeoutMs?: number; validateOnly?: boolean; services?: TopicServices } = {},
  ) {
    const { version = 3, timeoutMs = 5000, validateOnly = false, services = servicesOf(controller) } = options
    const rows = { request: createPartitionsRequest, response: createPartitionsResponse, version }
    const assignments = topic.assignments?.map(brokerIds => ({ brokerIds })) ?? null
    const value = { topics: [{ ...topic, assignments }], timeoutMs, validateOnly }
    const { results } = await ask(createPartitions, rows, value, services)
    await cluster.settle()
    return results[0]!
  }

  test.each([0, 1, 2, 3])('v%i: goes on after the last partition', async version => {
    await createOne({ name: 't', assignments: [{ partitionIndex: 0, brokerIds: [2] }] })
    expect(await grow({ name: 't', count: 3 }, { version })).toMatchObject({ name: 't', errorCode: ErrorCode.NONE })
    expect(follower.metadata.partitions('t').map(partition => partition.leader)).toEqual([2, 1, 2])
  })

  test('by hand', async () => {
    await createOne({ name: 't', numPartitions: 1, replicationFactor: 1 })
    await grow({ name: 't', count: 3, assignments: [[2], [2]] })
    expect(
      follower.metadata
        .partitions('t')
        .slice(1)
        .map(partition => partition.leader),
    ).toEqual([2, 2])
  })

  test.each([
    ['unknown topic', { name: 'nobody', count: 3 }, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
    ['fewer', { name: 't', count: 1 }, ErrorCode.INVALID_PARTITIONS],
    ['as many', { name: 't', count: 2 }, ErrorCode.INVALID_PARTITIONS],
    ['too many', { name: 't', count: 2_000_000_000 }, ErrorCode.INVALID_PARTITIONS],
    ['unknown broker', { name: 't', count: 3, assignments: [[9]] }, ErrorCode.INVALID_REPLICA_ASSIGNMENT],
    ['too few assignments', { name: 't', count: 4, assignments: [[1]] }, ErrorCode.INVALID_REPLICA_ASSIGNMENT],
    ['other replication factor', { name: 't', count: 3, assignments: [[1, 2]] }, ErrorCode.INVALID_REPLICA_ASSIGNMENT],
  ])('refused: %s', async (_, topic, errorCode) => {
    await createOne({ name: 't' })
    expect(await grow(topic)).toMatchObject({ errorCode })
    expect(follower.metadata.partitionCount('t')).toBe(2)
  })

  test('validateOnly, timeout of 0, not the controller', async () => {
    await createOne({ name: 't' })
    expect(await grow({ name: 't', count: 3 }, { validateOnly: true })).toMatchObject({ errorCode: ErrorCode.NONE })
    expect(follower.metadata.partitionCount('t')).toBe(2)
    expect(await grow({ name: 't', count: 3 }, { timeoutMs: 0 })).toMatchObject({
      errorCode: ErrorCode.REQUEST_TIMED_OUT,
    })
    expect(follower.metadata.partitionCount('t')).toBe(3)
    const answer = await grow({ name: 't', count: 4 }, { services: servicesOf(follower) })
    expect(answer.errorCode).toBe(ErrorCode.NOT_CONTROLLER)
  })
})

describe('producer ids', () => {
  async function init(
    request: { transactionalId?: string | null; producerId?: number; producerEpoch?: number },
    services: TopicServices,
    version = 5,
  ) {
    const rows = { request: initProducerIdRequest, response: initProducerIdResponse, version }
    const value = { transactionalId: null, transactionTimeoutMs: 1000, producerId: -1, producerEpoch: -1, ...request }
    return await ask(initProducerId, rows, value, services)
  }

  test('InitProducerId: every id once, over blocks and brokers', async () => {
    const both = [servicesOf(controller), servicesOf(follower)]
    const ids = new Set<number>()
    for (let asked = 0; asked < 2400; asked++) {
      const answer = await init({}, both[asked % 2]!, asked % 6)
      expect(answer).toMatchObject({ errorCode: ErrorCode.NONE, producerEpoch: 0 })
      ids.add(answer.producerId)
    }
    expect(ids.size).toBe(2400)
  })

  test('InitProducerId: transactional id: final error; contradictions: INVALID_REQUEST', async () => {
    const services = servicesOf(controller)
    expect(await init({ transactionalId: 'tx' }, services)).toMatchObject({ errorCode: ErrorCode.UNSUPPORTED_VERSION })
    expect(await init({ transactionalId: '' }, services)).toMatchObject({ errorCode: ErrorCode.INVALID_REQUEST })
    expect(await init({ producerId: 5 }, services)).toMatchObject({ errorCode: ErrorCode.INVALID_REQUEST })
    expect(await init({ producerId: 5, producerEpoch: 0 }, services)).toMatchObject({ errorCode: ErrorCode.NONE })
  })

  test('InitProducerId: no controller: COORDINATOR_LOAD_IN_PROGRESS after a while', async () => {
    const services = servicesOf(follower)
    await cluster.world.during(controller.controller.stop())
    expect(await init({}, services)).toMatchObject({ errorCode: ErrorCode.COORDINATOR_LOAD_IN_PROGRESS })
  })

  test('AllocateProducerIds: a block from the controller, NOT_CONTROLLER from others', async () => {
    const rows = { request: allocateProducerIdsRequest, response: allocateProducerIdsResponse, version: 0 }
    const value = { brokerId: 2, brokerEpoch: follower.epoch }
    expect(await ask(allocateProducerIds, rows, value, servicesOf(controller))).toEqual({
      throttleTimeMs: 0,
      errorCode: 0,
      producerIdStart: 0,
      producerIdLen: 1000,
    })
    expect(await ask(allocateProducerIds, rows, value, servicesOf(follower))).toMatchObject({
      errorCode: ErrorCode.NOT_CONTROLLER,
    })
  })
})

describe('auto-creation', () => {
  test('any broker creates: LEADER_NOT_AVAILABLE first, then led; again: the same', async () => {
    const creation = servicesOf(follower).topicCreation as TopicCreation
    const codes = await cluster.world.during(creation.createForMetadata(['new', 'a b']))
    expect([...codes]).toEqual([
      ['new', ErrorCode.LEADER_NOT_AVAILABLE],
      ['a b', ErrorCode.INVALID_TOPIC_EXCEPTION],
    ])
    await cluster.settle()
    expect(follower.metadata.partitionCount('new')).toBe(2)
    expect(await cluster.world.during(creation.autoCreate('new'))).toBe(ErrorCode.LEADER_NOT_AVAILABLE)
  })

  test('two at once for one topic: one creates, the other is told to ask again', async () => {
    const creation = servicesOf(follower).topicCreation as TopicCreation
    const both = Promise.all([creation.autoCreate('new'), creation.autoCreate('new')])
    expect(await cluster.world.during(both)).toEqual([
      ErrorCode.LEADER_NOT_AVAILABLE,
      ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    ])
  })

  test('default.replication.factor: as many replicas as it says; more than there are brokers: INVALID_REPLICATION_FACTOR', async () => {
    const create = (factor: string): Promise<number> => {
      const services = servicesOf(follower, { 'default.replication.factor': factor })
      return cluster.world.during((services.topicCreation as TopicCreation).autoCreate('new'))
    }
    expect(await create('3')).toBe(ErrorCode.INVALID_REPLICATION_FACTOR)
    expect(await create('2')).toBe(ErrorCode.LEADER_NOT_AVAILABLE)
    await cluster.settle()
    expect(follower.metadata.partition('new', 0)?.replicas).toHaveLength(2)
  })
})

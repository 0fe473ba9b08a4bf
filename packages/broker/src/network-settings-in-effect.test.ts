import { afterEach, expect, test } from '@jest/globals'
import type { Connection } from '@millrace/client/connection/connection'
import { fetchRequest, fetchResponse } from '@millrace/protocol/messages/01-fetch'
import {
  incrementalAlterConfigsRequest,
  incrementalAlterConfigsResponse,
} from '@millrace/protocol/messages/44-incremental-alter-configs'
import { emptyOf } from '@millrace/protocol/schema'
import type { ListenOptions } from '@millrace/runtime/ports'
import { produceTo } from '@millrace/testing/world/produced-batch'
import { VirtualBroker } from '@millrace/testing/world/virtual-broker'

/** As settings-in-effect.test.ts, of what stands in settings/rows/network.ts. */

const second = 1000
const minute = 60 * second
const hour = 60 * minute

let broker: VirtualBroker
let connection: Connection
afterEach(() => broker.stop())

async function start(properties: Record<string, string> = {}, topic: object | null = {}): Promise<void> {
  broker = await VirtualBroker.start(properties, { hosts: { friend: '127.0.0.1' } })
  connection = await broker.connect()
  if (topic !== null) await broker.createTopic(connection, 't')
}

/** How many of `count` connections are still open a moment later. */
const dial = async (count: number): Promise<number> => {
  let closed = 0
  for (let each = 0; each < count; each++) await broker.dial(() => closed++)
  await broker.pass(second)
  return count - closed
}

test('socket.*, listen: what the operating system is asked for', async () => {
  const asked: ListenOptions[] = []
  broker = await VirtualBroker.start(
    {
      'socket.listen.backlog.size': '77',
      'socket.send.buffer.bytes': '1000',
      'socket.receive.buffer.bytes': '2000',
      'socket.request.max.bytes': '3000',
    },
    { onListen: options => asked.push(options) },
  )
  expect(asked).toMatchObject([
    { host: 'broker', port: 9092, backlog: 77, sendBufferBytes: 1000, receiveBufferBytes: 2000, maxFrameBytes: 3000 },
  ])
})

// One connection is the test's own, and one the controller's, which is this broker itself.
test.each<[Record<string, string>, number]>([
  [{ 'max.connections': '5' }, 3],
  [{ 'max.connections.per.ip': '4' }, 2],
  [{ 'max.connections.per.ip': '0', 'max.connections.per.ip.overrides': '127.0.0.1:3' }, 1],
  [{ 'max.connections.per.ip': '3', 'max.connections.per.ip.overrides': '10.0.0.1:9' }, 1],
  [{ 'max.connections.per.ip': '3', 'max.connections.per.ip.overrides': 'friend:4' }, 2],
  [{ 'listener.name.plaintext.max.connections': '4' }, 2],
  [{ 'listener.name.other.max.connections': '4' }, 5],
  [{}, 5],
])('%j: %d of 5 more connections stay', async (properties, expected) => {
  await start(properties, null)
  expect(await dial(5)).toBe(expected)
})

const set = async (name: string, value: string): Promise<void> => {
  const request = {
    resources: [{ resourceType: 4, resourceName: '1', configs: [{ name, value, configOperation: 0 }] }],
    validateOnly: false,
  }
  const { responses } = await broker.during(
    connection.request(incrementalAlterConfigsRequest, incrementalAlterConfigsResponse, request),
  )
  expect(responses[0]!.errorCode).toBe(0)
  await broker.pass(second)
}

test.each<[string, string, string]>([
  ['max.connections', '3', '10'],
  ['max.connections.per.ip', '3', '10'],
  ['listener.name.plaintext.max.connections', '3', '10'],
])('%s: lowered and raised while running', async (name, low, high) => {
  await start({}, null)
  await set(name, low)
  expect(await dial(3)).toBe(1)
  await set(name, high)
  expect(await dial(3)).toBe(3)
})

test('max.connections.per.ip.overrides: changed while running', async () => {
  await start({ 'max.connections.per.ip': '3' }, null)
  expect(await dial(3)).toBe(1)
  await set('max.connections.per.ip.overrides', 'friend:6')
  expect(await dial(5)).toBe(3)
})

test.each(['', 'listener.name.plaintext.'])('%smax.connection.creation.rate: the others wait', async prefix => {
  await start({ [`${prefix}max.connection.creation.rate`]: '2' }, null)
  const startedMs = broker.world.clock.monotonicMs()
  await broker.connect({ connectTimeoutMs: hour })
  for (let each = 0; each < 40; each++) await broker.connect({ connectTimeoutMs: hour })
  expect(broker.world.clock.monotonicMs() - startedMs).toBeGreaterThan(5 * second)
})

test('socket.connection.setup.timeout.ms, ….max.ms: how long another broker may take to answer the call', async () => {
  const allowedMs: number[] = []
  broker = await VirtualBroker.start(
    {
      'socket.connection.setup.timeout.ms': '1000',
      'socket.connection.setup.timeout.max.ms': '4000',
      'millrace.fast.failure.detection.enable': 'false',
    },
    { onConnect: ({ host, timeoutMs }) => host === 'silent' && allowedMs.push(timeoutMs) },
  )
  broker.network.silent.add('silent:9092')
  const registration = {
    ...{ version: 5, host: 'silent', port: 9092, jmx_port: -1, timestamp: '1', features: {} },
    ...{ endpoints: ['PLAINTEXT://silent:9092'], listener_security_protocol_map: { PLAINTEXT: 'PLAINTEXT' } },
  }
  await broker.during(broker.coordination.create('/brokers/ids/9', Buffer.from(JSON.stringify(registration))))
  await broker.pass(20 * second)
  for (const [attempt, ms] of [1000, 2000, 4000, 4000].entries()) {
    expect(allowedMs[attempt]).toBeGreaterThanOrEqual(0.8 * ms)
    expect(allowedMs[attempt]).toBeLessThanOrEqual(1.2 * ms)
  }
})

test('connections.max.idle.ms: a connection that says nothing for so long is closed', async () => {
  await start({ 'connections.max.idle.ms': String(hour) }, null)
  let isClosed = false
  await broker.dial(() => (isClosed = true))
  await broker.pass(50 * minute)
  expect(isClosed).toBe(false)
  await broker.pass(20 * minute)
  expect(isClosed).toBe(true)
})

const fetch = async (changes: object = {}) => {
  const request = {
    ...emptyOf(fetchRequest),
    ...{ replicaId: -1, maxWaitMs: 0, minBytes: 1, maxBytes: 50_000_000, sessionId: 0, sessionEpoch: -1 },
    topics: [
      {
        topic: 't',
        topicId: 'AAAAAAAAAAAAAAAAAAAAAA',
        partitions: [
          {
            partition: 0,
            currentLeaderEpoch: -1,
            fetchOffset: 0,
            lastFetchedEpoch: -1,
            logStartOffset: -1,
            partitionMaxBytes: 1_000_000,
            replicaDirectoryId: 'AAAAAAAAAAAAAAAAAAAAAA',
          },
        ],
      },
    ],
    ...changes,
  }
  return broker.during(connection.request(fetchRequest, fetchResponse, request as never, { version: 12 }))
}

test('fetch.max.bytes: the answer to a consumer is no larger, whatever it asks for', async () => {
  await start({ 'fetch.max.bytes': '1024' })
  for (let count = 0; count < 10; count++) await produceTo(broker, connection, { bytes: 430 })
  const { responses } = await fetch()
  const [partition] = responses[0]!.partitions
  expect(partition!.records!.length).toBeGreaterThan(0)
  expect(partition!.records!.length).toBeLessThanOrEqual(1024)
})

test.each([
  ['0', false],
  ['10', true],
])('max.incremental.fetch.session.cache.slots=%s: a session: %s', async (slots, expected) => {
  await start({ 'max.incremental.fetch.session.cache.slots': slots })
  expect((await fetch({ sessionEpoch: 0 })).sessionId !== 0).toBe(expected)
})

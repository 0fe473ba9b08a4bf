import { afterEach, describe, expect, test } from '@jest/globals'
import type { Connection } from '@millrace/client/connection/connection'
import {
  incrementalAlterConfigsRequest,
  incrementalAlterConfigsResponse,
} from '@millrace/protocol/messages/44-incremental-alter-configs'
import { produceRequest, produceResponse } from '@millrace/protocol/messages/00-produce'
import { buildBatch } from '@millrace/protocol/records/batch-builder'
import { BatchCursor } from '@millrace/protocol/records/batch-cursor'
import { readRecords } from '@millrace/protocol/records/record'
import { produceTo } from '@millrace/testing/world/produced-batch'
import { VirtualBroker } from '@millrace/testing/world/virtual-broker'

/** As settings-in-effect.test.ts, of compaction. */

const second = 1000
const minute = 60 * second
const hour = 60 * minute

let broker: VirtualBroker
let connection: Connection
afterEach(() => broker.stop())

/** A topic `t` that is compacted, with segments of one batch each. Nobody keeps the connection busy for weeks. */
async function start(properties: Record<string, string> = {}, topic: Record<string, string> = {}): Promise<void> {
  broker = await VirtualBroker.start({ 'connections.max.idle.ms': String(100_000 * hour), ...properties })
  connection = await broker.connect({ requestTimeoutMs: 100_000 * hour })
  await broker.createTopic(connection, 't', { 'cleanup.policy': 'compact', 'segment.bytes': '200', ...topic })
}

const put = (key: string, value: string | null, timestamp?: number): ReturnType<typeof produceTo> =>
  produceTo(broker, connection, { key, value, ...(timestamp === undefined ? {} : { timestamp }) })

/** `a=1` for each value in turn, then one record that only ends the segment before it. */
async function putAll(...values: readonly (string | null)[]): Promise<void> {
  for (const value of values) await put('a', value === null ? null : value.padEnd(100))
  await put('end', 'x'.repeat(100))
}

/** `offset:value` of what stands in the files. */
function stored(): string[] {
  const names = broker.files.list('/data/t-0').filter(name => name.endsWith('.log'))
  return names.flatMap(name => {
    const bytes = broker.files.readFile(`/data/t-0/${name}`)
    const cursor = new BatchCursor(bytes)
    const found: string[] = []
    while (cursor.next())
      for (const { offset, key, value } of readRecords(bytes, cursor.position, 1 << 20))
        if (key!.toString() === 'a') found.push(`${offset}:${value === null ? 'null' : value.toString().trim()}`)
    return found
  })
}

async function alter(name: string, value: string): Promise<void> {
  const request = {
    resources: [{ resourceType: 4, resourceName: '', configs: [{ name, configOperation: 0, value }] }],
    validateOnly: false,
  }
  const { responses } = await broker.during(
    connection.request(incrementalAlterConfigsRequest, incrementalAlterConfigsResponse, request),
  )
  expect(responses).toMatchObject([{ errorCode: 0 }])
  await broker.pass(second)
}

/** The same effect, asked for by the topic, by the broker's file, and of the running broker. */
const either = (topicKey: string, brokerKey: string, value: string) =>
  (['topic', 'file', 'dynamic'] as const).map(how => [how, topicKey, brokerKey, value] as const)
type Asked = ReturnType<typeof either>[number]
async function startWith([how, topicKey, brokerKey, value]: Asked, more: Record<string, string> = {}): Promise<void> {
  await start(
    { ...more, ...(how === 'file' ? { [brokerKey]: value } : {}) },
    how === 'topic' ? { [topicKey]: value } : {},
  )
  if (how === 'dynamic') await alter(brokerKey, value)
}

test.each([
  ['true', ['1:2']],
  ['false', ['0:1', '1:2']],
])('log.cleaner.enable=%s', async (enabled, expected) => {
  await start({ 'log.cleaner.enable': enabled })
  await putAll('1', '2')
  await broker.pass(minute)
  expect(stored()).toEqual(expected)
})

describe('log.cleaner.backoff.ms', () => {
  test('looked for so often, and not before', async () => {
    await start({ 'log.cleaner.backoff.ms': String(hour) })
    await broker.pass(minute)
    await putAll('1', '2')
    await broker.pass(50 * minute)
    expect(stored()).toEqual(['0:1', '1:2'])
    await broker.pass(20 * minute)
    expect(stored()).toEqual(['1:2'])
  })

  test('changed: at once', async () => {
    await start({ 'log.cleaner.backoff.ms': String(hour) })
    await broker.pass(minute)
    await alter('log.cleaner.backoff.ms', String(minute))
    await putAll('1', '2')
    await broker.pass(2 * minute)
    expect(stored()).toEqual(['1:2'])
  })
})

test.each(either('min.cleanable.dirty.ratio', 'log.cleaner.min.cleanable.ratio', '0.9'))(
  '%s, %s, %s=%s: a smaller new part waits',
  async (...asked) => {
    await startWith(asked)
    await putAll('1', '2', '3')
    await broker.pass(minute)
    expect(stored()).toEqual(['2:3'])
    // Three clean segments of a batch each have become one with one batch.
    await putAll('4')
    await broker.pass(minute)
    expect(stored()).toEqual(['2:3', '4:4'])
    for (let count = 5; count < 30; count++) await putAll(String(count))
    await broker.pass(minute)
    expect(stored()).toHaveLength(1)
  },
)

test.each(either('min.compaction.lag.ms', 'log.cleaner.min.compaction.lag.ms', String(hour)))(
  '%s, %s, %s=%s: a younger record stays',
  async (...asked) => {
    await startWith(asked)
    await putAll('1', '2')
    await broker.pass(50 * minute)
    expect(stored()).toEqual(['0:1', '1:2'])
    await broker.pass(20 * minute)
    expect(stored()).toEqual(['1:2'])
  },
)

test.each(either('max.compaction.lag.ms', 'log.cleaner.max.compaction.lag.ms', String(hour)))(
  '%s, %s, %s=%s: an older record is compacted whatever the ratio, and out of the active segment',
  async (...asked) => {
    await startWith(asked, { 'log.cleaner.min.cleanable.ratio': '1' })
    await putAll('1', '2')
    await broker.pass(50 * minute)
    expect(stored()).toEqual(['0:1', '1:2'])
    await broker.pass(20 * minute)
    expect(stored()).toEqual(['1:2'])
  },
)

test('max.compaction.lag.ms: a segment ends so that its records can be compacted in time', async () => {
  await start({}, { 'segment.bytes': '100000', 'max.compaction.lag.ms': String(hour) })
  await put('a', '1')
  await broker.pass(2 * hour)
  await put('a', '2')
  expect(broker.files.list('/data/t-0').filter(name => name.endsWith('.log'))).toHaveLength(2)
})

test.each(either('delete.retention.ms', 'log.cleaner.delete.retention.ms', String(hour)))(
  '%s, %s, %s=%s: a tombstone goes so long after its first compaction',
  async (...asked) => {
    await startWith(asked, { 'log.cleaner.min.cleanable.ratio': '0' })
    await putAll('1', null)
    await broker.pass(minute)
    expect(stored()).toEqual(['1:null'])
    await broker.pass(50 * minute)
    await putAll()
    await broker.pass(minute)
    expect(stored()).toEqual(['1:null'])
    await broker.pass(20 * minute)
    await putAll()
    await broker.pass(minute)
    expect(stored()).toEqual([])
  },
)

describe('memory and speed', () => {
  const reads = (): { path: string; length: number }[] => {
    const seen: { path: string; length: number }[] = []
    broker.files.onOperation = ({ kind, path, length }) => {
      if (kind === 'read' && path.endsWith('.log') && length > 61) seen.push({ path, length })
    }
    return seen
  }
  const large = { 'segment.bytes': '40000' }

  test.each([
    ['file', { 'log.cleaner.io.buffer.size': '20000' }],
    ['dynamic', {}],
  ])('log.cleaner.io.buffer.size (%s): read in pieces of it', async (how, properties) => {
    await start(properties, large)
    if (how === 'dynamic') await alter('log.cleaner.io.buffer.size', '20000')
    for (let count = 0; count < 50; count++) await put('a', String(count).padEnd(1000))
    const seen = reads()
    await broker.pass(minute)
    expect(stored().length).toBeLessThan(20)
    expect(Math.max(...seen.filter(({ path }) => !path.includes('offsets')).map(({ length }) => length))).toBe(20_000)
  })

  test.each([
    ['file', { 'log.cleaner.io.max.bytes.per.second': '1000' }],
    ['dynamic', {}],
  ])('log.cleaner.io.max.bytes.per.second (%s): no faster', async (how, properties) => {
    await start(properties, large)
    if (how === 'dynamic') await alter('log.cleaner.io.max.bytes.per.second', '1000')
    for (let count = 0; count < 50; count++) await put('a', String(count).padEnd(1000))
    // 40 KB are read twice.
    await broker.pass(minute)
    expect(stored()).toHaveLength(50)
    await broker.pass(minute)
    expect(stored().length).toBeLessThan(20)
  })

  test('log.cleaner.io.max.bytes.per.second: raised while a compaction waits: it goes on', async () => {
    await start({ 'log.cleaner.io.max.bytes.per.second': '1' }, large)
    for (let count = 0; count < 50; count++) await put('a', String(count).padEnd(1000))
    await broker.pass(minute)
    expect(stored()).toHaveLength(50)
    await alter('log.cleaner.io.max.bytes.per.second', '1000000')
    await broker.pass(5 * second)
    expect(stored().length).toBeLessThan(20)
  })

  const mebibytes = (count: number): string => String(Math.round(count * 1024 * 1024))

  /** Compactions that it takes to clean 60,000 different keys: a map that is full ends one. */
  test.each<[Record<string, string>, Record<string, string>, number]>([
    [{}, {}, 1],
    [{ 'log.cleaner.dedupe.buffer.size': mebibytes(1.2) }, {}, 2],
    [{}, { 'log.cleaner.dedupe.buffer.size': mebibytes(1.2) }, 2],
    [{ 'log.cleaner.dedupe.buffer.size': mebibytes(1.2), 'log.cleaner.io.buffer.load.factor': '0.5' }, {}, 3],
    [{ 'log.cleaner.dedupe.buffer.size': mebibytes(1.2) }, { 'log.cleaner.io.buffer.load.factor': '0.5' }, 3],
    [{ 'log.cleaner.dedupe.buffer.size': mebibytes(4.5), 'log.cleaner.threads': '4' }, {}, 2],
    [{ 'log.cleaner.dedupe.buffer.size': mebibytes(2.4) }, { 'log.cleaner.threads': '2' }, 2],
  ])('%j, then %j: %d compactions of 60,000 keys', async (properties, changes, expected) => {
    const more = { 'log.cleaner.backoff.ms': String(hour), 'log.cleaner.min.cleanable.ratio': '0' }
    await start({ ...more, ...properties }, { 'segment.bytes': '1000000' })
    await broker.pass(minute)
    for (const [name, value] of Object.entries(changes)) await alter(name, value)
    for (let from = 0; from < 80_000; from += 20_000)
      await produceKeys(Array.from({ length: 20_000 }, (_, index) => `key-${from + index}`))
    await broker.pass(2 * hour)
    const { metric } = broker.broker.metrics.samples().find(({ row }) => row.name === 'log_cleaner_runs_total')!
    expect(metric).toMatchObject({ value: expected })
  })

  test.each([
    ['1', 1],
    ['2', 2],
  ])('log.cleaner.threads=%s: so many logs at the same time', async (threads, expected) => {
    await start({ 'log.cleaner.threads': threads, 'log.cleaner.io.max.bytes.per.second': '100' })
    await broker.createTopic(connection, 'u', { 'cleanup.policy': 'compact', 'segment.bytes': '200' })
    for (const topic of ['t', 'u'])
      for (let count = 0; count < 3; count++) await produceTo(broker, connection, { key: 'a', bytes: 100, topic })
    const hasOutput = (topic: string): boolean =>
      broker.files.list(`/data/${topic}-0`).some(name => name.endsWith('.cleaned'))
    let most = 0
    for (let count = 0; count < 60; count++) {
      await broker.pass(second)
      most = Math.max(most, ['t', 'u'].filter(hasOutput).length)
    }
    expect(most).toBe(expected)
    expect(['t', 'u'].filter(hasOutput)).toEqual([])
  })

  async function produceKeys(keys: readonly string[]): Promise<void> {
    const records = buildBatch(
      keys.map(key => ({
        timestamp: broker.world.clock.wallMs(),
        key: Buffer.from(key),
        value: Buffer.alloc(20, 'x'),
      })),
    )
    const { responses } = await broker.during(
      connection.request(produceRequest, produceResponse, {
        ...{ transactionalId: null, acks: -1, timeoutMs: 5000 },
        topicData: [{ name: 't', partitionData: [{ index: 0, records }] }],
      }),
    )
    expect(responses[0]!.partitionResponses[0]!.errorCode).toBe(0)
  }
})

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { ErrorCode } from '@millrace/protocol/errors'
import { produceRequest, produceResponse } from '@millrace/protocol/messages/00-produce'
import {
  fetchRequest,
  fetchResponse,
  type FetchRequest,
  type FetchResponse,
  type PartitionData,
} from '@millrace/protocol/messages/01-fetch'
import { readRecords } from '@millrace/protocol/records/record'
import { batchSizeAt } from '@millrace/protocol/records/record-batch'
import { FileSystemError } from '@millrace/runtime/file-system-error'
import { LoneBroker } from '@millrace/testing/data-path/lone-broker'
import { batchOf, fetchOf, produceOf, type AskedPartition } from '@millrace/testing/data-path/requests'
import type { BatchOptions } from '@millrace/protocol/records/batch-builder'

let broker: LoneBroker

beforeEach(async () => {
  broker = await LoneBroker.open()
})
afterEach(() => broker.close())

async function produce(
  topic: string,
  values: readonly string[],
  options: BatchOptions = {},
  partition = 0,
): Promise<void> {
  const request = produceOf(topic, batchOf(values, options), { partition, acks: 1 })
  const response = await broker.request(produceRequest, produceResponse, 11, request)
  expect(response.responses[0]!.partitionResponses[0]!.errorCode).toBe(ErrorCode.NONE)
}

function fetch(
  asked: readonly AskedPartition[],
  changes: Partial<FetchRequest> = {},
  version = 12,
): Promise<FetchResponse> {
  return broker.request(fetchRequest, fetchResponse, version, fetchOf(asked, changes))
}

const rowsOf = (response: FetchResponse): PartitionData[] => response.responses.flatMap(({ partitions }) => partitions)

function valuesIn(records: Buffer | null): string[] {
  const values: string[] = []
  const bytes = records ?? Buffer.alloc(0)
  for (let position = 0; position < bytes.length; position += batchSizeAt(bytes, position)) {
    for (const { value } of readRecords(bytes, position, 1 << 20)) values.push(Buffer.from(value!).toString())
  }
  return values
}

describe('records', () => {
  test.each([4, 5, 6, 7, 8, 9, 10, 11, 12])('v%d: what was produced', async version => {
    await broker.createTopic('t')
    await produce('t', ['a', 'b'])
    await produce('t', ['c'])
    const [row] = rowsOf(await fetch([{ topic: 't' }], {}, version))
    expect(row).toMatchObject({
      partitionIndex: 0,
      errorCode: ErrorCode.NONE,
      highWatermark: 3,
      lastStableOffset: 3,
      logStartOffset: version >= 5 ? 0 : -1,
      abortedTransactions: null,
    })
    expect(valuesIn(row!.records)).toEqual(['a', 'b', 'c'])
  })

  test.each([13, 14, 15, 16, 17])('v%d: by topic id; unknown ids and zero: UNKNOWN_TOPIC_ID', async version => {
    const topicId = 'abcdefghijklmnopqrstuA'
    await broker.createTopic('t', { topicId })
    await produce('t', ['a'])
    const asked = [{ topicId }, { topicId: 'zzzzzzzzzzzzzzzzzzzzzA' }, {}]
    const response = await fetch(asked, {}, version)
    expect(rowsOf(response).map(({ errorCode }) => errorCode)).toEqual([
      ErrorCode.NONE,
      ErrorCode.UNKNOWN_TOPIC_ID,
      ErrorCode.UNKNOWN_TOPIC_ID,
    ])
    expect(valuesIn(rowsOf(response)[0]!.records)).toEqual(['a'])
  })

  test('offsets inside a batch: from the batch that holds it', async () => {
    await broker.createTopic('t')
    await produce('t', ['a', 'b', 'c'])
    await produce('t', ['d'])
    expect(valuesIn(rowsOf(await fetch([{ topic: 't', fetchOffset: 2 }]))[0]!.records)).toEqual(['a', 'b', 'c', 'd'])
    expect(valuesIn(rowsOf(await fetch([{ topic: 't', fetchOffset: 3 }]))[0]!.records)).toEqual(['d'])
  })

  test('offset: at the end no records, beyond it or below the start OFFSET_OUT_OF_RANGE', async () => {
    await broker.createTopic('t')
    await produce('t', ['a'])
    const rows = rowsOf(
      await fetch([
        { topic: 't', fetchOffset: 1 },
        { topic: 't', fetchOffset: 2 },
        { topic: 't', fetchOffset: -1 },
      ]),
    )
    expect(rows.map(({ errorCode, highWatermark }) => [errorCode, highWatermark])).toEqual([
      [ErrorCode.NONE, 1],
      [ErrorCode.OFFSET_OUT_OF_RANGE, -1],
      [ErrorCode.OFFSET_OUT_OF_RANGE, -1],
    ])
    expect(rows.map(({ records }) => records?.length)).toEqual([0, 0, 0])
  })

  test('above the high watermark: empty for a consumer, there for a replica', async () => {
    await broker.createTopic('t', { partitions: [[1, 2]] })
    await produce('t', ['a'])
    const [consumer] = rowsOf(await fetch([{ topic: 't' }]))
    expect(consumer).toMatchObject({ errorCode: ErrorCode.NONE, highWatermark: 0 })
    expect(consumer!.records).toHaveLength(0)
    const [replica] = rowsOf(await fetch([{ topic: 't' }], { replicaId: 2 }))
    expect(valuesIn(replica!.records)).toEqual(['a'])
  })

  test('a replica’s fetch offset: commits what it has', async () => {
    await broker.createTopic('t', { partitions: [[1, 2]] })
    await produce('t', ['a', 'b'])
    await fetch([{ topic: 't', fetchOffset: 2 }], { replicaId: 2 })
    expect(broker.partitions.hosted('t', 0)!.highWatermark).toBe(2)
    const [stranger] = rowsOf(await fetch([{ topic: 't' }], { replicaId: 3 }))
    expect(stranger!.errorCode).toBe(ErrorCode.NOT_LEADER_OR_FOLLOWER)
    const [fenced] = rowsOf(await fetch([{ topic: 't', currentLeaderEpoch: 0 }], { replicaId: 3 }))
    expect(fenced!.errorCode).toBe(ErrorCode.UNKNOWN_LEADER_EPOCH)
  })

  test('zstd: as the producer sent it, to every version; compression.type=zstd: UNSUPPORTED_COMPRESSION_TYPE below v10', async () => {
    const row = async (topic: string, version: number): Promise<PartitionData> =>
      rowsOf(await fetch([{ topic }], {}, version))[0]!
    await broker.createTopic('t')
    await produce('t', ['plain'])
    await produce('t', ['a'.repeat(100)], { codec: 'zstd' })
    for (const version of [4, 9, 10]) expect(valuesIn((await row('t', version)).records)).toHaveLength(2)
    await broker.createTopic('u', { config: { 'compression.type': 'zstd' } })
    await produce('u', ['a'])
    const refused = await row('u', 9)
    expect(refused).toMatchObject({ errorCode: ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, highWatermark: -1 })
    expect(refused.records).toHaveLength(0)
    expect(valuesIn((await row('u', 10)).records)).toEqual(['a'])
  })
})

describe('limits', () => {
  test('partition limit: whole batches below it, but at least one', async () => {
    await broker.createTopic('t')
    for (const value of ['a', 'b', 'c']) await produce('t', [value.repeat(100)])
    const size = batchOf(['a'.repeat(100)]).length
    const count = async (maxBytes: number): Promise<number> =>
      valuesIn(rowsOf(await fetch([{ topic: 't', maxBytes }]))[0]!.records).length
    expect(await count(size * 2 + 1)).toBe(2)
    expect(await count(size)).toBe(1)
    expect(await count(1)).toBe(1)
  })

  test('limit of the answer: the first partition with data may exceed it, the others get what is left', async () => {
    await broker.createTopic('t', { partitions: [[1], [1], [1]] })
    for (const partition of [1, 2]) await produce('t', ['x'.repeat(500)], {}, partition)
    const asked = [0, 1, 2].map(partition => ({ topic: 't', partition }))
    const rows = rowsOf(await fetch(asked, { maxBytes: 10 }))
    expect(rows.map(({ records }) => valuesIn(records).length)).toEqual([0, 1, 0])
    expect(rows.map(({ highWatermark }) => highWatermark)).toEqual([0, 1, 1])
  })
})

describe('waiting', () => {
  test('nothing there: answered when something is produced, after its write', async () => {
    await broker.createTopic('t')
    const answer = fetch([{ topic: 't' }], { maxWaitMs: 60_000 })
    await produce('t', ['late'])
    expect(valuesIn(rowsOf(await answer)[0]!.records)).toEqual(['late'])
    expect(broker.services.deadlines.count).toBe(0)
    expect(broker.partitions.hosted('t', 0)!.fetchWaiters.count).toBe(0)
  })

  test('minBytes: answered when so much is there, from several partitions together', async () => {
    await broker.createTopic('t', { partitions: [[1], [1]] })
    const size = batchOf(['x'.repeat(100)]).length
    let isAnswered = false
    const asked = [0, 1].map(partition => ({ topic: 't', partition }))
    const answer = fetch(asked, { maxWaitMs: 60_000, minBytes: size * 3 }).then(response => {
      isAnswered = true
      return response
    })
    for (const partition of [0, 1]) {
      await produce('t', ['x'.repeat(100)], {}, partition)
      expect(isAnswered).toBe(false)
    }
    await produce('t', ['x'.repeat(100)], {}, 1)
    expect(rowsOf(await answer).map(({ records }) => valuesIn(records).length)).toEqual([1, 2])
  })

  test('maxWaitMs: answered with what there is', async () => {
    await broker.createTopic('t')
    await produce('t', ['a'])
    const response = await fetch([{ topic: 't' }], { maxWaitMs: 20, minBytes: 100_000 })
    expect(valuesIn(rowsOf(response)[0]!.records)).toEqual(['a'])
    expect(broker.partitions.hosted('t', 0)!.fetchWaiters.count).toBe(0)
  })

  test('a consumer behind a follower: answered when the high watermark moves', async () => {
    await broker.createTopic('t', { partitions: [[1, 2]] })
    await produce('t', ['a'])
    const minBytes = batchOf(['a']).length
    const answers = [1, minBytes].map(bytes => fetch([{ topic: 't' }], { maxWaitMs: 60_000, minBytes: bytes }))
    await fetch([{ topic: 't', fetchOffset: 1 }], { replicaId: 2 })
    for (const answer of answers) expect(valuesIn(rowsOf(await answer)[0]!.records)).toEqual(['a'])
  })

  test('leadership lost: answered at once', async () => {
    await broker.createTopic('t', { partitions: [[1, 2]] })
    const answer = fetch([{ topic: 't' }], { maxWaitMs: 60_000 }, 10)
    await broker.createTopic('t', { partitions: [[2, 1]], leaderEpoch: 1 })
    expect(rowsOf(await answer)[0]!.errorCode).toBe(ErrorCode.NOT_LEADER_OR_FOLLOWER)
  })

  test('an error beside: answered at once', async () => {
    await broker.createTopic('t')
    const response = await fetch([{ topic: 't' }, { topic: 'nowhere' }], { maxWaitMs: 60_000 })
    expect(rowsOf(response).map(({ errorCode }) => errorCode)).toEqual([
      ErrorCode.NONE,
      ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    ])
  })

  test('minBytes out of reach in one segment, more in the next: answered at once', async () => {
    await broker.createTopic('t', { config: { 'segment.bytes': '300' } })
    for (let index = 0; index < 5; index++) await produce('t', ['x'.repeat(150)])
    const response = await fetch([{ topic: 't' }], { maxWaitMs: 60_000, minBytes: 100_000 })
    expect(valuesIn(rowsOf(response)[0]!.records).length).toBeGreaterThan(0)
  })
})

describe('a failing disk', () => {
  test('a waiting fetch: answered with KAFKA_STORAGE_ERROR, before v6 NOT_LEADER_OR_FOLLOWER', async () => {
    await broker.createTopic('t')
    const answers = [12, 5].map(version => fetch([{ topic: 't' }], { maxWaitMs: 60_000 }, version))
    broker.files.onOperation = ({ kind }) => (kind === 'write' ? 0 : undefined)
    await broker.send(produceRequest, 11, produceOf('t', batchOf(['lost'])))
    const codes = (await Promise.all(answers)).map(response => rowsOf(response)[0]!.errorCode)
    expect(codes).toEqual([ErrorCode.KAFKA_STORAGE_ERROR, ErrorCode.NOT_LEADER_OR_FOLLOWER])
  })

  test('a read that fails: KAFKA_STORAGE_ERROR', async () => {
    await broker.createTopic('t')
    await produce('t', ['a'])
    broker.files.onOperation = ({ kind, path }) => {
      if (kind === 'read' && path.endsWith('.log')) throw new FileSystemError({ code: 'EIO', syscall: 'read', path })
    }
    expect(rowsOf(await fetch([{ topic: 't' }]))[0]!.errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR)
  })
})

describe('leader epochs', () => {
  test('older: FENCED_LEADER_EPOCH, newer: UNKNOWN_LEADER_EPOCH', async () => {
    await broker.createTopic('t', { leaderEpoch: 3 })
    const rows = rowsOf(await fetch([2, 3, 4].map(currentLeaderEpoch => ({ topic: 't', currentLeaderEpoch }))))
    expect(rows.map(({ errorCode }) => errorCode)).toEqual([
      ErrorCode.FENCED_LEADER_EPOCH,
      ErrorCode.NONE,
      ErrorCode.UNKNOWN_LEADER_EPOCH,
    ])
  })

  test('lastFetchedEpoch that ended earlier: the answer says where, without records', async () => {
    await broker.createTopic('t', { partitions: [[1, 2]] })
    await produce('t', ['a', 'b'])
    await broker.createTopic('t', { partitions: [[1, 2]], leaderEpoch: 5 })
    await produce('t', ['c', 'd', 'e'])
    const [row] = rowsOf(await fetch([{ topic: 't', fetchOffset: 4, lastFetchedEpoch: 0 }], { replicaId: 2 }))
    expect(row).toMatchObject({ errorCode: ErrorCode.NONE, divergingEpoch: { epoch: 0, endOffset: 2 } })
    expect(row!.records).toHaveLength(0)
    const [fine] = rowsOf(await fetch([{ topic: 't', fetchOffset: 2, lastFetchedEpoch: 0 }], { replicaId: 2 }))
    expect(fine).toMatchObject({ divergingEpoch: { epoch: -1, endOffset: -1 } })
    expect(valuesIn(fine!.records)).toEqual(['c', 'd', 'e'])
  })

  test('follower, v11 and up: serves consumers; before, and to replicas: NOT_LEADER_OR_FOLLOWER', async () => {
    await broker.createTopic('t', { partitions: [[2, 1]] })
    expect(rowsOf(await fetch([{ topic: 't' }], {}, 11))[0]!.errorCode).toBe(ErrorCode.NONE)
    expect(rowsOf(await fetch([{ topic: 't' }], {}, 10))[0]!.errorCode).toBe(ErrorCode.NOT_LEADER_OR_FOLLOWER)
    expect(rowsOf(await fetch([{ topic: 't' }], { replicaId: 2 }))[0]!.errorCode).toBe(ErrorCode.NOT_LEADER_OR_FOLLOWER)
  })

  test('v16, moved away: names the leader', async () => {
    const topicId = 'abcdefghijklmnopqrstuA'
    await broker.setLive(2)
    await broker.createTopic('t', { partitions: [[2]], topicId, leaderEpoch: 7 })
    const response = await fetch([{ topicId }], {}, 16)
    expect(rowsOf(response)[0]).toMatchObject({
      errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER,
      currentLeader: { leaderId: 2, leaderEpoch: 7 },
    })
    expect(response.nodeEndpoints).toEqual([{ nodeId: 2, host: '127.0.0.1', port: 9093, rack: null }])
  })
})

describe('sessions', () => {
  test('incremental: only partitions with news are answered', async () => {
    await broker.createTopic('t', { partitions: [[1], [1]] })
    const asked = [0, 1].map(partition => ({ topic: 't', partition }))
    const first = await fetch(asked, { sessionEpoch: 0 })
    expect(first.sessionId).toBeGreaterThan(0)
    expect(rowsOf(first)).toHaveLength(2)
    const { sessionId } = first
    expect(rowsOf(await fetch([], { sessionId, sessionEpoch: 1 }))).toEqual([])
    await produce('t', ['a'], {}, 1)
    const third = await fetch([], { sessionId, sessionEpoch: 2 })
    expect(rowsOf(third).map(({ partitionIndex, records }) => [partitionIndex, valuesIn(records)])).toEqual([
      [1, ['a']],
    ])
    const wrong = await fetch([], { sessionId, sessionEpoch: 2 })
    expect(wrong).toMatchObject({ errorCode: ErrorCode.INVALID_FETCH_SESSION_EPOCH, sessionId: 0, responses: [] })
  })

  test('incremental with waiting: woken by a partition of the session', async () => {
    await broker.createTopic('t')
    const { sessionId } = await fetch([{ topic: 't' }], { sessionEpoch: 0 })
    const answer = fetch([], { sessionId, sessionEpoch: 1, maxWaitMs: 60_000 })
    await produce('t', ['a'])
    expect(valuesIn(rowsOf(await answer)[0]!.records)).toEqual(['a'])
  })

  test('a follower’s session without any news: its fetches wait, one after the other, and hear of what comes', async () => {
    await broker.createTopic('t', { partitions: [[1, 2]], inSyncReplicas: [1, 2] })
    const asked = [{ topic: 't', fetchOffset: 0, currentLeaderEpoch: 0 }]
    const { sessionId } = await fetch(asked, { replicaId: 2, sessionEpoch: 0 })
    // The first ones read everything once more; then nothing is left that would have to be read.
    for (let sessionEpoch = 1; sessionEpoch <= 3; sessionEpoch++) {
      const startedMs = performance.now()
      expect(rowsOf(await fetch([], { replicaId: 2, sessionId, sessionEpoch, maxWaitMs: 60 }))).toEqual([])
      expect({ sessionEpoch, waited: performance.now() - startedMs > 40 }).toEqual({ sessionEpoch, waited: true })
    }
    const answer = fetch([], { replicaId: 2, sessionId, sessionEpoch: 4, maxWaitMs: 60_000 })
    await produce('t', ['a'])
    expect(valuesIn(rowsOf(await answer)[0]!.records)).toEqual(['a'])
  })

  describe('gathering for a follower, four producers that send again when they are answered', () => {
    /** Each has a record in the log that the follower was sent; its next fetch commits all of them. */
    async function setUp(): Promise<{ sessionId: number; next: () => Promise<FetchResponse> }> {
      await broker.createTopic('t', { partitions: [[1, 2]], inSyncReplicas: [1, 2] })
      // All in the same millisecond: a busy broker.
      broker.wallMs = 1_700_000_000_000
      const asked = [{ topic: 't', fetchOffset: 0, currentLeaderEpoch: 0 }]
      const { sessionId } = await fetch(asked, { replicaId: 2, sessionEpoch: 0 })
      let sent = fetch([], { replicaId: 2, sessionId, sessionEpoch: 1, maxWaitMs: 60_000 })
      for (let round = 1; round <= 4; round++) {
        const answers = produceAll(['a', 'b', 'c', 'd'])
        expect(valuesIn(rowsOf(await sent)[0]!.records)).toEqual(['a', 'b', 'c', 'd'])
        sent = fetch([{ topic: 't', fetchOffset: 4 * round, currentLeaderEpoch: 0 }], {
          ...{ replicaId: 2, sessionId, sessionEpoch: round + 1, maxWaitMs: 60_000 },
        })
        await Promise.all(answers)
      }
      return { sessionId, next: () => sent }
    }

    const produceAll = (values: readonly string[]): Promise<unknown>[] =>
      values.map(value =>
        broker.request(
          produceRequest,
          produceResponse,
          11,
          produceOf('t', batchOf([value]), { partition: 0, acks: -1 }),
        ),
      )

    test('most of them are back: one answer with what they sent, over several turns', async () => {
      const { next } = await setUp()
      void produceAll(['e'])
      await new Promise(resolve => setImmediate(resolve))
      void produceAll(['f'])
      await new Promise(resolve => setImmediate(resolve))
      void produceAll(['g'])
      expect(valuesIn(rowsOf(await next())[0]!.records)).toEqual(['e', 'f', 'g'])
    })

    test('only one comes back: answered with its record after a millisecond or two', async () => {
      const { next } = await setUp()
      const startedMs = performance.now()
      void produceAll(['e'])
      expect(valuesIn(rowsOf(await next())[0]!.records)).toEqual(['e'])
      expect(performance.now() - startedMs).toBeGreaterThan(0.9)
    })

    test('leadership is lost meanwhile: answered at once', async () => {
      const { next } = await setUp()
      void produceAll(['e'])
      await broker.createTopic('t', { partitions: [[2, 1]], inSyncReplicas: [2, 1], leaderEpoch: 1 })
      expect(rowsOf(await next())).toMatchObject([{ errorCode: ErrorCode.FENCED_LEADER_EPOCH }])
    })
  })

  test('unknown session: FETCH_SESSION_ID_NOT_FOUND at the top', async () => {
    const response = await fetch([], { sessionId: 77, sessionEpoch: 3 })
    expect(response).toMatchObject({ errorCode: ErrorCode.FETCH_SESSION_ID_NOT_FOUND, responses: [] })
  })
})

test('read_committed: the list of aborted transactions is there, empty', async () => {
  await broker.createTopic('t')
  await produce('t', ['a'])
  const [row] = rowsOf(await fetch([{ topic: 't' }], { isolationLevel: 1 }))
  expect(row!.abortedTransactions).toEqual([])
})

describe('reading from the nearest replica (KIP-392)', () => {
  const selector = { 'replica.selector.class': 'org.apache.kafka.common.replica.RackAwareReplicaSelector' }

  /** Led here, in rack `here`; broker 2 in rack `there` has everything, broker 3 in rack `behind` has nothing yet. */
  async function led(properties: Record<string, string>): Promise<void> {
    await broker.close()
    broker = await LoneBroker.open(properties)
    broker.racks.set(1, 'here').set(2, 'there').set(3, 'behind')
    await broker.setLive(2)
    await broker.setLive(3)
    await broker.createTopic('t', { partitions: [[1, 2, 3]] })
    await produce('t', ['a', 'b'])
    const followed = { currentLeaderEpoch: 0, topic: 't' }
    await fetch([{ ...followed, fetchOffset: 2 }], { replicaId: 2 })
    await fetch([{ ...followed, fetchOffset: 0 }], { replicaId: 3 })
  }

  test.each([
    ['in the rack of a follower', 'there', 11, 2],
    ["in the leader's rack", 'here', 11, -1],
    ['in no rack', '', 11, -1],
    ['in a rack of nobody', 'elsewhere', 11, -1],
    ['in the rack of a follower that does not have the offset', 'behind', 11, -1],
  ])('consumer %s: sent where its records are near', async (_, rackId, version, expected) => {
    await led(selector)
    const [row] = rowsOf(await fetch([{ topic: 't', fetchOffset: 1 }], { rackId }, version))
    expect(row).toMatchObject({ errorCode: ErrorCode.NONE, preferredReadReplica: expected, logStartOffset: 0 })
  })

  test('sent elsewhere: at once, with no records', async () => {
    await led(selector)
    const asked = { rackId: 'there', maxWaitMs: 60_000, minBytes: 1000 }
    const [row] = rowsOf(await fetch([{ topic: 't', fetchOffset: 0 }], asked))
    expect(row).toMatchObject({ preferredReadReplica: 2, highWatermark: 0 })
    expect(row!.records).toHaveLength(0)
  })

  test('no selector: everybody reads where they ask', async () => {
    await led({})
    const [row] = rowsOf(await fetch([{ topic: 't' }], { rackId: 'there' }))
    expect(row).toMatchObject({ preferredReadReplica: -1 })
  })

  test('a follower: never sent elsewhere', async () => {
    await led(selector)
    const asked = { topic: 't', fetchOffset: 0, currentLeaderEpoch: 0 }
    const [row] = rowsOf(await fetch([asked], { replicaId: 3, rackId: 'there' }))
    expect(row).toMatchObject({ preferredReadReplica: -1 })
    expect(valuesIn(row!.records)).toEqual(['a', 'b'])
  })
})

test('a throttled follower: gets nothing until it may, unless it is in sync', async () => {
  await broker.createTopic('t', { partitions: [[1, 2, 3]], inSyncReplicas: [1, 2] })
  await produce('t', ['a'])
  const asked = [{ topic: 't', fetchOffset: 0, currentLeaderEpoch: 0 }]
  const records = async (replicaId: number): Promise<string[]> =>
    valuesIn(rowsOf(await fetch(asked, { replicaId }))[0]!.records)
  broker.isThrottled = true
  expect(await records(2)).toEqual(['a'])
  expect(await records(3)).toEqual([])
  broker.isThrottled = false
  expect(await records(3)).toEqual(['a'])
})

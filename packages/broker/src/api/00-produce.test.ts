import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { ErrorCode } from '@millrace/protocol/errors'
import {
  produceRequest,
  produceResponse,
  type PartitionProduceResponse,
  type ProduceRequest,
  type ProduceResponse,
} from '@millrace/protocol/messages/00-produce'
import { LoneBroker } from '@millrace/testing/data-path/lone-broker'
import { batchOf, produceOf } from '@millrace/testing/data-path/requests'

let broker: LoneBroker

beforeEach(async () => {
  broker = await LoneBroker.open()
})
afterEach(() => broker.close())

function produce(request: ProduceRequest, version = 11): Promise<ProduceResponse> {
  return broker.request(produceRequest, produceResponse, version, request)
}

const rowsOf = (response: ProduceResponse): PartitionProduceResponse[] =>
  response.responses.flatMap(({ partitionResponses }) => partitionResponses)

describe('append', () => {
  test.each([3, 5, 7, 8, 9, 10, 11])('v%d: appended, base offsets follow each other', async version => {
    await broker.createTopic('t')
    for (const baseOffset of [0, 2, 4]) {
      const [row] = rowsOf(await produce(produceOf('t', batchOf(['a', 'b'])), version))
      expect(row).toMatchObject({ index: 0, errorCode: ErrorCode.NONE, baseOffset, logAppendTimeMs: -1 })
      expect(row!.logStartOffset).toBe(version >= 5 ? 0 : -1)
    }
    expect(broker.logs.get('t', 0)!.logEndOffset).toBe(6)
  })

  test('several partitions: rows in request order, one failure does not touch the others', async () => {
    await broker.createTopic('t', { partitions: [[1], [1]] })
    const request = produceOf('t', null)
    request.topicData = [
      {
        name: 't',
        partitionData: [
          { index: 1, records: batchOf(['x']) },
          { index: 7, records: batchOf(['y']) },
          { index: 0, records: batchOf(['z']) },
        ],
      },
      { name: 'nowhere', partitionData: [{ index: 0, records: batchOf(['y']) }] },
    ]
    const rows = rowsOf(await produce(request))
    expect(rows.map(({ index, errorCode, baseOffset }) => [index, errorCode, baseOffset])).toEqual([
      [1, ErrorCode.NONE, 0],
      [7, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1],
      [0, ErrorCode.NONE, 0],
      [0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1],
    ])
  })

  test('many in one turn: every answer has its own offset, written before it is given', async () => {
    await broker.createTopic('t')
    const answers = Array.from({ length: 50 }, (_, index) =>
      produce(produceOf('t', batchOf([`${index}`]), { acks: 1 })),
    )
    expect(broker.logs.get('t', 0)!.logEndOffset).toBe(0)
    const offsets = (await Promise.all(answers)).flatMap(rowsOf).map(({ baseOffset }) => baseOffset)
    expect(offsets).toEqual(Array.from({ length: 50 }, (_, index) => index))
  })

  test('internal topic: INVALID_TOPIC_EXCEPTION, but for the admin client', async () => {
    await broker.createTopic('__consumer_offsets')
    const request = produceOf('__consumer_offsets', batchOf(['a']))
    expect(rowsOf(await produce(request))[0]!.errorCode).toBe(ErrorCode.INVALID_TOPIC_EXCEPTION)
    const admin = await broker.request(produceRequest, produceResponse, 11, request, { clientId: '__admin_client' })
    expect(rowsOf(admin)[0]!.errorCode).toBe(ErrorCode.NONE)
  })

  test('acks neither -1, 0 nor 1: INVALID_REQUIRED_ACKS, nothing appended', async () => {
    await broker.createTopic('t')
    const [row] = rowsOf(await produce(produceOf('t', batchOf(['a']), { acks: 2 })))
    expect(row!.errorCode).toBe(ErrorCode.INVALID_REQUIRED_ACKS)
    expect(broker.logs.get('t', 0)!.logEndOffset).toBe(0)
  })

  test('v0-2: the connection is closed', async () => {
    await broker.createTopic('t')
    for (const version of [0, 1, 2]) {
      const outcome = await broker.send(produceRequest, version, produceOf('t', batchOf(['a'])))
      expect(outcome).toMatchObject({ kind: 'closed', reason: expect.stringContaining('served from 3') })
    }
  })
})

describe('acks=0', () => {
  test('no answer, appended', async () => {
    await broker.createTopic('t')
    const outcome = await broker.send(produceRequest, 11, produceOf('t', batchOf(['a']), { acks: 0 }))
    expect(outcome).toEqual({ kind: 'none' })
    expect(broker.logs.get('t', 0)!.logEndOffset).toBe(1)
  })

  test('an error: the connection is closed, because nothing else can tell the producer', async () => {
    const outcome = await broker.send(produceRequest, 11, produceOf('nowhere', batchOf(['a']), { acks: 0 }))
    expect(outcome).toMatchObject({ kind: 'closed' })
  })
})

describe('acks=all', () => {
  test('a follower that does not fetch: REQUEST_TIMED_OUT at the deadline, the offset stays in the row', async () => {
    await broker.createTopic('t', { partitions: [[1, 2]] })
    const [row] = rowsOf(await produce(produceOf('t', batchOf(['a']), { timeoutMs: 20 })))
    expect(row).toMatchObject({ errorCode: ErrorCode.REQUEST_TIMED_OUT, baseOffset: 0 })
    expect(broker.services.deadlines.count).toBe(0)
  })

  test('a follower that fetches: answered when it has the records', async () => {
    await broker.createTopic('t', { partitions: [[1, 2]] })
    const answer = produce(produceOf('t', batchOf(['a', 'b'])))
    await produce(produceOf('t', batchOf(['c']), { acks: 1 }))
    const partition = broker.partitions.hosted('t', 0)!
    expect(partition.highWatermark).toBe(0)
    partition.onFollowerFetch({ brokerId: 2, brokerEpoch: -1, fetchOffset: 2, logStartOffset: 0 }, 2)
    expect(rowsOf(await answer)[0]).toMatchObject({ errorCode: ErrorCode.NONE, baseOffset: 0 })
    expect(partition.highWatermark).toBe(2)
  })

  test('ISR below min.insync.replicas: NOT_ENOUGH_REPLICAS, nothing appended; acks=1 is not asked', async () => {
    await broker.createTopic('t', { partitions: [[1, 2]], inSyncReplicas: [1], config: { 'min.insync.replicas': '2' } })
    expect(rowsOf(await produce(produceOf('t', batchOf(['a']))))[0]!.errorCode).toBe(ErrorCode.NOT_ENOUGH_REPLICAS)
    expect(broker.logs.get('t', 0)!.logEndOffset).toBe(0)
    expect(rowsOf(await produce(produceOf('t', batchOf(['a']), { acks: 1 })))[0]!.errorCode).toBe(ErrorCode.NONE)
  })

  test('leadership lost while it waits: NOT_LEADER_OR_FOLLOWER', async () => {
    await broker.createTopic('t', { partitions: [[1, 2]] })
    const answer = produce(produceOf('t', batchOf(['a'])))
    await broker.setLive(2)
    await broker.createTopic('t', { partitions: [[2, 1]], leaderEpoch: 1 })
    expect(rowsOf(await answer)[0]!.errorCode).toBe(ErrorCode.NOT_LEADER_OR_FOLLOWER)
  })
})

describe('not the leader', () => {
  test('v10: names the leader and its endpoint once', async () => {
    await broker.setLive(2)
    await broker.createTopic('t', { partitions: [[2], [2]], leaderEpoch: 4 })
    const request = produceOf('t', null)
    const records = batchOf(['a'])
    request.topicData = [{ name: 't', partitionData: [0, 1].map(index => ({ index, records })) }]
    const response = await produce(request, 10)
    for (const row of rowsOf(response)) {
      expect(row).toMatchObject({
        errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER,
        currentLeader: { leaderId: 2, leaderEpoch: 4 },
      })
    }
    expect(response.nodeEndpoints).toEqual([{ nodeId: 2, host: '127.0.0.1', port: 9093, rack: null }])
  })

  test('v9: names nobody', async () => {
    await broker.setLive(2)
    await broker.createTopic('t', { partitions: [[2]] })
    const response = await produce(produceOf('t', batchOf(['a'])), 9)
    expect(rowsOf(response)[0]!.errorCode).toBe(ErrorCode.NOT_LEADER_OR_FOLLOWER)
    expect(response.nodeEndpoints).toEqual([])
  })
})

describe('a failing disk', () => {
  test.each([-1, 1])('acks=%d: KAFKA_STORAGE_ERROR, for those that waited and all that come', async acks => {
    await broker.createTopic('t')
    await produce(produceOf('t', batchOf(['safe'])))
    broker.files.onOperation = ({ kind, length }) => (kind === 'write' ? length - 1 : undefined)
    const answers = [0, 1].map(() => produce(produceOf('t', batchOf(['lost']), { acks })))
    for (const answer of answers) expect(rowsOf(await answer)[0]!.errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR)
    expect(rowsOf(await produce(produceOf('t', batchOf(['late']))))[0]!.errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR)
    expect(broker.services.deadlines.count).toBe(0)
  })

  test('acks=0: the connection is closed', async () => {
    await broker.createTopic('t')
    broker.files.onOperation = ({ kind }) => (kind === 'write' ? 0 : undefined)
    const outcome = await broker.send(produceRequest, 11, produceOf('t', batchOf(['lost']), { acks: 0 }))
    expect(outcome).toMatchObject({ kind: 'closed' })
  })
})

test('transactional batch: without an id TRANSACTIONAL_ID_AUTHORIZATION_FAILED, with one INVALID_TXN_STATE', async () => {
  await broker.createTopic('t')
  const records = batchOf(['a'], { isTransactional: true, producerId: 5, producerEpoch: 0, baseSequence: 0 })
  const request = produceOf('t', records)
  expect(rowsOf(await produce(request))[0]!.errorCode).toBe(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
  expect(rowsOf(await produce({ ...request, transactionalId: 'tx' }))[0]!.errorCode).toBe(ErrorCode.INVALID_TXN_STATE)
  expect(broker.logs.get('t', 0)!.logEndOffset).toBe(0)
})

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { ErrorCode } from '@millrace/protocol/errors'
import { produceRequest, produceResponse } from '@millrace/protocol/messages/00-produce'
import {
  listOffsetsRequest,
  listOffsetsResponse,
  type ListOffsetsPartition,
  type ListOffsetsPartitionResponse,
} from '@millrace/protocol/messages/02-list-offsets'
import { updateCrc } from '@millrace/protocol/records/record-batch'
import { LoneBroker } from '@millrace/testing/data-path/lone-broker'
import { batchOf, produceOf } from '@millrace/testing/data-path/requests'

let broker: LoneBroker

beforeEach(async () => {
  broker = await LoneBroker.open()
})
afterEach(() => broker.close())

async function produce(values: readonly string[], timestamp: number): Promise<void> {
  const request = produceOf('t', batchOf(values, { timestamp }), { acks: 1 })
  await broker.request(produceRequest, produceResponse, 11, request)
}

async function list(
  asked: readonly Partial<ListOffsetsPartition>[],
  options: { version?: number; replicaId?: number; isolationLevel?: number } = {},
): Promise<ListOffsetsPartitionResponse[]> {
  const { version = 9, replicaId = -1, isolationLevel = 0 } = options
  const partitions = asked.map(each => ({
    partitionIndex: 0,
    currentLeaderEpoch: -1,
    timestamp: -1,
    maxNumOffsets: 1,
    ...each,
  }))
  const request = { replicaId, isolationLevel, topics: [{ name: 't', partitions }] }
  const response = await broker.request(listOffsetsRequest, listOffsetsResponse, version, request)
  return response.topics.flatMap(topic => topic.partitions)
}

describe('marks', () => {
  beforeEach(async () => {
    await broker.createTopic('t', { leaderEpoch: 3 })
    await produce(['a', 'b', 'c'], 1000)
    await produce(['d'], 500)
  })

  test.each([
    ['latest', -1, { offset: 4, timestamp: -1, leaderEpoch: 3 }],
    ['earliest', -2, { offset: 0, timestamp: -1, leaderEpoch: 3 }],
    ['largest timestamp', -3, { offset: 2, timestamp: 1002, leaderEpoch: 3 }],
    ['earliest local', -4, { offset: 0, timestamp: -1, leaderEpoch: 3 }],
    ['latest tiered', -5, { offset: -1, timestamp: -1, leaderEpoch: -1 }],
    ['a timestamp that a record has', 1001, { offset: 1, timestamp: 1001, leaderEpoch: 3 }],
    ['a timestamp before all', 0, { offset: 0, timestamp: 1000, leaderEpoch: 3 }],
    ['a timestamp after all', 2000, { offset: -1, timestamp: -1, leaderEpoch: -1 }],
    // Java's Long.MAX_VALUE, as clients ask that mean "none".
    ['the largest int64', 2 ** 63, { offset: -1, timestamp: -1, leaderEpoch: -1 }],
  ])('%s', async (_name, timestamp, expected) => {
    expect(await list([{ timestamp }])).toEqual([expect.objectContaining({ errorCode: ErrorCode.NONE, ...expected })])
  })

  test('a record whose timestamp no number holds exactly: found, and told as the nearest one', async () => {
    const batch = Buffer.from(batchOf(['far']))
    for (const position of [27, 35]) batch.writeBigInt64BE(2n ** 60n + 1n, position)
    updateCrc(batch, 0)
    const produced = await broker.request(produceRequest, produceResponse, 11, produceOf('t', batch, { acks: 1 }))
    expect(produced.responses[0]!.partitionResponses[0]!.errorCode).toBe(ErrorCode.NONE)
    const rows = await Promise.all([2 ** 55, 2 ** 60, 2 ** 61].map(timestamp => list([{ timestamp }])))
    expect(rows.map(([row]) => [row!.offset, row!.timestamp])).toEqual([
      [4, 2 ** 60],
      [4, 2 ** 60],
      [-1, -1],
    ])
  })

  test.each([
    [-3, 6],
    [-4, 7],
    [-5, 8],
    [-6, 9],
  ])('mark %d in v%d: UNSUPPORTED_VERSION', async (timestamp, version) => {
    expect((await list([{ timestamp }], { version }))[0]!.errorCode).toBe(ErrorCode.UNSUPPORTED_VERSION)
  })

  test.each([1, 2, 3, 4, 5, 6, 7, 8, 9])('v%d: latest', async version => {
    const [row] = await list([{}], { version })
    expect(row).toMatchObject({ errorCode: ErrorCode.NONE, offset: 4, leaderEpoch: version >= 4 ? 3 : -1 })
  })

  test('v0: several offsets, newest first', async () => {
    const rows = await list([{ timestamp: -1, maxNumOffsets: 10 }], { version: 0 })
    expect(rows[0]).toMatchObject({ errorCode: ErrorCode.NONE, oldStyleOffsets: [4, 0] })
    const [first] = await list([{ timestamp: -2, maxNumOffsets: 10 }], { version: 0 })
    expect(first!.oldStyleOffsets).toEqual([0])
  })

  test('leader epochs: older FENCED, newer UNKNOWN', async () => {
    const rows = await Promise.all([2, 3, 4].map(currentLeaderEpoch => list([{ currentLeaderEpoch }])))
    expect(rows.map(([row]) => row!.errorCode)).toEqual([
      ErrorCode.FENCED_LEADER_EPOCH,
      ErrorCode.NONE,
      ErrorCode.UNKNOWN_LEADER_EPOCH,
    ])
  })

  test('a partition twice: INVALID_REQUEST for both', async () => {
    const rows = await list([{}, {}])
    expect(rows.map(({ errorCode }) => errorCode)).toEqual([ErrorCode.INVALID_REQUEST, ErrorCode.INVALID_REQUEST])
  })
})

test('uncommitted records: hidden from consumers, seen by replicas', async () => {
  await broker.createTopic('t', { partitions: [[1, 2]] })
  await produce(['a', 'b'], 1000)
  expect((await list([{}]))[0]).toMatchObject({ errorCode: ErrorCode.NONE, offset: 0 })
  expect((await list([{}], { replicaId: 2 }))[0]).toMatchObject({ offset: 2 })
  expect((await list([{ timestamp: 1001 }]))[0]).toMatchObject({ errorCode: ErrorCode.NONE, offset: -1 })
  broker.partitions
    .hosted('t', 0)!
    .onFollowerFetch({ brokerId: 2, brokerEpoch: -1, fetchOffset: 2, logStartOffset: 0 }, 2)
  expect((await list([{ timestamp: 1001 }]))[0]).toMatchObject({ offset: 1 })
})

test('a new leader behind the start of its epoch: OFFSET_NOT_AVAILABLE, before v5 LEADER_NOT_AVAILABLE', async () => {
  await broker.createTopic('t', { partitions: [[1, 2]] })
  await produce(['a', 'b'], 1000)
  await broker.createTopic('t', { partitions: [[1, 2]], leaderEpoch: 1 })
  expect((await list([{}], { version: 5 }))[0]!.errorCode).toBe(ErrorCode.OFFSET_NOT_AVAILABLE)
  expect((await list([{}], { version: 4 }))[0]!.errorCode).toBe(ErrorCode.LEADER_NOT_AVAILABLE)
  expect((await list([{ timestamp: -2 }]))[0]!.errorCode).toBe(ErrorCode.NONE)
  broker.partitions
    .hosted('t', 0)!
    .onFollowerFetch({ brokerId: 2, brokerEpoch: -1, fetchOffset: 2, logStartOffset: 0 }, 2)
  expect((await list([{}]))[0]).toMatchObject({ errorCode: ErrorCode.NONE, offset: 2 })
})

test('not here: UNKNOWN_TOPIC_OR_PARTITION; elsewhere: NOT_LEADER_OR_FOLLOWER', async () => {
  expect((await list([{}]))[0]!.errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
  await broker.createTopic('t', { partitions: [[2]] })
  expect((await list([{}]))[0]!.errorCode).toBe(ErrorCode.NOT_LEADER_OR_FOLLOWER)
})

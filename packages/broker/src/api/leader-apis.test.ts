import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { ErrorCode } from '@millrace/protocol/errors'
import { produceRequest, produceResponse } from '@millrace/protocol/messages/00-produce'
import {
  deleteRecordsRequest,
  deleteRecordsResponse,
  type DeleteRecordsPartitionResult,
} from '@millrace/protocol/messages/21-delete-records'
import {
  offsetForLeaderEpochRequest,
  offsetForLeaderEpochResponse,
} from '@millrace/protocol/messages/23-offset-for-leader-epoch'
import { describeLogDirsRequest, describeLogDirsResponse } from '@millrace/protocol/messages/35-describe-log-dirs'
import { describeClusterRequest, describeClusterResponse } from '@millrace/protocol/messages/60-describe-cluster'
import { describeProducersRequest, describeProducersResponse } from '@millrace/protocol/messages/61-describe-producers'
import { emptyOf } from '@millrace/protocol/schema'
import { LoneBroker } from '@millrace/testing/data-path/lone-broker'
import { batchOf, produceOf } from '@millrace/testing/data-path/requests'
import type { BatchOptions } from '@millrace/protocol/records/batch-builder'

// The small ones: DeleteRecords, OffsetForLeaderEpoch, DescribeLogDirs, DescribeCluster, DescribeProducers.

let broker: LoneBroker

beforeEach(async () => {
  broker = await LoneBroker.open()
})
afterEach(() => broker.close())

async function produce(values: readonly string[], options: BatchOptions = {}): Promise<void> {
  await broker.request(produceRequest, produceResponse, 11, produceOf('t', batchOf(values, options), { acks: 1 }))
}

describe('DeleteRecords', () => {
  async function deleteBefore(offset: number, timeoutMs = 1000): Promise<DeleteRecordsPartitionResult> {
    const request = { topics: [{ name: 't', partitions: [{ partitionIndex: 0, offset }] }], timeoutMs }
    const response = await broker.request(deleteRecordsRequest, deleteRecordsResponse, 2, request)
    return response.topics[0]!.partitions[0]!
  }

  test('an offset, then -1: the log start moves, and never back', async () => {
    await broker.createTopic('t')
    await produce(['a', 'b', 'c'])
    expect(await deleteBefore(2)).toMatchObject({ errorCode: ErrorCode.NONE, lowWatermark: 2 })
    expect(await deleteBefore(1)).toMatchObject({ errorCode: ErrorCode.NONE, lowWatermark: 2 })
    expect(await deleteBefore(-1)).toMatchObject({ errorCode: ErrorCode.NONE, lowWatermark: 3 })
    expect(broker.logs.get('t', 0)!.logStartOffset).toBe(3)
  })

  test('beyond the high watermark, or negative: OFFSET_OUT_OF_RANGE', async () => {
    await broker.createTopic('t')
    await produce(['a'])
    for (const offset of [2, -2]) {
      expect(await deleteBefore(offset)).toMatchObject({ errorCode: ErrorCode.OFFSET_OUT_OF_RANGE, lowWatermark: -1 })
    }
  })

  test('a compacted topic: POLICY_VIOLATION; a topic elsewhere: NOT_LEADER_OR_FOLLOWER', async () => {
    await broker.createTopic('t', { config: { 'cleanup.policy': 'compact' } })
    expect((await deleteBefore(0)).errorCode).toBe(ErrorCode.POLICY_VIOLATION)
    await broker.createTopic('t', { partitions: [[2, 1]], leaderEpoch: 1 })
    expect((await deleteBefore(0)).errorCode).toBe(ErrorCode.NOT_LEADER_OR_FOLLOWER)
  })

  test('a live follower that does not follow: REQUEST_TIMED_OUT', async () => {
    await broker.setLive(2)
    await broker.createTopic('t', { partitions: [[1, 2]] })
    await produce(['a', 'b'])
    broker.partitions
      .hosted('t', 0)!
      .onFollowerFetch({ brokerId: 2, brokerEpoch: -1, fetchOffset: 2, logStartOffset: 0 }, 2)
    expect(await deleteBefore(1, 20)).toMatchObject({ errorCode: ErrorCode.REQUEST_TIMED_OUT, lowWatermark: -1 })
    broker.partitions
      .hosted('t', 0)!
      .onFollowerFetch({ brokerId: 2, brokerEpoch: -1, fetchOffset: 2, logStartOffset: 1 }, 2)
    expect(await deleteBefore(1, 20)).toMatchObject({ errorCode: ErrorCode.NONE, lowWatermark: 1 })
  })
})

test('OffsetForLeaderEpoch: ends of epochs, fenced and unknown requests', async () => {
  await broker.createTopic('t', { leaderEpoch: 1 })
  await produce(['a', 'b'])
  await broker.createTopic('t', { leaderEpoch: 4 })
  await produce(['c'])
  const ask = async (leaderEpoch: number, currentLeaderEpoch = -1, partition = 0): Promise<number[]> => {
    const response = await broker.request(offsetForLeaderEpochRequest, offsetForLeaderEpochResponse, 4, {
      replicaId: -2,
      topics: [{ topic: 't', partitions: [{ partition, currentLeaderEpoch, leaderEpoch }] }],
    })
    const row = response.topics[0]!.partitions[0]!
    return [row.errorCode, row.leaderEpoch, row.endOffset]
  }
  expect(await ask(4)).toEqual([0, 4, 3])
  expect(await ask(3)).toEqual([0, 1, 2])
  expect(await ask(1)).toEqual([0, 1, 2])
  expect(await ask(0)).toEqual([0, 0, 0])
  expect(await ask(5)).toEqual([0, -1, -1])
  expect(await ask(4, 3)).toEqual([ErrorCode.FENCED_LEADER_EPOCH, -1, -1])
  expect(await ask(4, 5)).toEqual([ErrorCode.UNKNOWN_LEADER_EPOCH, -1, -1])
  expect(await ask(4, -1, 9)).toEqual([ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1, -1])
})

test('DescribeLogDirs: all replicas, or those asked for, with sizes', async () => {
  await broker.createTopic('t', { partitions: [[1], [1]] })
  await broker.createTopic('u')
  await produce(['a'])
  const ask = async (topics: { topic: string; partitions: number[] }[] | null): Promise<unknown> => {
    const { errorCode, results } = await broker.request(describeLogDirsRequest, describeLogDirsResponse, 4, { topics })
    expect(errorCode).toBe(ErrorCode.NONE)
    const [{ topics: held, totalBytes, usableBytes }] = results as [(typeof results)[number]]
    expect(totalBytes).toBeGreaterThanOrEqual(usableBytes)
    const rows = held.flatMap(({ name, partitions }) =>
      partitions.map(({ partitionIndex, partitionSize, offsetLag }) => [
        name,
        partitionIndex,
        partitionSize,
        offsetLag,
      ]),
    )
    return rows.sort((a, b) => (a.join() < b.join() ? -1 : 1))
  }
  const size = batchOf(['a']).length
  expect(await ask(null)).toEqual([
    ['t', 0, size, 0],
    ['t', 1, 0, 0],
    ['u', 0, 0, 0],
  ])
  expect(await ask([{ topic: 't', partitions: [0, 5] }])).toEqual([['t', 0, size, 0]])
})

describe('DescribeCluster', () => {
  test('brokers and controller', async () => {
    await broker.setLive(2)
    const request = { ...emptyOf(describeClusterRequest), includeClusterAuthorizedOperations: true }
    const response = await broker.request(describeClusterRequest, describeClusterResponse, 1, request)
    expect(response).toMatchObject({
      errorCode: ErrorCode.NONE,
      clusterId: 'lone-cluster',
      controllerId: 1,
      clusterAuthorizedOperations: 8096,
    })
    expect(response.brokers.map(({ brokerId, port }) => [brokerId, port])).toEqual([
      [1, 9092],
      [2, 9093],
    ])
  })
  test('of controllers: MISMATCHED_ENDPOINT_TYPE; of anything else: UNSUPPORTED_ENDPOINT_TYPE', async () => {
    const ask = async (endpointType: number): Promise<number> => {
      const request = { includeClusterAuthorizedOperations: false, endpointType }
      return (await broker.request(describeClusterRequest, describeClusterResponse, 1, request)).errorCode
    }
    expect(await ask(2)).toBe(ErrorCode.MISMATCHED_ENDPOINT_TYPE)
    expect(await ask(0)).toBe(ErrorCode.UNSUPPORTED_ENDPOINT_TYPE)
  })
})

test('DescribeProducers: who wrote, with epoch and sequence', async () => {
  await broker.createTopic('t')
  await produce(['a', 'b'], { producerId: 77, producerEpoch: 3, baseSequence: 5 })
  const request = { topics: [{ name: 't', partitionIndexes: [0, 4] }] }
  const response = await broker.request(describeProducersRequest, describeProducersResponse, 0, request)
  expect(response.topics[0]!.partitions).toEqual([
    {
      partitionIndex: 0,
      errorCode: ErrorCode.NONE,
      errorMessage: null,
      activeProducers: [
        {
          producerId: 77,
          producerEpoch: 3,
          lastSequence: 6,
          lastTimestamp: 1_700_000_000_001,
          coordinatorEpoch: expect.any(Number),
          currentTxnStartOffset: -1,
        },
      ],
    },
    expect.objectContaining({
      partitionIndex: 4,
      errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
      activeProducers: [],
    }),
  ])
})

test('DescribeProducers: a follower is asked: it answers of its own log', async () => {
  await broker.createTopic('t')
  await produce(['a', 'b'], { producerId: 77, producerEpoch: 3, baseSequence: 5 })
  await broker.createTopic('t', { partitions: [[2, 1]], leaderEpoch: 1 })
  await broker.createTopic('elsewhere', { partitions: [[2]] })
  const topics = ['t', 'elsewhere'].map(name => ({ name, partitionIndexes: [0] }))
  const response = await broker.request(describeProducersRequest, describeProducersResponse, 0, { topics })
  expect(response.topics.map(({ partitions }) => partitions[0])).toMatchObject([
    { errorCode: ErrorCode.NONE, activeProducers: [{ producerId: 77, lastSequence: 6 }] },
    { errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER, activeProducers: [] },
  ])
})

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { ErrorCode } from '@millrace/protocol/errors'
import {
  metadataRequest,
  metadataResponse,
  type MetadataRequest,
  type MetadataResponse,
} from '@millrace/protocol/messages/03-metadata'
import { ZERO_UUID } from '@millrace/protocol/schema'
import { LoneBroker } from '@millrace/testing/data-path/lone-broker'

let broker: LoneBroker

beforeEach(async () => {
  broker = await LoneBroker.open()
})
afterEach(() => broker.close())

function ask(
  topics: readonly { name?: string | null; topicId?: string }[] | null,
  changes: Partial<MetadataRequest> = {},
  version = 12,
): Promise<MetadataResponse> {
  return broker.request(metadataRequest, metadataResponse, version, {
    topics: topics?.map(({ name = null, topicId = ZERO_UUID }) => ({ name, topicId })) ?? null,
    allowAutoTopicCreation: true,
    includeClusterAuthorizedOperations: false,
    includeTopicAuthorizedOperations: false,
    ...changes,
  })
}

const topicId = 'abcdefghijklmnopqrstuA'
const named = (response: MetadataResponse): [string | null, number][] =>
  response.topics.map(({ name, errorCode }): [string | null, number] => [name, errorCode]).sort(byName)

const byName = ([a]: [string | null, number], [b]: [string | null, number]): number => ((a ?? '') < (b ?? '') ? -1 : 1)

test('the controller has not spoken to this broker yet: the answer waits for its word', async () => {
  let say = (): void => {}
  broker.firstWord = new Promise(resolve => (say = resolve))
  const answer = ask([{ name: 'a' }], { allowAutoTopicCreation: false })
  await broker.createTopic('a')
  say()
  expect(named(await answer)).toEqual([['a', 0]])
})

describe('which topics', () => {
  beforeEach(async () => {
    await broker.createTopic('a', { topicId })
    await broker.createTopic('b')
  })

  test('v1 and up: null means all, an empty list none', async () => {
    expect(named(await ask(null, {}, 1))).toEqual([
      ['a', 0],
      ['b', 0],
    ])
    expect(named(await ask([], {}, 1))).toEqual([])
  })

  test('v0: an empty list means all', async () => {
    expect(named(await ask([], {}, 0))).toEqual([
      ['a', 0],
      ['b', 0],
    ])
  })

  test('by name, twice: once in the answer', async () => {
    expect(named(await ask([{ name: 'a' }, { name: 'a' }]))).toEqual([['a', 0]])
  })

  test('v12 by id: found with its name; unknown ids: UNKNOWN_TOPIC_ID without one', async () => {
    const response = await ask([{ topicId }, { topicId: 'zzzzzzzzzzzzzzzzzzzzzA' }])
    expect(response.topics.map(({ name, topicId: id, errorCode }) => [name, id, errorCode])).toEqual([
      ['a', topicId, ErrorCode.NONE],
      [null, 'zzzzzzzzzzzzzzzzzzzzzA', ErrorCode.UNKNOWN_TOPIC_ID],
    ])
  })

  test('v10 and v11 with ids or without names: INVALID_REQUEST for every topic', async () => {
    for (const version of [10, 11]) {
      const response = await ask([{ name: 'a', topicId }, { name: 'b' }], {}, version)
      expect(named(response)).toEqual([
        ['a', ErrorCode.INVALID_REQUEST],
        ['b', ErrorCode.INVALID_REQUEST],
      ])
      const nameless = await ask([{ name: null }], {}, version)
      expect(named(nameless)).toEqual([['', ErrorCode.INVALID_REQUEST]])
    }
  })
})

describe('topics of which the controller has not told yet', () => {
  beforeEach(async () => {
    await broker.createTopic('told')
    broker.metadata.expect(['told', 'untold'])
  })

  test('by name, and among all: LEADER_NOT_AVAILABLE, never created', async () => {
    expect(named(await ask([{ name: 'told' }, { name: 'untold' }]))).toEqual([
      ['told', ErrorCode.NONE],
      ['untold', ErrorCode.LEADER_NOT_AVAILABLE],
    ])
    expect(named(await ask(null))).toEqual([
      ['told', ErrorCode.NONE],
      ['untold', ErrorCode.LEADER_NOT_AVAILABLE],
    ])
    expect(broker.wantedTopics).toEqual([])
  })

  test('once it has: as any other', async () => {
    await broker.createTopic('untold')
    expect(named(await ask([{ name: 'untold' }]))).toEqual([['untold', ErrorCode.NONE]])
  })
})

describe('creation on request', () => {
  test('a new topic: created, LEADER_NOT_AVAILABLE this time', async () => {
    expect(named(await ask([{ name: 'new' }]))).toEqual([['new', ErrorCode.LEADER_NOT_AVAILABLE]])
    expect(broker.wantedTopics).toEqual(['new'])
  })

  test('the client does not want it: UNKNOWN_TOPIC_OR_PARTITION, bad names INVALID_TOPIC_EXCEPTION', async () => {
    const response = await ask([{ name: 'new' }, { name: 'bad/name' }], { allowAutoTopicCreation: false })
    expect(named(response)).toEqual([
      ['bad/name', ErrorCode.INVALID_TOPIC_EXCEPTION],
      ['new', ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
    ])
    expect(broker.wantedTopics).toEqual([])
  })

  test('the broker does not want it: auto.create.topics.enable=false', async () => {
    const strict = await LoneBroker.open({ 'auto.create.topics.enable': 'false' })
    try {
      const request = {
        topics: [{ name: 'new', topicId: ZERO_UUID }],
        allowAutoTopicCreation: true,
        includeClusterAuthorizedOperations: false,
        includeTopicAuthorizedOperations: false,
      }
      const response = await strict.request(metadataRequest, metadataResponse, 12, request)
      expect(named(response)).toEqual([['new', ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]])
      expect(strict.wantedTopics).toEqual([])
    } finally {
      await strict.close()
    }
  })
})

describe('partitions', () => {
  test('leader alive: NONE; leader gone or none: LEADER_NOT_AVAILABLE without it', async () => {
    await broker.setLive(2)
    await broker.createTopic('t', { partitions: [[1, 2], [2, 1], [3]], leaderEpoch: 4 })
    const response = await ask([{ name: 't' }])
    expect(
      response.topics[0]!.partitions.map(
        ({ partitionIndex, errorCode, leaderId, leaderEpoch, replicaNodes, isrNodes }) => ({
          partitionIndex,
          errorCode,
          leaderId,
          leaderEpoch,
          replicaNodes,
          isrNodes,
        }),
      ),
    ).toEqual([
      { partitionIndex: 0, errorCode: 0, leaderId: 1, leaderEpoch: 4, replicaNodes: [1, 2], isrNodes: [1, 2] },
      { partitionIndex: 1, errorCode: 0, leaderId: 2, leaderEpoch: 4, replicaNodes: [2, 1], isrNodes: [2, 1] },
      {
        partitionIndex: 2,
        errorCode: ErrorCode.LEADER_NOT_AVAILABLE,
        leaderId: -1,
        leaderEpoch: 4,
        replicaNodes: [3],
        isrNodes: [3],
      },
    ])
  })

  test('v0: an unreachable replica is left out, and is an error', async () => {
    await broker.createTopic('t', { partitions: [[1, 2]] })
    const response = await ask([{ name: 't' }], {}, 0)
    expect(response.topics[0]!.partitions[0]).toMatchObject({
      errorCode: ErrorCode.REPLICA_NOT_AVAILABLE,
      leaderId: 1,
      replicaNodes: [1],
      isrNodes: [1],
    })
  })
})

describe('cluster', () => {
  test.each([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])('v%d: brokers of this listener', async version => {
    await broker.setLive(2)
    await broker.createTopic('t')
    const response = await ask([{ name: 't' }], {}, version)
    expect(response.brokers.map(({ nodeId, host, port }) => [nodeId, host, port])).toEqual([
      [1, '127.0.0.1', 9092],
      [2, '127.0.0.1', 9093],
    ])
    expect(response.clusterId).toBe(version >= 2 ? 'lone-cluster' : null)
    expect(response.controllerId).toBe(version >= 1 ? 1 : -1)
  })

  test('authorized operations: everything, when asked for', async () => {
    await broker.createTopic('t')
    const wish = { includeClusterAuthorizedOperations: true, includeTopicAuthorizedOperations: true }
    const asked = await ask([{ name: 't' }], wish, 8)
    expect(asked.clusterAuthorizedOperations).toBe(8096)
    expect(asked.topics[0]!.topicAuthorizedOperations).toBe(3576)
    // As Kafka does, of every name that was asked for; kafka-python decodes the field before it looks at the error.
    const absent = await ask([{ name: 'absent' }], { ...wish, allowAutoTopicCreation: false }, 8)
    expect(absent.topics).toMatchObject([
      { errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, topicAuthorizedOperations: 3576 },
    ])
    const notAsked = await ask([{ name: 't' }], {}, 8)
    expect(notAsked.clusterAuthorizedOperations).toBe(-2147483648)
    expect(notAsked.topics[0]!.topicAuthorizedOperations).toBe(-2147483648)
  })

  test('internal topics are marked', async () => {
    await broker.createTopic('__consumer_offsets')
    await broker.createTopic('t')
    const response = await ask([{ name: '__consumer_offsets' }, { name: 't' }])
    expect(response.topics.map(({ isInternal }) => isInternal)).toEqual([true, false])
  })
})

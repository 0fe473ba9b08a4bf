import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { codec } from '@millrace/protocol/codec'
import { ErrorCode, errorName } from '@millrace/protocol/errors'
import { decodeResponseHeader } from '@millrace/protocol/header'
import {
  controlledShutdownRequest,
  controlledShutdownResponse,
} from '@millrace/protocol/messages/07-controlled-shutdown'
import { electLeadersRequest, electLeadersResponse } from '@millrace/protocol/messages/43-elect-leaders'
import {
  alterPartitionReassignmentsRequest,
  alterPartitionReassignmentsResponse,
} from '@millrace/protocol/messages/45-alter-partition-reassignments'
import {
  listPartitionReassignmentsRequest,
  listPartitionReassignmentsResponse,
} from '@millrace/protocol/messages/46-list-partition-reassignments'
import {
  alterPartitionRequest,
  alterPartitionResponse,
  type AlterPartitionResponsePartitionData,
} from '@millrace/protocol/messages/56-alter-partition'
import { Reader } from '@millrace/protocol/reader'
import { emptyOf, type Message } from '@millrace/protocol/schema'
import { Writer } from '@millrace/protocol/writer'
import { InvariantViolation } from '@millrace/runtime/invariant'
import { silentLogger } from '@millrace/runtime/logger'
import { ControllerCluster, type ControlledBroker } from '@millrace/testing/controller/controller-cluster'
import { topicZnode } from '../metadata/znodes.ts'
import controlledShutdown from './07-controlled-shutdown.ts'
import electLeaders from './43-elect-leaders.ts'
import alterPartitionReassignments from './45-alter-partition-reassignments.ts'
import listPartitionReassignments from './46-list-partition-reassignments.ts'
import alterPartition from './56-alter-partition.ts'
import { Dispatcher } from './dispatch.ts'
import type { Handler, RequestContext } from './handler.ts'
import { Request } from './request.ts'
import type { TopicServices } from './topic-services.ts'

type Services = Pick<TopicServices, 'controller' | 'metadata'>

const topicId = 'AAAAAAAAAAAAAAAAAAAAAQ'
let cluster: ControllerCluster
let first: ControlledBroker
let second: ControlledBroker

/** Brokers 1 (the controller) to 3; t-0 on 1, 2 and t-1 on 2, 1. */
beforeEach(async () => {
  cluster = new ControllerCluster()
  first = await cluster.start(1)
  second = await cluster.start(2)
  await cluster.start(3)
  const partitions = new Map([
    [0, [1, 2]],
    [1, [2, 1]],
  ])
  const value = { topicId, partitions, addingReplicas: new Map(), removingReplicas: new Map() }
  await cluster.world.during(first.client.create(topicZnode.path('t'), topicZnode.encode(value)))
  await cluster.settle()
})
afterEach(() => cluster.close())

/** Through bytes on both ways, as `version`; time goes on until the answer is there. */
async function ask<Q, R>(
  handler: Handler<Services>,
  rows: { readonly request: Message<Q>; readonly response: Message<R>; readonly version: number },
  value: Partial<Q>,
  broker: ControlledBroker = first,
): Promise<R> {
  const { request, response, version: apiVersion } = rows
  const writer = new Writer()
  codec(request, apiVersion).encode(writer, { ...emptyOf(request), ...value })
  const context = { apiKey: request.apiKey, apiVersion, correlationId: 7 } as RequestContext
  const services = { controller: broker.controller, metadata: broker.metadata }
  const running = Promise.resolve(handler.run(new Reader(writer.finish()), context, services))
  const answer = await cluster.world.during(running)
  await cluster.settle()
  if (typeof answer === 'symbol' || answer.kind !== 'parts') throw new Error('no answer')
  const frame = new Reader(Buffer.concat(answer.parts).subarray(4))
  expect(decodeResponseHeader(frame, context)).toBe(7)
  const decoded = codec(response, apiVersion).decode(frame)
  expect(frame.remaining).toBe(0)
  return decoded
}

describe('AlterPartition', () => {
  const rows = { request: alterPartitionRequest, response: alterPartitionResponse }

  const propose = async (
    version: number,
    ids: readonly number[],
    changes: { leaderEpoch?: number; partitionIndex?: number; topicId?: string; topicName?: string } = {},
  ): Promise<AlterPartitionResponsePartitionData & { topicId: string; topicName: string }> => {
    const { leaderEpoch = 0, partitionIndex = 0 } = changes
    const newIsrWithEpochs = ids.map(brokerId => ({
      brokerId,
      brokerEpoch: cluster.brokers.get(brokerId)?.epoch ?? -1,
    }))
    const partition = {
      partitionIndex,
      leaderEpoch,
      newIsr: version < 3 ? [...ids] : [],
      newIsrWithEpochs: version < 3 ? [] : newIsrWithEpochs,
      leaderRecoveryState: 0,
      partitionEpoch: 0,
    }
    const topics = [{ topicName: 't', topicId, ...changes, partitions: [partition] }]
    const answer = await ask(alterPartition, { ...rows, version }, { brokerId: 1, brokerEpoch: first.epoch, topics })
    expect(answer.errorCode).toBe(ErrorCode.NONE)
    const { partitions, ...topic } = answer.topics[0]!
    return { topicId: topic.topicId, topicName: topic.topicName, ...partitions[0]! }
  }

  for (const version of [0, 1, 2, 3]) {
    test(`v${version}: what is stored now, the topic by ${version >= 2 ? 'id' : 'name'}`, async () => {
      expect(await propose(version, [1])).toMatchObject({
        ...(version >= 2 ? { topicId } : { topicName: 't' }),
        partitionIndex: 0,
        errorCode: 0,
        leaderId: 1,
        leaderEpoch: 0,
        isr: [1],
        leaderRecoveryState: 0,
        partitionEpoch: 1,
      })
      for (const { metadata } of cluster.brokers.values()) {
        expect(metadata.partition('t', 0)).toMatchObject({ inSyncReplicas: [1], partitionEpoch: 1 })
      }
    })

    test(`v${version}: member without a replica: ${version >= 2 ? 'INELIGIBLE_REPLICA' : 'OPERATION_NOT_ATTEMPTED'}`, async () => {
      const { errorCode } = await propose(version, [1, 3])
      expect(errorName(errorCode)).toBe(version >= 2 ? 'INELIGIBLE_REPLICA' : 'OPERATION_NOT_ATTEMPTED')
    })

    test(`v${version}: unknown topic: ${version >= 2 ? 'UNKNOWN_TOPIC_ID' : 'UNKNOWN_TOPIC_OR_PARTITION'}`, async () => {
      const { errorCode } = await propose(version, [1], { topicName: 'x', topicId: 'AAAAAAAAAAAAAAAAAAAAAx' })
      expect(errorName(errorCode)).toBe(version >= 2 ? 'UNKNOWN_TOPIC_ID' : 'UNKNOWN_TOPIC_OR_PARTITION')
    })
  }

  test('v3: a member that has restarted since: INELIGIBLE_REPLICA; with -1 it is taken', async () => {
    const at = async (brokerEpoch: number): Promise<string> => {
      const newIsrWithEpochs = [
        { brokerId: 1, brokerEpoch: -1 },
        { brokerId: 2, brokerEpoch },
      ]
      // Led by 1 at the same ISR in another order: not a repetition.
      const { partitionEpoch, leaderEpoch } = first.metadata.partition('t', 0)!
      const rest = { partitionIndex: 0, leaderEpoch, newIsr: [], leaderRecoveryState: 0, partitionEpoch }
      const topics = [{ topicName: '', topicId, partitions: [{ ...rest, newIsrWithEpochs }] }]
      const sender = { brokerId: 1, brokerEpoch: first.epoch }
      const answer = await ask(alterPartition, { ...rows, version: 3 }, { ...sender, topics })
      return errorName(answer.topics[0]!.partitions[0]!.errorCode)
    }
    expect((await propose(3, [1])).errorCode).toBe(0)
    expect(await at(second.epoch - 1)).toBe('INELIGIBLE_REPLICA')
    expect(await at(-1)).toBe('NONE')
  })

  test('sender not registered so: STALE_BROKER_EPOCH; not the controller: NOT_CONTROLLER', async () => {
    const stale = await ask(alterPartition, { ...rows, version: 3 }, { brokerId: 1, brokerEpoch: first.epoch - 1 })
    expect(stale).toMatchObject({ errorCode: ErrorCode.STALE_BROKER_EPOCH, topics: [] })
    const sender = { brokerId: 1, brokerEpoch: first.epoch }
    const elsewhere = await ask(alterPartition, { ...rows, version: 3 }, sender, second)
    expect(elsewhere).toMatchObject({ errorCode: ErrorCode.NOT_CONTROLLER, topics: [] })
  })
})

describe('ControlledShutdown', () => {
  const rows = { request: controlledShutdownRequest, response: controlledShutdownResponse }

  for (const version of [0, 1, 2, 3]) {
    test(`v${version}: handed over; ${version >= 2 ? 'an old epoch is refused' : 'no epoch to check'}`, async () => {
      const stale = await ask(controlledShutdown, { ...rows, version }, { brokerId: 2, brokerEpoch: second.epoch - 1 })
      expect(errorName(stale.errorCode)).toBe(version >= 2 ? 'STALE_BROKER_EPOCH' : 'NONE')
      const answer = await ask(controlledShutdown, { ...rows, version }, { brokerId: 2, brokerEpoch: second.epoch })
      expect(answer).toEqual({ errorCode: 0, remainingPartitions: [] })
      expect(first.metadata.partition('t', 1)).toMatchObject({ leader: 1, inSyncReplicas: [1] })
    })
  }

  test('nobody to hand over to: what it still leads', async () => {
    await cluster.kill(2)
    const answer = await ask(controlledShutdown, { ...rows, version: 3 }, { brokerId: 1, brokerEpoch: first.epoch })
    expect(answer.errorCode).toBe(0)
    expect(answer.remainingPartitions).toEqual([
      { topicName: 't', partitionIndex: 0 },
      { topicName: 't', partitionIndex: 1 },
    ])
  })

  test('v0: a header without client id, as only this request has it', async () => {
    const frame = Buffer.alloc(12)
    frame.writeInt16BE(7, 0)
    frame.writeInt16BE(0, 2)
    frame.writeInt32BE(99, 4)
    frame.writeInt32BE(2, 8)
    const dispatcher = new Dispatcher<Services>({
      handlers: new Map([[7, controlledShutdown]]),
      services: { controller: first.controller, metadata: first.metadata },
      logger: silentLogger,
      onInvariantViolation: (error: InvariantViolation) => {
        throw error
      },
    })
    const answered = new Promise<Request>(resolve => {
      const origin = { principal: 'User:ANONYMOUS', listener: 'INTERNAL', clientAddress: '', onAnswer: resolve }
      dispatcher.start(new Request(origin, false, 0), frame, 0, frame.length)
    })
    const { result } = await cluster.world.during(answered)
    if (result?.kind !== 'parts') throw new Error('no answer')
    // Length, correlation id, error code, no partitions.
    expect(Buffer.concat(result.parts).toString('hex')).toBe('0000000a00000063000000000000')
  })
})

describe('ElectLeaders', () => {
  const rows = { request: electLeadersRequest, response: electLeadersResponse }

  /** Broker 1 leads everything, and 2 is back in sync. */
  async function unbalance(): Promise<void> {
    await cluster.kill(2)
    second = await cluster.start(2)
    for (const partition of [0, 1]) {
      const { leaderEpoch, partitionEpoch } = first.metadata.partition('t', partition)!
      const inSyncReplicas = [1, 2].map(brokerId => ({ brokerId, brokerEpoch: -1 }))
      const proposal = { topic: { id: topicId }, partition, leaderEpoch, partitionEpoch, inSyncReplicas }
      const proposals = [{ ...proposal, leaderRecoveryState: 0 }]
      await cluster.world.during(first.controller.alterPartition({ brokerId: 1, brokerEpoch: first.epoch, proposals }))
    }
    await cluster.settle()
  }

  for (const version of [0, 1, 2]) {
    test(`v${version}: preferred leaders, asked for by name: each its own answer, when this broker knows it`, async () => {
      await unbalance()
      const topicPartitions = [{ topic: 't', partitions: [0, 1, 9] }]
      const answer = await ask(electLeaders, { ...rows, version }, { topicPartitions, timeoutMs: 1000 })
      const results = answer.replicaElectionResults[0]!.partitionResult
      expect(Object.fromEntries(results.map(each => [each.partitionId, errorName(each.errorCode)]))).toEqual({
        0: 'ELECTION_NOT_NEEDED',
        1: 'NONE',
        9: 'UNKNOWN_TOPIC_OR_PARTITION',
      })
      expect(first.metadata.partition('t', 1)?.leader).toBe(2)
    })

    test(`v${version}: all partitions: only those elected are answered`, async () => {
      await unbalance()
      const answer = await ask(electLeaders, { ...rows, version }, { topicPartitions: null, timeoutMs: 1000 })
      expect(answer.replicaElectionResults).toEqual([
        { topic: 't', partitionResult: [{ partitionId: 1, errorCode: 0, errorMessage: null }] },
      ])
    })

    test(`v${version}: not the controller: NOT_CONTROLLER`, async () => {
      const topicPartitions = [{ topic: 't', partitions: [0] }]
      const answer = await ask(electLeaders, { ...rows, version }, { topicPartitions }, second)
      const code = version === 0 ? answer.replicaElectionResults[0]!.partitionResult[0]!.errorCode : answer.errorCode
      expect(errorName(code)).toBe('NOT_CONTROLLER')
    })
  }

  test('unclean: the leader is down and nobody in sync is up: led by who is there', async () => {
    await cluster.kill(2)
    const third = cluster.brokers.get(3)!
    await cluster.kill(1)
    second = await cluster.start(2)
    expect(third.metadata.partition('t', 0)).toMatchObject({ leader: -1, inSyncReplicas: [1] })
    const topicPartitions = [{ topic: 't', partitions: [0] }]
    const asked = { electionType: 1, topicPartitions, timeoutMs: 1000 }
    const answer = await ask(electLeaders, { ...rows, version: 2 }, asked, cluster.active)
    expect(answer.replicaElectionResults[0]!.partitionResult[0]!.errorCode).toBe(0)
    expect(third.metadata.partition('t', 0)).toMatchObject({ leader: 2, inSyncReplicas: [2] })
  })

  test('an election type that there is not: INVALID_REQUEST', async () => {
    const answer = await ask(electLeaders, { ...rows, version: 2 }, { electionType: 2, topicPartitions: [] })
    expect(errorName(answer.errorCode)).toBe('INVALID_REQUEST')
  })
})

describe('reassignments', () => {
  const alterRows = {
    request: alterPartitionReassignmentsRequest,
    response: alterPartitionReassignmentsResponse,
    version: 0,
  }
  const listRows = {
    request: listPartitionReassignmentsRequest,
    response: listPartitionReassignmentsResponse,
    version: 0,
  }

  const alter = async (replicas: Record<number, number[] | null>): Promise<Record<number, string>> => {
    const partitions = Object.entries(replicas).map(([id, list]) => ({ partitionIndex: Number(id), replicas: list }))
    const answer = await ask(alterPartitionReassignments, alterRows, { topics: [{ name: 't', partitions }] })
    expect(answer.errorCode).toBe(0)
    const rows = answer.responses[0]!.partitions
    return Object.fromEntries(rows.map(row => [row.partitionIndex, errorName(row.errorCode)]))
  }

  test('begun, listed, given up', async () => {
    expect(await alter({ 0: [3, 2], 1: [7], 5: [1] })).toEqual({
      0: 'NONE',
      1: 'INVALID_REPLICA_ASSIGNMENT',
      5: 'UNKNOWN_TOPIC_OR_PARTITION',
    })
    const moving = { partitionIndex: 0, replicas: [3, 2, 1], addingReplicas: [3], removingReplicas: [1] }
    const listed = await ask(listPartitionReassignments, listRows, { topics: null })
    expect(listed).toMatchObject({ errorCode: 0, errorMessage: null, topics: [{ name: 't', partitions: [moving] }] })
    const other = await ask(listPartitionReassignments, listRows, { topics: [{ name: 't', partitionIndexes: [1] }] })
    expect(other.topics).toEqual([])
    expect(await alter({ 0: null, 1: null })).toEqual({ 0: 'NONE', 1: 'NO_REASSIGNMENT_IN_PROGRESS' })
    expect((await ask(listPartitionReassignments, listRows, { topics: null })).topics).toEqual([])
  })

  test('a partition that comes twice: its last word counts', async () => {
    const partitions = [
      { partitionIndex: 0, replicas: [3] },
      { partitionIndex: 0, replicas: [2, 1] },
    ]
    const answer = await ask(alterPartitionReassignments, alterRows, { topics: [{ name: 't', partitions }] })
    expect(answer.responses[0]!.partitions).toEqual([{ partitionIndex: 0, errorCode: 0, errorMessage: null }])
    expect(first.metadata.partition('t', 0)?.replicas).toEqual([2, 1])
  })

  test('not the controller: NOT_CONTROLLER', async () => {
    const altered = await ask(alterPartitionReassignments, alterRows, { topics: [] }, second)
    expect(altered).toMatchObject({ errorCode: ErrorCode.NOT_CONTROLLER, responses: [] })
    const listed = await ask(listPartitionReassignments, listRows, { topics: null }, second)
    expect(listed).toMatchObject({ errorCode: ErrorCode.NOT_CONTROLLER, topics: [] })
  })
})

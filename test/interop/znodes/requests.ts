import { ErrorCode } from '@millrace/protocol/errors'
import { produceRequest, produceResponse } from '@millrace/protocol/messages/00-produce'
import { createTopicsRequest, createTopicsResponse } from '@millrace/protocol/messages/19-create-topics'
import { deleteTopicsRequest, deleteTopicsResponse } from '@millrace/protocol/messages/20-delete-topics'
import { initProducerIdRequest, initProducerIdResponse } from '@millrace/protocol/messages/22-init-producer-id'
import { createPartitionsRequest, createPartitionsResponse } from '@millrace/protocol/messages/37-create-partitions'
import { electLeadersRequest, electLeadersResponse } from '@millrace/protocol/messages/43-elect-leaders'
import {
  alterPartitionReassignmentsRequest,
  alterPartitionReassignmentsResponse,
} from '@millrace/protocol/messages/45-alter-partition-reassignments'
import {
  incrementalAlterConfigsRequest,
  incrementalAlterConfigsResponse,
} from '@millrace/protocol/messages/44-incremental-alter-configs'
import { batchOf, produceOf } from '@millrace/testing/data-path/requests'
import { eventually } from '../../oracles/processes.ts'
import type { Side } from './side.ts'

export interface NewTopic {
  readonly name: string
  /** Per partition. */
  readonly replicas: readonly number[][]
  readonly firstPartition?: number
  readonly configs?: Readonly<Record<string, string>>
}
export async function create(
  side: Side,
  topics: readonly NewTopic[],
  { validateOnly = false, timeoutMs = 20_000 } = {},
): Promise<unknown> {
  const answer = await side.ask('controller', createTopicsRequest, createTopicsResponse, {
    topics: topics.map(({ name, replicas, firstPartition = 0, configs = {} }) => ({
      name,
      numPartitions: -1,
      replicationFactor: -1,
      assignments: replicas.map((brokerIds, i) => ({ partitionIndex: firstPartition + i, brokerIds })),
      configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
    })),
    timeoutMs,
    validateOnly,
  })
  return answer.topics
    .map(({ name, errorCode, numPartitions }) => ({ name, errorCode, numPartitions }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

export async function grow(
  side: Side,
  topics: { name: string; count: number; assignments: { brokerIds: number[] }[] | null }[],
): Promise<unknown> {
  const answer = await side.ask('controller', createPartitionsRequest, createPartitionsResponse, {
    topics,
    timeoutMs: 20_000,
    validateOnly: false,
  })
  return answer.results.map(({ name, errorCode }) => ({ name, errorCode })).sort((a, b) => (a.name < b.name ? -1 : 1))
}

export async function remove(side: Side, names: readonly string[], timeoutMs = 20_000): Promise<unknown> {
  const answer = await side.ask('controller', deleteTopicsRequest, deleteTopicsResponse, {
    topics: names.map(name => ({ name, topicId: 'AAAAAAAAAAAAAAAAAAAAAA' })),
    topicNames: [],
    timeoutMs,
  })
  return answer.responses
    .map(({ name, errorCode }) => ({ name, errorCode }))
    .sort((a, b) => (a.name! < b.name! ? -1 : 1))
}

export async function producerId(side: Side, id: number): Promise<number> {
  const request = { transactionalId: null, transactionTimeoutMs: 60_000, producerId: -1, producerEpoch: -1 }
  let answered = -1
  await eventually(async () => {
    const answer = await side.ask(id, initProducerIdRequest, initProducerIdResponse, request)
    answered = answer.producerId
    return answer.errorCode !== ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
  })
  return answered
}

export const topic = 2
export const broker = 4
interface Change {
  readonly name: string
  readonly configOperation: number
  readonly value: string | null
}
export const set = (name: string, value: string): Change => ({ name, configOperation: 0, value })
export const unset = (name: string): Change => ({ name, configOperation: 1, value: null })
export const append = (name: string, value: string): Change => ({ name, configOperation: 2, value })
export async function change(
  side: Side,
  to: number,
  resourceType: number,
  resourceName: string,
  configs: Change[],
): Promise<unknown> {
  const value = { resources: [{ resourceType, resourceName, configs }], validateOnly: false }
  const { responses } = await side.ask(to, incrementalAlterConfigsRequest, incrementalAlterConfigsResponse, value)
  return responses.map(each => ({ resourceName: each.resourceName, errorCode: each.errorCode }))
}

/** One record. `acks` 1: acknowledged by the leader alone; -1: by all that are in sync, so each of them has fetched. */
export async function produce(
  side: Side,
  leader: number,
  name: string,
  partition: number,
  acks: 1 | -1,
): Promise<unknown> {
  const request = produceOf(name, batchOf(['a record']), { partition, acks, timeoutMs: 10_000 })
  const { responses } = await side.ask(leader, produceRequest, produceResponse, request)
  return responses[0]!.partitionResponses[0]!.errorCode
}

/** Null: whatever is under way is cancelled. */
export async function reassign(
  side: Side,
  name: string,
  partition: number,
  replicas: number[] | null,
): Promise<unknown> {
  const topics = [{ name, partitions: [{ partitionIndex: partition, replicas }] }]
  const request = { timeoutMs: 20_000, allowReplicationFactorChange: true, topics }
  const answer = await side.ask(
    'controller',
    alterPartitionReassignmentsRequest,
    alterPartitionReassignmentsResponse,
    request,
  )
  return [answer.errorCode, answer.responses.flatMap(each => each.partitions.map(({ errorCode }) => errorCode))]
}

export async function electUncleanly(side: Side, name: string, partition: number): Promise<unknown> {
  const answer = await side.ask('controller', electLeadersRequest, electLeadersResponse, {
    electionType: 1,
    topicPartitions: [{ topic: name, partitions: [partition] }],
    timeoutMs: 20_000,
  })
  return answer.replicaElectionResults.flatMap(each => each.partitionResult.map(({ errorCode }) => errorCode))
}

import { errorName, ErrorCode } from '@millrace/protocol/errors'
import { produceRequest, produceResponse } from '@millrace/protocol/messages/00-produce'
import { fetchRequest, fetchResponse } from '@millrace/protocol/messages/01-fetch'
import { listOffsetsRequest, listOffsetsResponse } from '@millrace/protocol/messages/02-list-offsets'
import type { MetadataResponse } from '@millrace/protocol/messages/03-metadata'
import { createTopicsRequest, createTopicsResponse } from '@millrace/protocol/messages/19-create-topics'
import { readRecords } from '@millrace/protocol/records/record'
import { baseOffsetAt, batchSizeAt } from '@millrace/protocol/records/record-batch'
import { deleteTopicsRequest, deleteTopicsResponse } from '@millrace/protocol/messages/20-delete-topics'
import { emptyOf, type Message } from '@millrace/protocol/schema'
import { nodeWorld } from '@millrace/runtime/node/world'
import { batchOf, produceOf } from '../data-path/requests.ts'
import { BrokerLinks, type BrokerAddress } from './broker-links.ts'

/** One partition as some broker knows it. */
export interface KnownPartition {
  readonly leader: number
  readonly leaderEpoch: number
  readonly replicas: readonly number[]
  readonly inSyncReplicas: readonly number[]
}

export interface ProduceOutcome {
  readonly errorCode: ErrorCode
  readonly baseOffset: number
}

export interface ReadValue {
  readonly offset: number
  readonly value: string
}

const recordBytesMax = 50 * 1024 * 1024
const requestTimeoutMs = 15_000
/** Between two looks at something that is awaited. */
const lookAgainMs = 5

/**
 * A client for tests, bare on purpose: one request per call, no retry that was not asked for, no cache. What a broker answers is
 * what the test sees. `brokers` tells where the cluster is now; those that are down are skipped.
 */
export class ClusterClient {
  private readonly brokers: () => readonly BrokerAddress[]
  private readonly world = nodeWorld()
  private readonly links: BrokerLinks

  constructor(brokers: ClusterClient['brokers']) {
    this.brokers = brokers
    this.links = new BrokerLinks({
      ...{ brokers, world: this.world, clientId: 'test', connectTimeoutMs: 5000, requestTimeoutMs },
    })
  }

  async close(): Promise<void> {
    await this.links.close()
  }

  async createTopic(
    name: string,
    options: {
      readonly partitions?: number
      readonly replicas?: number
      readonly assignments?: readonly (readonly number[])[]
      readonly configs?: Readonly<Record<string, string>>
    },
  ): Promise<void> {
    const { partitions = 1, replicas = 3, assignments = [], configs = {} } = options
    const controllerId = await this.controllerId()
    const isAssigned = assignments.length > 0
    const response = await this.ask(controllerId, createTopicsRequest, createTopicsResponse, {
      ...emptyOf(createTopicsRequest),
      timeoutMs: requestTimeoutMs,
      topics: [
        {
          name,
          numPartitions: isAssigned ? -1 : partitions,
          replicationFactor: isAssigned ? -1 : replicas,
          assignments: assignments.map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds: [...brokerIds] })),
          configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
        },
      ],
    })
    const [topic] = response.topics
    if (topic?.errorCode !== 0) throw new Error(`${name}: ${errorName(topic?.errorCode ?? -1)} ${topic?.errorMessage}`)
  }

  /** Asks the controller once; resolves when it answered. */
  async deleteTopic(name: string): Promise<void> {
    const controllerId = await this.controllerId()
    const response = await this.ask(controllerId, deleteTopicsRequest, deleteTopicsResponse, {
      ...{ topics: [{ name, topicId: zeroTopicId }], topicNames: [name], timeoutMs: requestTimeoutMs },
    })
    const errorCode = response.responses[0]?.errorCode ?? -1
    if (errorCode !== 0) throw new Error(`${name}: ${errorName(errorCode)}`)
  }

  /** As the first broker that runs knows it. One that just started may not know yet. */
  private async controllerId(): Promise<number> {
    let id = -1
    await this.until('told of a controller', async () => {
      const { controllerId } = await this.metadata(null)
      id = controllerId
      return id >= 0
    })
    return id
  }

  /** As the first broker that runs knows it; null: of all topics. */
  async metadata(topic: string | null, brokerId?: number): Promise<MetadataResponse> {
    return this.links.metadata(topic, brokerId ?? this.brokers().find(({ isRunning }) => isRunning)?.id ?? -1)
  }

  /** As `brokerId` knows it, or the first broker that runs. */
  async partition(topic: string, partition: number, brokerId?: number): Promise<KnownPartition> {
    const { topics } = await this.metadata(topic, brokerId)
    const found = topics[0]?.partitions.find(({ partitionIndex }) => partitionIndex === partition)
    if (found === undefined) throw new Error(`${topic}-${partition} is not known`)
    const { leaderId: leader, leaderEpoch, replicaNodes: replicas, isrNodes: inSyncReplicas } = found
    return { leader, leaderEpoch, replicas, inSyncReplicas }
  }

  /** Once, to the leader that the metadata names (or `brokerId`). Rejects when that broker does not answer. */
  async produce(
    topic: string,
    partition: number,
    values: readonly string[],
    options: { readonly acks?: number; readonly timeoutMs?: number; readonly brokerId?: number } = {},
  ): Promise<ProduceOutcome> {
    const { acks = -1, timeoutMs = 5000 } = options
    const brokerId = options.brokerId ?? (await this.partition(topic, partition)).leader
    const request = produceOf(topic, batchOf(values), { partition, acks, timeoutMs })
    const { responses } = await this.ask(brokerId, produceRequest, produceResponse, request)
    const row = responses[0]?.partitionResponses[0]
    return { errorCode: (row?.errorCode ?? -1) as ErrorCode, baseOffset: row?.baseOffset ?? -1 }
  }

  /** Again and again until it is acknowledged: the values may be there more than once. Rejects after `withinMs`. */
  async produceUntilAcked(
    topic: string,
    partition: number,
    values: readonly string[],
    withinMs: number,
  ): Promise<{ readonly baseOffset: number; readonly attempts: number }> {
    let attempts = 0
    let baseOffset = -1
    const isAcked = async (): Promise<boolean> => {
      attempts++
      const outcome = await this.produce(topic, partition, values)
      baseOffset = outcome.baseOffset
      return outcome.errorCode === ErrorCode.NONE
    }
    await this.until(`acknowledged by ${topic}-${partition}`, isAcked, withinMs)
    return { baseOffset, attempts }
  }

  /** Everything that `brokerId` (default: the leader) shows to consumers from `fromOffset` on. */
  async readAll(
    topic: string,
    partition: number,
    options: { readonly brokerId?: number; readonly fromOffset?: number } = {},
  ): Promise<ReadValue[]> {
    const brokerId = options.brokerId ?? (await this.partition(topic, partition)).leader
    const values: ReadValue[] = []
    for (let fetchOffset = options.fromOffset ?? 0; ;) {
      const found = await this.fetch(topic, partition, brokerId, fetchOffset)
      if (found.length === 0) return values
      values.push(...found)
      fetchOffset = values.at(-1)!.offset + 1
    }
  }

  /** Where consumers of the partition end now. */
  async endOffset(topic: string, partition: number): Promise<number> {
    const { leader } = await this.partition(topic, partition)
    const row = { partitionIndex: partition, currentLeaderEpoch: -1, timestamp: -1, maxNumOffsets: 1 }
    const { topics } = await this.ask(leader, listOffsetsRequest, listOffsetsResponse, {
      ...emptyOf(listOffsetsRequest),
      topics: [{ name: topic, partitions: [row] }],
    })
    const found = topics[0]?.partitions[0]
    if (found?.errorCode !== 0) throw new Error(`${topic}-${partition}: ${errorName(found?.errorCode ?? -1)}`)
    return found.offset
  }

  /** Looks until `condition` holds; a broker that is not there, or does not know, is looked at again. Rejects after `withinMs`. */
  async until(what: string, condition: () => Promise<boolean>, withinMs = 10_000): Promise<void> {
    const { clock, timers } = this.world
    const endMs = clock.monotonicMs() + withinMs
    let last: unknown = null
    for (;;) {
      try {
        if (await condition()) return
        last = null
      } catch (error) {
        last = error
      }
      if (clock.monotonicMs() > endMs) throw new Error(`not ${what} within ${withinMs} ms`, { cause: last })
      await new Promise<void>(resolve => void timers.after(lookAgainMs, resolve))
    }
  }

  private async fetch(topic: string, partition: number, brokerId: number, fetchOffset: number): Promise<ReadValue[]> {
    const request = {
      ...emptyOf(fetchRequest),
      maxWaitMs: 0,
      minBytes: 1,
      maxBytes: recordBytesMax,
      topics: [{ topic, topicId: zeroTopicId, partitions: [{ ...askedPartition, partition, fetchOffset }] }],
    }
    const { responses } = await this.ask(brokerId, fetchRequest, fetchResponse, request, 12)
    const row = responses[0]?.partitions[0]
    if (row === undefined || row.errorCode !== 0) {
      throw new Error(`${topic}-${partition}: ${errorName(row?.errorCode ?? -1)} at ${fetchOffset}`)
    }
    const bytes = row.records ?? Buffer.alloc(0)
    const values: ReadValue[] = []
    for (let position = 0; position < bytes.length; position += batchSizeAt(bytes, position)) {
      const base = baseOffsetAt(bytes, position)
      readRecords(bytes, position, recordBytesMax).forEach((record, index) => {
        const offset = base + index
        if (offset >= fetchOffset) values.push({ offset, value: String(record.value) })
      })
    }
    return values
  }

  /** One request to this broker. Rejects when it is down or does not answer. */
  async ask<Q, R>(brokerId: number, request: Message<Q>, response: Message<R>, value: Q, version?: number): Promise<R> {
    return this.links.ask(brokerId, request, response, value, version === undefined ? {} : { version })
  }
}

const zeroTopicId = 'AAAAAAAAAAAAAAAAAAAAAA'
const askedPartition = {
  currentLeaderEpoch: -1,
  lastFetchedEpoch: -1,
  logStartOffset: -1,
  partitionMaxBytes: 1024 * 1024,
  replicaDirectoryId: zeroTopicId,
}

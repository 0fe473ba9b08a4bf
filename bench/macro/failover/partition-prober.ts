import { Connection } from '@millrace/client/connection/connection'
import { errorName } from '@millrace/protocol/errors'
import { produceRequest, produceResponse } from '@millrace/protocol/messages/00-produce'
import { metadataRequest, metadataResponse, type MetadataResponse } from '@millrace/protocol/messages/03-metadata'
import { electLeadersRequest, electLeadersResponse } from '@millrace/protocol/messages/43-elect-leaders'
import { createTopicsRequest, createTopicsResponse } from '@millrace/protocol/messages/19-create-topics'
import { emptyOf, ZERO_UUID, type Message } from '@millrace/protocol/schema'
import { nodeWorld } from '@millrace/runtime/node/world'
import { batchOf, produceOf } from '@millrace/testing/data-path/requests'
import { setTimeout as sleep } from 'node:timers/promises'

/** One partition under the eye of the prober. */
export interface ProbedPartition {
  readonly topic: string
  readonly index: number
  leader: number
  replicas: readonly number[]
  inSyncReplicas: readonly number[]
}

/** How long a probe waits before it tries again where it was refused. */
const retryMs = 5
/** Nobody asks for metadata more often. */
const leastBetweenLooksMs = 15

/**
 * Produces to many partitions of a cluster whose brokers come and go, as a client would that never gives up: acks=all, one record
 * a request, at most one request per partition under way; who was refused learns the leaders anew and tries again.
 */
export class PartitionProber {
  readonly #ports: readonly number[]
  readonly #world = nodeWorld()
  readonly #connections = new Map<number, Promise<Connection>>()
  readonly #batch = batchOf(['probe'])
  readonly #partitions = new Map<string, ProbedPartition>()
  #look: Promise<void> | null = null
  #lastLookMs = -Infinity
  /** Where the next look begins. */
  #askedFirst = 0
  /** What refused probes were told, for the curious. */
  readonly refusals = new Map<string, number>()

  /** `ports` of brokers 1, 2, … */
  constructor(ports: readonly number[]) {
    this.#ports = ports
  }

  partitionsOf(topic: string): ProbedPartition[] {
    return [...this.#partitions.values()].filter(partition => partition.topic === topic)
  }

  async close(): Promise<void> {
    const open = [...this.#connections.values()]
    this.#connections.clear()
    await Promise.allSettled(open.map(async connection => (await connection).close()))
  }

  /** Resolves with the moment (performance.now) of the first acknowledgement of a record that was sent after this call. */
  async untilAcked(partition: ProbedPartition, signal?: AbortSignal): Promise<number> {
    for (;;) {
      if (signal?.aborted === true) throw new Error('given up')
      const refusal = await this.#produce(partition)
      if (refusal === null) return performance.now()
      this.refusals.set(refusal, (this.refusals.get(refusal) ?? 0) + 1)
      await Promise.all([this.look(), sleep(retryMs)])
    }
  }

  /** Null: acknowledged; else why not. */
  async #produce(partition: ProbedPartition): Promise<string | null> {
    if (partition.leader < 0) return 'no leader'
    try {
      const connection = await this.#connectionTo(partition.leader)
      const request = produceOf(partition.topic, this.#batch, { partition: partition.index, timeoutMs: 30_000 })
      const { responses } = await connection.request(produceRequest, produceResponse, request)
      const errorCode = responses[0]?.partitionResponses[0]?.errorCode ?? -1
      return errorCode === 0 ? null : errorName(errorCode)
    } catch (error) {
      return (error as Error).name
    }
  }

  /** Learns leaders and in-sync replicas from any broker that answers. At most one look at a time, and not too often. */
  look(): Promise<void> {
    return (this.#look ??= this.#lookNow().finally(() => {
      this.#look = null
    }))
  }

  async #lookNow(): Promise<void> {
    await sleep(Math.max(0, this.#lastLookMs + leastBetweenLooksMs - performance.now()))
    this.#lastLookMs = performance.now()
    const topics = [...new Set([...this.#partitions.values()].map(({ topic }) => topic))]
    for (const _ of this.#ports) {
      const id = 1 + (this.#askedFirst % this.#ports.length)
      try {
        this.#take(await this.metadata(topics, id))
        return
      } catch {
        this.#askedFirst++
      }
    }
  }

  #take({ topics }: MetadataResponse): void {
    for (const { name, partitions } of topics) {
      for (const { partitionIndex: index, leaderId: leader, replicaNodes: replicas, isrNodes } of partitions) {
        const key = `${name}-${index}`
        const known = this.#partitions.get(key)
        if (known === undefined) {
          this.#partitions.set(key, { topic: name ?? '', index, leader, replicas, inSyncReplicas: isrNodes })
        } else Object.assign(known, { leader, replicas, inSyncReplicas: isrNodes })
      }
    }
  }

  async metadata(topics: readonly string[], brokerId: number): Promise<MetadataResponse> {
    return this.ask(brokerId, metadataRequest, metadataResponse, {
      ...emptyOf(metadataRequest),
      topics: topics.map(name => ({ name, topicId: ZERO_UUID })),
      allowAutoTopicCreation: false,
    })
  }

  /** Of the first broker that answers and knows one. */
  async controllerId(): Promise<number> {
    for (let attempt = 0; ; attempt++) {
      const id = 1 + (attempt % this.#ports.length)
      const controllerId = await this.metadata([], id).then(
        answer => answer.controllerId,
        () => -1,
      )
      if (controllerId >= 0) return controllerId
      if (attempt > 2_000) throw new Error('no controller')
      await sleep(10)
    }
  }

  /** One topic, its replicas in the given order; watched from now on. */
  async createTopic(name: string, assignments: readonly (readonly number[])[]): Promise<void> {
    const topic = {
      ...{ name, numPartitions: -1, replicationFactor: -1, configs: [] },
      assignments: assignments.map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds: [...brokerIds] })),
    }
    const request = { ...emptyOf(createTopicsRequest), timeoutMs: 60_000, topics: [topic] }
    const answer = await this.ask(await this.controllerId(), createTopicsRequest, createTopicsResponse, request)
    const { errorCode = -1, errorMessage = '' } = answer.topics[0] ?? {}
    if (errorCode !== 0) throw new Error(`${name}: ${errorName(errorCode)} ${errorMessage}`)
    this.#take(await this.metadata([name], 1))
  }

  /** Every partition is led by its first replica again, and every replica is in sync. Rejects after `withinMs`. */
  async restore(withinMs: number): Promise<void> {
    const endMs = performance.now() + withinMs
    for (;;) {
      await this.untilInSync(endMs - performance.now())
      if ([...this.#partitions.values()].every(({ replicas, leader }) => leader === replicas[0])) return
      const request = { ...emptyOf(electLeadersRequest), electionType: 0, topicPartitions: null, timeoutMs: 5_000 }
      await this.ask(await this.controllerId(), electLeadersRequest, electLeadersResponse, request).catch(() => {})
      await sleep(20)
    }
  }

  /** Every replica of every partition is in sync. Rejects after `withinMs`. */
  async untilInSync(withinMs: number): Promise<void> {
    const endMs = performance.now() + withinMs
    for (;;) {
      await this.look()
      const partitions = [...this.#partitions.values()]
      if (partitions.every(({ replicas, inSyncReplicas }) => inSyncReplicas.length === replicas.length)) return
      if (performance.now() > endMs) throw new Error(`not all in sync within ${Math.round(withinMs)} ms`)
    }
  }

  async ask<Q, R>(brokerId: number, request: Message<Q>, response: Message<R>, value: Q): Promise<R> {
    return (await this.#connectionTo(brokerId)).request(request, response, value)
  }

  #connectionTo(brokerId: number): Promise<Connection> {
    const known = this.#connections.get(brokerId)
    if (known !== undefined) return known
    const forget = (): void => {
      if (this.#connections.get(brokerId) === opening) this.#connections.delete(brokerId)
    }
    const opening: Promise<Connection> = Connection.open(
      {
        ...{ host: '127.0.0.1', port: this.#ports[brokerId - 1]!, clientId: 'prober', versions: 'negotiate' },
        ...{ connectTimeoutMs: 2_000, requestTimeoutMs: 60_000, inFlightMax: 100_000 },
        onClosed: forget,
      },
      this.#world,
    )
    opening.catch(forget)
    this.#connections.set(brokerId, opening)
    return opening
  }
}

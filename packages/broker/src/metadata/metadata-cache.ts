import type { UpdateMetadataRequest } from '@millrace/protocol/messages/06-update-metadata'
import type { Timer, Timers } from '@millrace/runtime/ports'

/** What the wire carries where a topic has no id, or the sender does not know it. */
export const noTopicId = 'AAAAAAAAAAAAAAAAAAAAAA'

/** The `leader` of a partition whose topic is being deleted. */
const leaderDuringDelete = -2

/** The controller's first word on topics names all that it knows; what it does not name soon after was deleted. */
const expectedForMs = 30_000

export interface PartitionMetadata {
  readonly topic: string
  readonly partition: number
  /** -1: nobody leads. */
  readonly leader: number
  readonly leaderEpoch: number
  /** Epoch of the controller that wrote this state. */
  readonly controllerEpoch: number
  /** Data version of the state znode. */
  readonly partitionEpoch: number
  readonly replicas: readonly number[]
  readonly inSyncReplicas: readonly number[]
  readonly offlineReplicas: readonly number[]
}

export interface BrokerEndpoint {
  readonly listener: string
  readonly host: string
  readonly port: number
  /** Kafka's number: 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL. */
  readonly securityProtocol: number
}

export interface AliveBroker {
  readonly id: number
  readonly rack: string | null
  /** By listener name. */
  readonly endpoints: ReadonlyMap<string, BrokerEndpoint>
}

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/** What one request changed. */
export interface MetadataChange {
  /** Every topic that the request named. */
  readonly topics: ReadonlySet<string>
  /** Partitions that the controller said are being deleted and that were known until now. */
  readonly removedPartitions: readonly TopicPartition[]
  readonly brokersChanged: boolean
  readonly controllerChanged: boolean
}

interface TopicEntry {
  /** Indexed by partition; a hole where only some partitions are known yet. */
  readonly partitions: (PartitionMetadata | undefined)[]
  known: number
}

interface Waiter {
  check(): void
  giveUp(): void
}

/**
 * What this broker knows of the cluster: exactly what the controller's UpdateMetadata requests said. Every question is
 * a map lookup. Whether a request may be applied at all (controller and broker epoch) is decided by its handler.
 */
export class MetadataCache {
  readonly #timers: Timers
  readonly #topics = new Map<string, TopicEntry>()
  readonly #idByTopic = new Map<string, string>()
  readonly #topicById = new Map<string, string>()
  readonly #listeners = new Set<(change: MetadataChange) => void>()
  readonly #waiters = new Set<Waiter>()
  #brokers: ReadonlyMap<number, AliveBroker> = new Map()
  #controllerId = -1
  /** Topics that exist, and of which the controller has not told yet. */
  readonly #expected = new Set<string>()
  /** Runs once, from the controller's first word on topics. */
  #forgetting: Timer | null = null

  constructor(timers: Timers) {
    this.#timers = timers
  }

  /**
   * Brokers and controller are replaced, partitions merge (a request without partitions leaves them alone); leader -2
   * removes a partition, and the topic with its last one. A zero topic id forgets the id that was known.
   */
  apply(request: UpdateMetadataRequest): MetadataChange {
    const brokers = new Map(request.liveBrokers.map(broker => [broker.id, aliveBroker(broker)]))
    const brokersChanged = !sameBrokers(this.#brokers, brokers)
    const controllerChanged = this.#controllerId !== request.controllerId
    this.#brokers = brokers
    this.#controllerId = request.controllerId

    const topics = new Set<string>()
    const removedPartitions: TopicPartition[] = []
    for (const state of request.topicStates) {
      topics.add(state.topicName)
      this.#setTopicId(state.topicName, state.topicId)
      for (const partition of state.partitionStates) this.#applyPartition(state.topicName, partition, removedPartitions)
    }
    // Before v5 the partitions are not grouped by topic.
    for (const partition of request.ungroupedPartitionStates) {
      topics.add(partition.topicName)
      this.#applyPartition(partition.topicName, partition, removedPartitions)
    }

    this.#noteTold(topics)
    const change = { topics, removedPartitions, brokersChanged, controllerChanged }
    for (const listener of [...this.#listeners]) listener(change)
    for (const waiter of [...this.#waiters]) waiter.check()
    return change
  }

  /**
   * Topics that ZooKeeper has. A broker that just started knows none of them, and may wait for a controller; to say meanwhile that they
   * do not exist would make clients drop what they hold for them. Those of which nothing is heard are forgotten in time: they were
   * deleted before the controller saw this broker.
   */
  expect(topics: readonly string[]): void {
    for (const topic of topics) if (!this.hasTopic(topic)) this.#expected.add(topic)
  }

  isExpected(topic: string): boolean {
    return this.#expected.has(topic)
  }

  expectedTopics(): readonly string[] {
    return [...this.#expected]
  }

  /** -1: not known. */
  get controllerId(): number {
    return this.#controllerId
  }

  /** In the controller's order. A broker that is shutting down in a controlled way is still among them. */
  get aliveBrokers(): readonly AliveBroker[] {
    return [...this.#brokers.values()]
  }

  /** Alive brokers that have this listener: those that a Metadata answer may name. */
  brokersOn(listener: string): readonly AliveBroker[] {
    return this.aliveBrokers.filter(broker => broker.endpoints.has(listener))
  }

  isAlive(brokerId: number): boolean {
    return this.#brokers.has(brokerId)
  }

  aliveBroker(brokerId: number): AliveBroker | undefined {
    return this.#brokers.get(brokerId)
  }

  /** Undefined when the broker is not alive, and when it has no such listener: `isAlive` tells them apart. */
  endpoint(brokerId: number, listener: string): BrokerEndpoint | undefined {
    return this.#brokers.get(brokerId)?.endpoints.get(listener)
  }

  hasTopic(topic: string): boolean {
    return this.#topics.has(topic)
  }

  get topicCount(): number {
    return this.#topics.size
  }

  topicNames(): IterableIterator<string> {
    return this.#topics.keys()
  }

  /** `noTopicId` when the topic is not known or has no id. */
  topicId(topic: string): string {
    return this.#idByTopic.get(topic) ?? noTopicId
  }

  topicName(topicId: string): string | undefined {
    return this.#topicById.get(topicId)
  }

  hasPartition(topic: string, partition: number): boolean {
    return this.#topics.get(topic)?.partitions[partition] !== undefined
  }

  partition(topic: string, partition: number): PartitionMetadata | undefined {
    return this.#topics.get(topic)?.partitions[partition]
  }

  /** Those known, by number; empty for an unknown topic. */
  partitions(topic: string): readonly PartitionMetadata[] {
    const entry = this.#topics.get(topic)
    return entry === undefined ? [] : entry.partitions.filter(partition => partition !== undefined)
  }

  partitionCount(topic: string): number {
    return this.#topics.get(topic)?.known ?? 0
  }

  /** Called after each `apply`, in the order of registration. Answers a function that removes the listener. */
  onChange(listener: (change: MetadataChange) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * True as soon as `condition` holds: now, or after a later `apply`. False when `timeoutMs` passed or the cache was
   * closed; with `timeoutMs` of 0 or less it only looks.
   */
  until(condition: (cache: MetadataCache) => boolean, timeoutMs: number): Promise<boolean> {
    if (condition(this)) return Promise.resolve(true)
    if (timeoutMs <= 0) return Promise.resolve(false)
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        timer.cancel()
        this.#waiters.delete(waiter)
      }
      const waiter: Waiter = {
        check: () => {
          try {
            if (!condition(this)) return
            leave()
            resolve(true)
          } catch (error) {
            leave()
            reject(error instanceof Error ? error : new Error(String(error)))
          }
        },
        giveUp: () => {
          leave()
          resolve(false)
        },
      }
      const timer = this.#timers.after(timeoutMs, () => waiter.giveUp())
      this.#waiters.add(waiter)
    })
  }

  /** Everybody who waits gets false. */
  close(): void {
    for (const waiter of [...this.#waiters]) waiter.giveUp()
    this.#listeners.clear()
    this.#forgetting?.cancel()
  }

  #noteTold(topics: ReadonlySet<string>): void {
    if (this.#expected.size === 0 || topics.size === 0) return
    for (const topic of topics) this.#expected.delete(topic)
    this.#forgetting ??= this.#timers.after(expectedForMs, () => this.#expected.clear())
  }

  #applyPartition(topic: string, state: PartitionState, removed: TopicPartition[]): void {
    const { partitionIndex: partition } = state
    if (state.leader === leaderDuringDelete) {
      if (this.#removePartition(topic, partition)) removed.push({ topic, partition })
      return
    }
    let entry = this.#topics.get(topic)
    if (entry === undefined) this.#topics.set(topic, (entry = { partitions: [], known: 0 }))
    if (entry.partitions[partition] === undefined) entry.known++
    entry.partitions[partition] = {
      topic,
      partition,
      leader: state.leader,
      leaderEpoch: state.leaderEpoch,
      controllerEpoch: state.controllerEpoch,
      partitionEpoch: state.zkVersion,
      replicas: state.replicas,
      inSyncReplicas: state.isr,
      offlineReplicas: state.offlineReplicas,
    }
  }

  #removePartition(topic: string, partition: number): boolean {
    const entry = this.#topics.get(topic)
    if (entry?.partitions[partition] === undefined) return false
    entry.partitions[partition] = undefined
    entry.known--
    if (entry.known === 0) {
      this.#topics.delete(topic)
      this.#setTopicId(topic, noTopicId)
    }
    return true
  }

  #setTopicId(topic: string, topicId: string): void {
    const before = this.#idByTopic.get(topic)
    if (before === topicId) return
    // A topic that was deleted and created again comes with a new id: the old one must not find it.
    if (before !== undefined) this.#topicById.delete(before)
    this.#idByTopic.delete(topic)
    if (topicId === noTopicId) return
    this.#idByTopic.set(topic, topicId)
    this.#topicById.set(topicId, topic)
  }
}

type LiveBroker = UpdateMetadataRequest['liveBrokers'][number]
type PartitionState = UpdateMetadataRequest['ungroupedPartitionStates'][number]

const protocolNames = ['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL']

function aliveBroker(broker: LiveBroker): AliveBroker {
  const endpoints = new Map<string, BrokerEndpoint>()
  for (const endpoint of broker.endpoints) {
    // Before v3 endpoints have no listener name: it is that of the security protocol.
    const listener = endpoint.listener === '' ? (protocolNames[endpoint.securityProtocol] ?? '') : endpoint.listener
    const { host, port, securityProtocol } = endpoint
    endpoints.set(listener, { listener, host, port, securityProtocol })
  }
  if (broker.endpoints.length === 0 && broker.v0Host !== '') {
    endpoints.set('PLAINTEXT', {
      listener: 'PLAINTEXT',
      host: broker.v0Host,
      port: broker.v0Port,
      securityProtocol: 0,
    })
  }
  return { id: broker.id, rack: broker.rack, endpoints }
}

function sameBrokers(before: ReadonlyMap<number, AliveBroker>, after: ReadonlyMap<number, AliveBroker>): boolean {
  if (before.size !== after.size) return false
  for (const [id, broker] of after) {
    const known = before.get(id)
    if (known === undefined || known.rack !== broker.rack || known.endpoints.size !== broker.endpoints.size)
      return false
    for (const [listener, endpoint] of broker.endpoints) {
      const other = known.endpoints.get(listener)
      if (other?.host !== endpoint.host || other.port !== endpoint.port) return false
      if (other.securityProtocol !== endpoint.securityProtocol) return false
    }
  }
  return true
}

import { assert } from '@millrace/runtime/invariant'
import { NoLeader } from './leadership.ts'
import type { Leadership, ReplicaAssignment } from './leadership.ts'
import { PartitionContext } from './partition-context.ts'
import type { Replica, ReplicaState } from './partition-context.ts'

export interface BrokerAddress {
  readonly listener: string
  readonly host: string
  readonly port: number
  /** Kafka's number: 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL. */
  readonly securityProtocol: number
}

/** One incarnation of a broker, as registered under `/brokers/ids`. */
export interface RegisteredBroker {
  readonly id: number
  /** czxid of its znode: another incarnation has a higher one. */
  readonly epoch: number
  readonly rack: string | null
  readonly endpoints: readonly BrokerAddress[]
}

/** A topic as its znodes tell it. `leadership` has no entry for partitions without a state znode. */
export interface TopicSnapshot {
  readonly name: string
  readonly topicId: string
  readonly partitions: ReadonlyMap<number, ReplicaAssignment>
  readonly leadership: ReadonlyMap<number, Leadership>
}

export interface ControllerSettings {
  readonly brokerId: number
  readonly controllerEpoch: number
  /** Listener that brokers reach each other by: LeaderAndIsr names leaders by their endpoint there. */
  readonly interBrokerListener: string
  /** `delete.topic.enable`. */
  readonly deleteTopics: boolean
}

export interface TopicContext {
  readonly name: string
  readonly id: string
  readonly partitions: Map<number, PartitionContext>
}

/**
 * What a controller knows for as long as it is one. Built from ZooKeeper when it is elected, changed only by the
 * plans of this folder, thrown away when it resigns.
 */
export class ControllerState {
  readonly settings: ControllerSettings
  readonly topics = new Map<string, TopicContext>()
  /** Queued for deletion: the marker under /admin/delete_topics is their durable form. */
  readonly deletionQueue = new Set<string>()
  readonly deletionStarted = new Set<string>()
  /** Queued, but waiting: for a replica that is offline, or for a reassignment. */
  readonly deletionIneligible = new Set<string>()
  readonly shuttingDown = new Set<number>()
  /** `/admin/reassign_partitions` exists: who completes or replaces a reassignment must look there. */
  hasRequestedReassignments = false
  readonly #topicsById = new Map<string, TopicContext>()
  readonly #brokers = new Map<number, RegisteredBroker>()
  readonly #offlineFolders = new Map<number, Set<PartitionContext>>()
  /** Of each broker's AlterPartition the newest that was looked at. */
  readonly #newestAttempts = new Map<number, { readonly brokerEpoch: number; readonly attempt: number }>()

  constructor(settings: ControllerSettings) {
    this.settings = settings
  }

  get controllerEpoch(): number {
    return this.settings.controllerEpoch
  }

  /** Live ones, and those in controlled shutdown: control requests go to both. */
  get brokers(): ReadonlyMap<number, RegisteredBroker> {
    return this.#brokers
  }

  brokerIds(): number[] {
    return [...this.#brokers.keys()]
  }

  isPresent(brokerId: number): boolean {
    return this.#brokers.has(brokerId)
  }

  isShuttingDown(brokerId: number): boolean {
    return this.shuttingDown.has(brokerId)
  }

  /** May lead and be in an ISR: registered, and not in controlled shutdown. */
  isLive(brokerId: number): boolean {
    return this.#brokers.has(brokerId) && !this.shuttingDown.has(brokerId)
  }

  addBroker(broker: RegisteredBroker): void {
    const known = this.#brokers.get(broker.id)
    assert(known === undefined || known.epoch <= broker.epoch, `broker ${broker.id}: the broker epoch must not go back`)
    this.#brokers.set(broker.id, broker)
  }

  removeBroker(brokerId: number): void {
    this.#brokers.delete(brokerId)
  }

  /** Has a later AlterPartition of that broker epoch been looked at? If not, this one is the newest now. -1 has no place in the order. */
  isOvertaken(brokerId: number, brokerEpoch: number, attempt: number): boolean {
    if (attempt === -1) return false
    const newest = this.#newestAttempts.get(brokerId)
    if (newest?.brokerEpoch === brokerEpoch && attempt < newest.attempt) return true
    this.#newestAttempts.set(brokerId, { brokerEpoch, attempt })
    return false
  }

  isReplicaOnline(brokerId: number, partition: PartitionContext): boolean {
    return this.isLive(brokerId) && !this.isOnOfflineFolder(brokerId, partition)
  }

  isReplicaOnlineOrShuttingDown(brokerId: number, partition: PartitionContext): boolean {
    return this.isPresent(brokerId) && !this.isOnOfflineFolder(brokerId, partition)
  }

  isOnOfflineFolder(brokerId: number, partition: PartitionContext): boolean {
    return this.#offlineFolders.get(brokerId)?.has(partition) ?? false
  }

  markOfflineFolder(brokerId: number, partition: PartitionContext): void {
    const marked = this.#offlineFolders.get(brokerId)
    if (marked === undefined) this.#offlineFolders.set(brokerId, new Set([partition]))
    else marked.add(partition)
  }

  unmarkOfflineFolder(brokerId: number, partition: PartitionContext): void {
    this.#offlineFolders.get(brokerId)?.delete(partition)
  }

  /** A restarted broker has looked at its folders anew. */
  forgetOfflineFolders(brokerId: number): void {
    this.#offlineFolders.delete(brokerId)
  }

  addTopic(snapshot: TopicSnapshot): PartitionContext[] {
    assert(!this.topics.has(snapshot.name), `${snapshot.name}: a topic is added once`)
    const topic: TopicContext = { name: snapshot.name, id: snapshot.topicId, partitions: new Map() }
    this.topics.set(snapshot.name, topic)
    this.#topicsById.set(snapshot.topicId, topic)
    for (const partition of [...snapshot.partitions.keys()].sort((left, right) => left - right)) {
      const context = this.addPartition(topic, partition, snapshot.partitions.get(partition)!)
      const leadership = snapshot.leadership.get(partition)
      if (leadership !== undefined) context.rememberLeadership(leadership)
    }
    return [...topic.partitions.values()]
  }

  addPartition(topic: TopicContext, partition: number, assignment: ReplicaAssignment): PartitionContext {
    assert(!topic.partitions.has(partition), `${topic.name}-${partition}: a partition is added once`)
    const context = new PartitionContext(topic.name, partition, assignment)
    topic.partitions.set(partition, context)
    return context
  }

  removeTopic(name: string): void {
    const topic = this.topics.get(name)
    if (topic === undefined) return
    for (const partition of topic.partitions.values()) {
      for (const marked of this.#offlineFolders.values()) marked.delete(partition)
    }
    this.topics.delete(name)
    this.#topicsById.delete(topic.id)
    this.deletionQueue.delete(name)
    this.deletionStarted.delete(name)
    this.deletionIneligible.delete(name)
  }

  topicById(id: string): TopicContext | undefined {
    return this.#topicsById.get(id)
  }

  partition(topic: string, partition: number): PartitionContext | undefined {
    return this.topics.get(topic)?.partitions.get(partition)
  }

  *partitions(): Generator<PartitionContext> {
    for (const topic of this.topics.values()) yield* topic.partitions.values()
  }

  partitionsOf(topic: string): PartitionContext[] {
    return [...(this.topics.get(topic)?.partitions.values() ?? [])]
  }

  replicasOf(topic: string): Replica[] {
    return this.partitionsOf(topic).flatMap(partition =>
      partition.assignment.replicas.map(brokerId => ({ partition, brokerId })),
    )
  }

  replicasOn(brokerIds: ReadonlySet<number>): Replica[] {
    const replicas: Replica[] = []
    for (const partition of this.partitions()) {
      for (const brokerId of partition.assignment.replicas) {
        if (brokerIds.has(brokerId)) replicas.push({ partition, brokerId })
      }
    }
    return replicas
  }

  replicasInState(topic: string, state: ReplicaState): Replica[] {
    return this.replicasOf(topic).filter(({ partition, brokerId }) => partition.replicaState(brokerId) === state)
  }

  isAnyReplicaInState(topic: string, state: ReplicaState): boolean {
    return this.replicasInState(topic, state).length > 0
  }

  areAllReplicasInState(topic: string, state: ReplicaState): boolean {
    return this.replicasOf(topic).every(({ partition, brokerId }) => partition.replicaState(brokerId) === state)
  }

  isQueuedForDeletion(topic: string): boolean {
    return this.deletionQueue.has(topic)
  }

  /** Partitions of topics that stay, whose leader cannot lead now; those without a leader count. */
  partitionsWithOfflineLeader(): PartitionContext[] {
    return [...this.partitions()].filter(partition => {
      const leader = partition.leadership?.leader
      if (leader === undefined || this.isQueuedForDeletion(partition.topic)) return false
      return leader === NoLeader || !this.isReplicaOnline(leader, partition)
    })
  }

  partitionsWithLeadership(): PartitionContext[] {
    return [...this.partitions()].filter(
      partition => partition.leadership !== null && !this.isQueuedForDeletion(partition.topic),
    )
  }
}

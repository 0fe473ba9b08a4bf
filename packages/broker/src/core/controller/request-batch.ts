import { LeaderDuringDelete, LeaderEpochDuringDelete, NoLeaderEpoch } from './leadership.ts'
import type { Leadership } from './leadership.ts'
import type { ControllerState, RegisteredBroker } from './controller-state.ts'
import type {
  ControlRequest,
  LeaderAndIsrPartition,
  OrderedTopic,
  StopReplicaPartition,
  UpdateMetadataPartition,
} from './control-request.ts'
import type { PartitionContext } from './partition-context.ts'

/**
 * Gathers what one transition has to tell the brokers: at most one LeaderAndIsr, one UpdateMetadata and one StopReplica
 * for each. Order: all LeaderAndIsr, then UpdateMetadata, then StopReplica (reference 2.5).
 */
export class RequestBatch {
  readonly #state: ControllerState
  readonly #leaderAndIsr = new Map<number, Map<PartitionContext, LeaderAndIsrPartition>>()
  readonly #metadataBrokers = new Set<number>()
  readonly #metadata = new Map<PartitionContext, UpdateMetadataPartition>()
  readonly #stopReplica = new Map<number, Map<PartitionContext, StopReplicaPartition>>()

  constructor(state: ControllerState) {
    this.#state = state
  }

  /** Every broker hears of a partition whose replicas do. `isNew` sticks: one addition with it is enough. */
  addLeaderAndIsr(brokerIds: readonly number[], partition: PartitionContext, isNew: boolean): void {
    const { leadership, assignment } = partition
    if (leadership === null) return
    for (const brokerId of brokerIds) {
      const orders = ordersOf(this.#leaderAndIsr, brokerId)
      const wasNew = orders.get(partition)?.isNew ?? false
      orders.set(partition, { partition: partition.partition, leadership, assignment, isNew: isNew || wasNew })
    }
    this.addUpdateMetadata(this.#state.brokerIds(), [partition])
  }

  addUpdateMetadata(brokerIds: Iterable<number>, partitions: Iterable<PartitionContext>): void {
    for (const brokerId of brokerIds) this.#metadataBrokers.add(brokerId)
    for (const partition of partitions) {
      const { leadership, assignment } = partition
      if (leadership === null) continue
      this.#metadata.set(partition, {
        partition: partition.partition,
        leadership: this.#state.isQueuedForDeletion(partition.topic) ? duringDelete(leadership) : leadership,
        replicas: assignment.replicas,
        offlineReplicas: assignment.replicas.filter(id => !this.#state.isReplicaOnline(id, partition)),
      })
    }
  }

  addStopReplica(brokerIds: readonly number[], partition: PartitionContext, deletePartition: boolean): void {
    const leaderEpoch = this.#state.isQueuedForDeletion(partition.topic)
      ? LeaderEpochDuringDelete
      : (partition.leadership?.leaderEpoch ?? NoLeaderEpoch)
    for (const brokerId of brokerIds) {
      const orders = ordersOf(this.#stopReplica, brokerId)
      const wasDelete = orders.get(partition)?.deletePartition ?? false
      orders.set(partition, {
        partition: partition.partition,
        leaderEpoch,
        deletePartition: deletePartition || wasDelete,
      })
    }
  }

  /** Brokers that are gone get nothing: what they must know they are told when they come back. */
  requests(): ControlRequest[] {
    const requests: ControlRequest[] = []
    for (const [broker, orders] of this.#present(this.#leaderAndIsr)) {
      const topics = this.#byTopic(orders)
      const leaderIds = new Set([...orders.values()].map(order => order.leadership.leader))
      requests.push({
        kind: 'leader-and-isr',
        brokerId: broker.id,
        brokerEpoch: broker.epoch,
        topics,
        leaders: this.#leaders(leaderIds),
      })
    }
    const metadata = this.#byTopic(this.#metadata)
    const brokers = [...this.#state.brokers.values()]
    for (const broker of brokers) {
      if (!this.#metadataBrokers.has(broker.id)) continue
      requests.push({
        kind: 'update-metadata',
        brokerId: broker.id,
        brokerEpoch: broker.epoch,
        topics: metadata,
        brokers,
      })
    }
    for (const [broker, orders] of this.#present(this.#stopReplica)) {
      requests.push({
        kind: 'stop-replica',
        brokerId: broker.id,
        brokerEpoch: broker.epoch,
        topics: this.#byTopic(orders),
      })
    }
    return requests
  }

  *#present<Orders>(byBroker: ReadonlyMap<number, Orders>): Generator<readonly [RegisteredBroker, Orders]> {
    for (const [brokerId, orders] of byBroker) {
      const broker = this.#state.brokers.get(brokerId)
      if (broker !== undefined) yield [broker, orders]
    }
  }

  #leaders(ids: ReadonlySet<number>): { brokerId: number; address: RegisteredBroker['endpoints'][number] }[] {
    return [...this.#state.brokers.values()].flatMap(broker => {
      if (!ids.has(broker.id)) return []
      const address = broker.endpoints.find(one => one.listener === this.#state.settings.interBrokerListener)
      return address === undefined ? [] : [{ brokerId: broker.id, address }]
    })
  }

  #byTopic<Order>(orders: ReadonlyMap<PartitionContext, Order>): OrderedTopic<Order>[] {
    const topics = new Map<string, Order[]>()
    for (const [partition, order] of orders) {
      const listed = topics.get(partition.topic)
      if (listed === undefined) topics.set(partition.topic, [order])
      else listed.push(order)
    }
    return [...topics].map(([name, partitions]) => ({ name, id: this.#state.topics.get(name)!.id, partitions }))
  }
}

/** As Kafka tells it: only the ISR survives, epochs are zero. */
const duringDelete = (leadership: Leadership): Leadership => ({
  ...leadership,
  leader: LeaderDuringDelete,
  leaderEpoch: 0,
  partitionEpoch: 0,
})

function ordersOf<Order>(
  byBroker: Map<number, Map<PartitionContext, Order>>,
  brokerId: number,
): Map<PartitionContext, Order> {
  const known = byBroker.get(brokerId)
  if (known !== undefined) return known
  const orders = new Map<PartitionContext, Order>()
  byBroker.set(brokerId, orders)
  return orders
}

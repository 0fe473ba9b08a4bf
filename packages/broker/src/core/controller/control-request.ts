import type { BrokerAddress, RegisteredBroker } from './controller-state.ts'
import type { Leadership, ReplicaAssignment } from './leadership.ts'

/** What a plan has sent to brokers. `controller/control-messages.ts` turns it into wire messages. */
export type ControlRequest = LeaderAndIsrOrder | UpdateMetadataOrder | StopReplicaOrder

interface Addressed {
  readonly brokerId: number
  /** The incarnation it is meant for: a later one refuses it (KIP-380). */
  readonly brokerEpoch: number
}

export interface LeaderAndIsrOrder extends Addressed {
  readonly kind: 'leader-and-isr'
  readonly topics: readonly OrderedTopic<LeaderAndIsrPartition>[]
  /** The brokers named as leaders, with their address for other brokers. */
  readonly leaders: readonly { readonly brokerId: number; readonly address: BrokerAddress }[]
}

export interface LeaderAndIsrPartition {
  readonly partition: number
  readonly leadership: Leadership
  readonly assignment: ReplicaAssignment
  /** The replica has no log yet: a missing one is no sign of a lost folder. */
  readonly isNew: boolean
}

export interface UpdateMetadataOrder extends Addressed {
  readonly kind: 'update-metadata'
  /** Shared by the orders of one batch: only the address differs. */
  readonly topics: readonly OrderedTopic<UpdateMetadataPartition>[]
  /** Always all of them: the receiver replaces its list. */
  readonly brokers: readonly RegisteredBroker[]
}

export interface UpdateMetadataPartition {
  readonly partition: number
  /** `leader` is LeaderDuringDelete while the topic is being deleted. */
  readonly leadership: Leadership
  readonly replicas: readonly number[]
  readonly offlineReplicas: readonly number[]
}

export interface StopReplicaOrder extends Addressed {
  readonly kind: 'stop-replica'
  readonly topics: readonly OrderedTopic<StopReplicaPartition>[]
}

export interface StopReplicaPartition {
  readonly partition: number
  /** LeaderEpochDuringDelete: whatever epoch the broker has (KIP-570). */
  readonly leaderEpoch: number
  readonly deletePartition: boolean
}

export interface OrderedTopic<Partition> {
  readonly name: string
  readonly id: string
  readonly partitions: readonly Partition[]
}

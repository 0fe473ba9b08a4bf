import type { RegisteredBroker, TopicSnapshot } from './controller-state.ts'
import type { ReplicaAssignment } from './leadership.ts'
import type { ReassignmentRequest } from './reassignment.ts'
import type { PartitionName } from './plan-step.ts'

/** What can happen to a controller. Events carry what was read from ZooKeeper: a plan reads only to settle a conflict. */
export type ControllerEvent =
  /** This broker has been elected. Its state was just built from what ZooKeeper says; nobody has been told anything yet. */
  | {
      readonly event: 'elected'
      readonly brokers: readonly RegisteredBroker[]
      readonly topics: readonly TopicSnapshot[]
      readonly deletions: readonly string[]
      /** What the znodes of old tools ask for; null: there is no such znode. */
      readonly reassignments: readonly ReassignmentRequest[] | null
      readonly elections: readonly PartitionName[] | null
    }
  /** All brokers registered now. */
  | { readonly event: 'brokers-changed'; readonly brokers: readonly RegisteredBroker[] }
  /** The registration of one incarnation was rewritten: other endpoints. */
  | { readonly event: 'broker-modified'; readonly broker: RegisteredBroker }
  /** All topics there are, and the content of those that the state does not know. */
  | {
      readonly event: 'topics-changed'
      readonly names: ReadonlySet<string>
      readonly added: readonly TopicSnapshot[]
    }
  | {
      readonly event: 'topic-modified'
      readonly topic: string
      readonly partitions: ReadonlyMap<number, ReplicaAssignment>
    }
  /** All markers under /admin/delete_topics. */
  | { readonly event: 'deletions-changed'; readonly topics: readonly string[] }
  /** Requests to this incarnation were dropped because too many waited: it must be told everything anew. */
  | { readonly event: 'broker-behind'; readonly brokerId: number; readonly brokerEpoch: number }
  | { readonly event: 'log-folders-failed'; readonly brokerIds: readonly number[] }
  /** What a broker answered to LeaderAndIsr: only whether the folder of each replica works matters. */
  | {
      readonly event: 'leader-and-isr-answered'
      readonly brokerId: number
      readonly brokerEpoch: number
      readonly partitions: readonly ReplicaAnswer[]
    }
  /** What a broker answered to StopReplica, for the partitions it was to delete. */
  | {
      readonly event: 'deletion-answered'
      readonly brokerId: number
      readonly brokerEpoch: number
      readonly partitions: readonly ReplicaAnswer[]
    }
  /** `unclean.leader.election.enable` was turned on: of one topic, or (null) of all without a setting of their own. */
  | { readonly event: 'unclean-election-enabled'; readonly topic: string | null }
  /** The ISR of these partitions was changed by their leader. */
  | { readonly event: 'isr-changed'; readonly partitions: readonly PartitionName[] }
  /** All that `/admin/reassign_partitions` says now; null: it is gone. */
  | { readonly event: 'reassignments-requested'; readonly requests: readonly ReassignmentRequest[] | null }
  /** What `/admin/preferred_replica_election` says. */
  | { readonly event: 'elections-requested'; readonly partitions: readonly PartitionName[] }
  /** Time to look at the balance of leaders: `leader.imbalance.*`. */
  | { readonly event: 'balance-due'; readonly percentage: number }

export interface ReplicaAnswer {
  readonly topic: string
  readonly partition: number
  readonly outcome: 'done' | 'storage-error' | 'other-error'
}

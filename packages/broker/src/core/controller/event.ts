import type { RegisteredBroker, TopicSnapshot } from './controller-state.ts'
import type { ReplicaAssignment } from './leadership.ts'

/** What can happen to a controller. Events carry what was read from ZooKeeper: a plan reads only to settle a conflict. */
export type ControllerEvent =
  /** This broker has been elected. Its state was just built from what ZooKeeper says; nobody has been told anything yet. */
  | {
      readonly event: 'elected'
      readonly brokers: readonly RegisteredBroker[]
      readonly topics: readonly TopicSnapshot[]
      readonly deletions: readonly string[]
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

export interface ReplicaAnswer {
  readonly topic: string
  readonly partition: number
  readonly outcome: 'done' | 'storage-error' | 'other-error'
}

import { assert } from '@millrace/runtime/invariant'
import { NoLeader } from './leadership.ts'
import type { Leadership, ReplicaAssignment } from './leadership.ts'

export type PartitionState = 'non-existent' | 'new' | 'online' | 'offline'

export type ReplicaState =
  'non-existent' | 'new' | 'online' | 'offline' | 'deletion-started' | 'deletion-successful' | 'deletion-ineligible'

/** All that the controller knows of one partition. */
export class PartitionContext {
  readonly topic: string
  readonly partition: number
  assignment: ReplicaAssignment
  state: PartitionState = 'non-existent'
  readonly #replicaStates = new Map<number, ReplicaState>()
  #leadership: Leadership | null = null

  constructor(topic: string, partition: number, assignment: ReplicaAssignment) {
    this.topic = topic
    this.partition = partition
    this.assignment = assignment
  }

  /** As last read from or written to the state znode; null until the partition first had a leader. */
  get leadership(): Leadership | null {
    return this.#leadership
  }

  /**
   * Remembers what the znode says now. Epochs of a partition never go back: if they did, a broker could follow the
   * older of two leaders.
   */
  rememberLeadership(next: Leadership): void {
    const last = this.#leadership
    if (last !== null) {
      this.#must(next.partitionEpoch >= last.partitionEpoch, 'the partition epoch must not go back')
      this.#must(next.leaderEpoch >= last.leaderEpoch, 'the leader epoch must not go back')
      const isSameTerm = next.leaderEpoch === last.leaderEpoch
      this.#must(!isSameTerm || next.leader === last.leader, 'one leader epoch must have one leader')
    }
    const isInSync = next.leader === NoLeader || next.inSyncReplicas.includes(next.leader)
    this.#must(isInSync, 'the leader must be in the ISR')
    this.#leadership = next
  }

  replicaState(brokerId: number): ReplicaState {
    return this.#replicaStates.get(brokerId) ?? 'non-existent'
  }

  rememberReplicaState(brokerId: number, state: ReplicaState): void {
    if (state === 'non-existent') this.#replicaStates.delete(brokerId)
    else this.#replicaStates.set(brokerId, state)
  }

  /** `orders-3`, as people write it. */
  get name(): string {
    return `${this.topic}-${this.partition}`
  }

  #must(condition: boolean, why: string): void {
    if (!condition) assert(false, `${this.name}: ${why}`)
  }
}

export interface Replica {
  readonly partition: PartitionContext
  readonly brokerId: number
}

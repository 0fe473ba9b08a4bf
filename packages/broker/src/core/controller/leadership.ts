/** Who leads one partition, and who is in sync: the content of its `state` znode together with that znode's version. */
export interface Leadership {
  /** `NoLeader` when nobody leads. */
  readonly leader: number
  /** Raised by the controller with every election and every ISR change that it makes itself. */
  readonly leaderEpoch: number
  readonly inSyncReplicas: readonly number[]
  readonly leaderRecoveryState: LeaderRecoveryState
  /** Epoch of the controller that wrote this. */
  readonly controllerEpoch: number
  /** Data version of the state znode. */
  readonly partitionEpoch: number
}

/** KIP-704: a leader elected uncleanly is RECOVERING until it says otherwise. */
export const LeaderRecoveryState = { recovered: 0, recovering: 1 } as const
export type LeaderRecoveryState = (typeof LeaderRecoveryState)[keyof typeof LeaderRecoveryState]

export const NoLeader = -1
/** In UpdateMetadata: this partition is being deleted, forget it. -1 only means that nobody leads. */
export const LeaderDuringDelete = -2
/** In StopReplica: the partition is being deleted, whatever epoch the broker has. */
export const LeaderEpochDuringDelete = -2
/** In StopReplica: the controller knows no epoch. */
export const NoLeaderEpoch = -1

/** `replicas` is the full set, preferred leader first; while a reassignment runs it holds old and new ones (KIP-455). */
export interface ReplicaAssignment {
  readonly replicas: readonly number[]
  readonly addingReplicas: readonly number[]
  readonly removingReplicas: readonly number[]
}

export const settledAssignment = (replicas: readonly number[]): ReplicaAssignment => ({
  replicas,
  addingReplicas: [],
  removingReplicas: [],
})

/** The replicas wanted in the end. */
export const targetReplicas = (assignment: ReplicaAssignment): number[] =>
  assignment.replicas.filter(id => !assignment.removingReplicas.includes(id))

export const isBeingReassigned = (assignment: ReplicaAssignment): boolean =>
  assignment.addingReplicas.length > 0 || assignment.removingReplicas.length > 0

import { isBeingReassigned, targetReplicas } from './leadership.ts'
import type { ReplicaAssignment } from './leadership.ts'
import type { ControllerState } from './controller-state.ts'
import type { PartitionContext } from './partition-context.ts'
import { write } from './plan-step.ts'
import type { PartitionName, Plan } from './plan-step.ts'

/*
 * Moving replicas (KIP-455). While it runs, `replicas` are the wanted ones followed by the old ones that are not wanted;
 * `addingReplicas` are those that are new, `removingReplicas` those that will go.
 */

export interface ReassignmentRequest extends PartitionName {
  /** The replicas wanted, the preferred leader first; null: give up what is running. */
  readonly replicas: readonly number[] | null
}

/** The replicas from before the reassignment that runs. */
export const originReplicas = (assignment: ReplicaAssignment): number[] =>
  assignment.replicas.filter(id => !assignment.addingReplicas.includes(id))

/** The assignment that leads to `target`: a reassignment that runs already is given up, from where it began. */
export function reassignTo(assignment: ReplicaAssignment, target: readonly number[]): ReplicaAssignment {
  const origin = originReplicas(assignment)
  const replicas = [...new Set([...target, ...origin])]
  return {
    replicas,
    addingReplicas: replicas.filter(id => !origin.includes(id)),
    removingReplicas: replicas.filter(id => !target.includes(id)),
  }
}

/**
 * All wanted replicas are in sync, and one of them can lead. (Kafka asks for the first only; were none of them online, the
 * old replicas would be deleted and nobody left to lead.)
 */
export function canComplete(state: ControllerState, partition: PartitionContext): boolean {
  const { assignment, leadership } = partition
  if (!isBeingReassigned(assignment)) return true
  if (leadership === null) return false
  const target = targetReplicas(assignment)
  return (
    target.every(id => leadership.inSyncReplicas.includes(id)) &&
    target.some(id => state.isReplicaOnline(id, partition))
  )
}

/** What is wrong with a list of replicas, whatever the cluster looks like; null: nothing. */
export function replicaListProblem(replicas: readonly number[]): string | null {
  if (replicas.length === 0) return 'Empty replica list specified in partition reassignment.'
  if (new Set(replicas).size !== replicas.length) {
    return `Duplicate replica ids in partition reassignment replica list: ${replicas.join(', ')}`
  }
  if (replicas.some(id => id < 0)) return `Invalid broker id in replica list: ${replicas.join(', ')}`
  return null
}

export const sameAssignment = (left: ReplicaAssignment, right: ReplicaAssignment): boolean =>
  sameList(left.replicas, right.replicas) &&
  sameList(left.addingReplicas, right.addingReplicas) &&
  sameList(left.removingReplicas, right.removingReplicas)

export const sameList = (left: readonly number[], right: readonly number[]): boolean =>
  left.length === right.length && left.every((id, index) => id === right[index])

/** Takes entries out of `/admin/reassign_partitions`, if there is such a znode. `replicas` null: whatever was asked for. */
export function* forgetRequested(state: ControllerState, requests: readonly ReassignmentRequest[]): Plan {
  if (requests.length === 0 || !state.hasRequestedReassignments) return
  yield* write([{ write: 'forget-reassignments', requests }])
}

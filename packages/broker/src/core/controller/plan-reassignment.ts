import { ErrorCode } from '@millrace/protocol/errors'
import type { ControllerState } from './controller-state.ts'
import { isBeingReassigned, targetReplicas } from './leadership.ts'
import type { ReplicaAssignment } from './leadership.ts'
import type { PartitionContext } from './partition-context.ts'
import { nameOf } from './partition-states.ts'
import { note, write } from './plan-step.ts'
import type { PartitionName, Plan } from './plan-step.ts'
import {
  forgetRequested,
  originReplicas,
  reassignTo,
  replicaListProblem,
  sameAssignment,
  type ReassignmentRequest,
} from './reassignment.ts'
import { carryOn, changeAssignments } from './reassignment-steps.ts'
import type { Reassignment } from './reassignment-steps.ts'

export interface ReassignmentOutcome extends PartitionName {
  readonly errorCode: number
  readonly message: string | null
}

/** What a client asked for. Answers when it has begun, in the order of the request. */
export function* planAlterReassignments(
  state: ControllerState,
  requests: readonly ReassignmentRequest[],
): Plan<ReassignmentOutcome[]> {
  const begun = requests.map(request => ({ request, verdict: judge(state, request, { mustBeLive: true }) }))
  const accepted = begun.flatMap(({ verdict }) => ('next' in verdict ? [verdict] : []))
  // The latest word counts: what an old tool wrote about the same partitions is void.
  yield* forgetRequested(
    state,
    accepted.map(({ partition }) => ({ ...nameOf(partition), replicas: null })),
  )
  const failed = yield* reassign(state, accepted)
  return begun.map(({ request, verdict }) => {
    const { topic, partition } = request
    if (!('next' in verdict)) return { topic, partition, ...verdict }
    if (failed.has(verdict.partition)) return { topic, partition, ...unknownPartition }
    return { topic, partition, errorCode: ErrorCode.NONE, message: null }
  })
}

/**
 * What `/admin/reassign_partitions` says; null: it is gone. Replicas on brokers that are down are waited for, as always with
 * this way.
 */
export function* planReassignmentsRequested(
  state: ControllerState,
  requests: readonly ReassignmentRequest[] | null,
): Plan {
  state.hasRequestedReassignments = requests !== null
  if (requests === null) return
  // One that asks for nothing is taken away.
  if (requests.length === 0) yield* write([{ write: 'forget-reassignments', requests }])
  const accepted: Reassignment[] = []
  const refused: ReassignmentRequest[] = []
  for (const request of requests) {
    const verdict = judge(state, request, { mustBeLive: false })
    if ('next' in verdict) accepted.push(verdict)
    else {
      refused.push(request)
      const { topic, partition } = request
      yield* note('warn', 'reassignment wanted by znode is refused', { topic, partition, reason: verdict.message })
    }
  }
  yield* forgetRequested(state, refused)
  const failed = yield* reassign(state, accepted)
  yield* forgetRequested(
    state,
    [...failed].map(partition => ({ ...nameOf(partition), replicas: null })),
  )
}

/** Reassignments of which `isWanted` holds go on: from where ZooKeeper says that they are. */
export function* resumeReassignments(
  state: ControllerState,
  isWanted: (partition: PartitionContext) => boolean = () => true,
): Plan {
  const running = [...state.partitions()].filter(
    partition => isBeingReassigned(partition.assignment) && isWanted(partition),
  )
  yield* carryOn(state, running)
}

/** ISRs have grown: what waited only for that is completed. */
export function* planIsrChanged(state: ControllerState, partitions: readonly PartitionName[]): Plan {
  const running = partitions.flatMap(({ topic, partition }) => {
    const context = state.partition(topic, partition)
    return context !== undefined && isBeingReassigned(context.assignment) ? [context] : []
  })
  yield* carryOn(state, running, { onlyCompletion: true })
}

function* reassign(
  state: ControllerState,
  reassignments: readonly Reassignment[],
): Plan<ReadonlySet<PartitionContext>> {
  const isIdle = ({ partition, next }: Reassignment): boolean =>
    !isBeingReassigned(partition.assignment) && sameAssignment(partition.assignment, next)
  yield* forgetRequested(
    state,
    reassignments.filter(isIdle).map(({ partition }) => ({ ...nameOf(partition), replicas: null })),
  )
  return yield* begin(
    state,
    reassignments.filter(each => !isIdle(each)),
  )
}

function* begin(state: ControllerState, reassignments: readonly Reassignment[]): Plan<ReadonlySet<PartitionContext>> {
  if (reassignments.length === 0) return new Set()
  yield* note('info', 'reassignment begins', {
    partitions: reassignments.map(({ partition, next }) => `${partition.name} to ${targetReplicas(next).join(',')}`),
  })
  const failed = yield* changeAssignments(state, reassignments)
  const begun = reassignments.flatMap(({ partition }) => (failed.has(partition) ? [] : [partition]))
  yield* carryOn(state, begun)
  return failed
}

type Verdict = Reassignment | { readonly errorCode: number; readonly message: string }

const unknownPartition = {
  errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  message: 'The partition does not exist.',
}

function judge(
  state: ControllerState,
  { topic, partition: id, replicas }: ReassignmentRequest,
  { mustBeLive }: { readonly mustBeLive: boolean },
): Verdict {
  const partition = state.partition(topic, id)
  if (partition === undefined || state.isQueuedForDeletion(topic)) return unknownPartition
  const { assignment } = partition
  if (replicas === null && !isBeingReassigned(assignment)) {
    return { errorCode: ErrorCode.NO_REASSIGNMENT_IN_PROGRESS, message: 'No partition reassignment is in progress.' }
  }
  const target = replicas ?? originReplicas(assignment)
  const problem = replicaListProblem(target)
  if (problem !== null) return { errorCode: ErrorCode.INVALID_REPLICA_ASSIGNMENT, message: problem }
  const next = reassignTo(assignment, target)
  const dead = next.addingReplicas.filter(brokerId => !state.isLive(brokerId))
  if (mustBeLive && dead.length > 0) {
    const live = state.brokerIds().filter(brokerId => state.isLive(brokerId))
    const message = `Replica assignment has brokers that are not alive. Replica list: ${next.addingReplicas.join(', ')}, live broker list: ${live.join(', ')}`
    return { errorCode: ErrorCode.INVALID_REPLICA_ASSIGNMENT, message }
  }
  if (losesInSyncReplicas(partition, next)) {
    // As KRaft refuses it; the controller of ZooKeeper's time deleted the only good copy.
    const message = `Unable to change the assignment of ${partition.name}: all in-sync replicas would be removed.`
    return { errorCode: ErrorCode.INVALID_REPLICA_ASSIGNMENT, message }
  }
  return { partition, next }
}

function losesInSyncReplicas({ leadership }: PartitionContext, next: ReplicaAssignment): boolean {
  return leadership !== null && !leadership.inSyncReplicas.some(id => next.replicas.includes(id))
}

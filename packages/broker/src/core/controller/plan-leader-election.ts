import { ErrorCode } from '@millrace/protocol/errors'
import type { ControllerState } from './controller-state.ts'
import { NoLeader } from './leadership.ts'
import type { PartitionContext } from './partition-context.ts'
import { changePartitions, nameOf } from './partition-states.ts'
import { note, write } from './plan-step.ts'
import type { PartitionName, Plan } from './plan-step.ts'

export type RequestedElection = 'preferred' | 'unclean'

export interface ElectionOutcome extends PartitionName {
  readonly errorCode: number
  readonly message: string | null
  /** Who leads now, when it was elected. */
  readonly leader: number | null
}

/**
 * Elections that somebody asked for (KIP-183, KIP-460). `partitions` null: all there are. `mayElectUncleanly` false: a member
 * of the ISR that was fenced by hint may live, so only the ISR is asked.
 */
export function* planElectLeaders(
  state: ControllerState,
  election: RequestedElection,
  partitions: readonly PartitionName[] | null,
  mayElectUncleanly = true,
): Plan<ElectionOutcome[]> {
  const outcomes: ElectionOutcome[] = []
  const electable: PartitionContext[] = []
  const asked = partitions ?? [...state.partitions()].map(nameOf)
  for (const name of asked) {
    const partition = state.partition(name.topic, name.partition)
    const refusal = partition === undefined ? unknown(name) : refusalOf(state, election, partition)
    if (refusal === null) electable.push(partition!)
    else outcomes.push(refusal)
  }
  const reason = mayElectUncleanly ? election : 'offline'
  const elected = new Set(yield* changePartitions(state, electable, 'online', reason))
  for (const partition of electable) {
    if (!elected.has(partition)) outcomes.push(notAvailable(partition, election))
    else
      outcomes.push({ ...outcome(partition, ErrorCode.NONE, null), leader: partition.leadership?.leader ?? NoLeader })
  }
  return outcomes
}

const unknown = (name: PartitionName): ElectionOutcome => ({
  ...name,
  errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  message: 'The partition does not exist.',
  leader: null,
})

const outcome = (partition: PartitionContext, errorCode: number, message: string | null): ElectionOutcome => ({
  ...nameOf(partition),
  errorCode,
  message,
  leader: null,
})

function refusalOf(
  state: ControllerState,
  election: RequestedElection,
  partition: PartitionContext,
): ElectionOutcome | null {
  if (state.isQueuedForDeletion(partition.topic)) {
    return outcome(partition, ErrorCode.INVALID_TOPIC_EXCEPTION, 'The topic is being deleted')
  }
  const leader = partition.leadership?.leader
  if (leader === undefined) return notAvailable(partition, election)
  const isNeeded =
    election === 'preferred'
      ? leader !== partition.assignment.replicas[0]
      : leader === NoLeader || !state.isReplicaOnline(leader, partition)
  return isNeeded ? null : outcome(partition, ErrorCode.ELECTION_NOT_NEEDED, null)
}

const notAvailable = (partition: PartitionContext, election: RequestedElection): ElectionOutcome =>
  election === 'preferred'
    ? outcome(partition, ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE, 'The preferred leader is not available.')
    : outcome(partition, ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE, 'No replica is available to lead.')

/** `/admin/preferred_replica_election` was written: elects, and takes it away. */
export function* planElectionsRequested(state: ControllerState, partitions: readonly PartitionName[]): Plan {
  yield* note('info', 'preferred leaders wanted by znode', { partitions: partitions.length })
  yield* planElectLeaders(state, 'preferred', partitions)
  yield* write([{ write: 'delete-preferred-election' }])
}

/**
 * Brokers of which more than `percentage` of the partitions that prefer them are led elsewhere get those back that they
 * can lead now (`leader.imbalance.per.broker.percentage`).
 */
export function* planBalanceLeaders(state: ControllerState, percentage: number): Plan {
  const moving: PartitionContext[] = []
  for (const [brokerId, partitions] of byPreferredLeader(state)) {
    const ledElsewhere = partitions.filter(({ leadership }) => leadership !== null && leadership.leader !== brokerId)
    if (ledElsewhere.length / partitions.length <= percentage / 100) continue
    const movable = ledElsewhere.filter(
      partition =>
        state.isReplicaOnline(brokerId, partition) && partition.leadership?.inSyncReplicas.includes(brokerId) === true,
    )
    moving.push(...movable)
  }
  if (moving.length === 0) return
  yield* note('info', 'leaders go back to the preferred brokers', { partitions: moving.length })
  yield* changePartitions(state, moving, 'online', 'preferred')
}

function byPreferredLeader(state: ControllerState): Map<number, PartitionContext[]> {
  const grouped = new Map<number, PartitionContext[]>()
  for (const partition of state.partitions()) {
    const preferred = partition.assignment.replicas[0]
    if (preferred === undefined || state.isQueuedForDeletion(partition.topic)) continue
    const listed = grouped.get(preferred)
    if (listed === undefined) grouped.set(preferred, [partition])
    else listed.push(partition)
  }
  return grouped
}

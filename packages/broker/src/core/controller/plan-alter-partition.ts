import { ErrorCode } from '@millrace/protocol/errors'
import type { ControllerState } from './controller-state.ts'
import { LeaderRecoveryState } from './leadership.ts'
import type { Leadership } from './leadership.ts'
import type { PartitionContext } from './partition-context.ts'
import { rereadLeadership, stateUpdate } from './partition-states.ts'
import { send, write } from './plan-step.ts'
import type { Plan } from './plan-step.ts'
import { sameList } from './reassignment.ts'
import { RequestBatch } from './request-batch.ts'

/** What a leader asks for (KIP-497): another ISR for partitions that it leads. */
export interface IsrChange {
  readonly brokerId: number
  readonly brokerEpoch: number
  /** The only term in which this may be written; -1 or left out: any. */
  readonly controllerEpoch?: number
  /** Grows with each request of this broker epoch; -1 or left out: the sender does not count. */
  readonly attempt?: number
  readonly proposals: readonly IsrProposal[]
}

export interface IsrProposal {
  /** Up to v1 topics come by name. */
  readonly topic: { readonly id: string } | { readonly name: string }
  readonly partition: number
  readonly leaderEpoch: number
  readonly partitionEpoch: number
  readonly inSyncReplicas: readonly InSyncReplica[]
  readonly leaderRecoveryState: number
}

export interface InSyncReplica {
  readonly brokerId: number
  /** The incarnation whose fetches the leader saw (KIP-903). -1: the leader does not know, as Kafka's with ZooKeeper never do. */
  readonly brokerEpoch: number
}

export interface IsrChangeAnswer {
  /** Of the request as a whole; then there are no proposals. */
  readonly errorCode: number
  /** In the order of the request. */
  readonly proposals: readonly IsrProposalAnswer[]
}

export interface IsrProposalAnswer {
  readonly errorCode: number
  /** What is stored now; null with an error. */
  readonly leadership: Leadership | null
  /** Null when it is not known. */
  readonly partition: PartitionContext | null
}

/**
 * Takes over the ISRs that leaders propose, if what they know is what is stored: the checks are Kafka's, in its order
 * (reference 2.10). The leader epoch stays: the same leader goes on.
 */
export function* planAlterPartition(state: ControllerState, change: IsrChange): Plan<IsrChangeAnswer> {
  // Its leader gave it up when it heard of the next term: it may be refused there by now, and forgotten.
  const isForAnotherTerm = (change.controllerEpoch ?? -1) !== -1 && change.controllerEpoch !== state.controllerEpoch
  if (isForAnotherTerm) return { errorCode: ErrorCode.NOT_CONTROLLER, proposals: [] }
  if (state.brokers.get(change.brokerId)?.epoch !== change.brokerEpoch) {
    return { errorCode: ErrorCode.STALE_BROKER_EPOCH, proposals: [] }
  }
  // It was given up when the later one was sent, whose refusal may have been taken for the end of both.
  if (state.isOvertaken(change.brokerId, change.brokerEpoch, change.attempt ?? -1)) {
    return { errorCode: ErrorCode.NOT_CONTROLLER, proposals: [] }
  }
  const answers: (IsrProposalAnswer | null)[] = []
  const accepted: { index: number; partition: PartitionContext; next: Leadership }[] = []
  for (const [index, proposal] of change.proposals.entries()) {
    const verdict = judge(state, change.brokerId, proposal)
    if ('next' in verdict) accepted.push({ index, ...verdict })
    answers.push('next' in verdict ? null : verdict)
  }
  const outcomes = yield* write(accepted.map(({ partition, next }) => stateUpdate(partition, next)))
  const conflicts: PartitionContext[] = []
  accepted.forEach(({ index, partition, next }, at) => {
    const isDone = outcomes[at] === 'done'
    if (isDone) partition.rememberLeadership(next)
    else conflicts.push(partition)
    answers[index] = isDone ? { errorCode: ErrorCode.NONE, leadership: next, partition } : staleVersion(partition)
  })
  // Somebody wrote past this controller: the leader keeps what it has until the next election.
  yield* rereadLeadership(state, [...new Set(conflicts)])
  const written = accepted.flatMap(({ partition }, at) => (outcomes[at] === 'done' ? [partition] : []))
  if (written.length > 0) {
    const batch = new RequestBatch(state)
    batch.addUpdateMetadata(state.brokerIds(), written)
    yield* send(batch.requests())
  }
  return { errorCode: ErrorCode.NONE, proposals: answers.map(answer => answer!) }
}

const staleVersion = (partition: PartitionContext): IsrProposalAnswer =>
  refusal(ErrorCode.INVALID_UPDATE_VERSION, partition)

const refusal = (errorCode: number, partition: PartitionContext | null): IsrProposalAnswer => ({
  errorCode,
  leadership: null,
  partition,
})

function judge(
  state: ControllerState,
  brokerId: number,
  proposal: IsrProposal,
): IsrProposalAnswer | { readonly partition: PartitionContext; readonly next: Leadership } {
  const topic = 'id' in proposal.topic ? state.topicById(proposal.topic.id) : state.topics.get(proposal.topic.name)
  if (topic === undefined && 'id' in proposal.topic) return refusal(ErrorCode.UNKNOWN_TOPIC_ID, null)
  const partition = topic?.partitions.get(proposal.partition)
  const stored = partition?.leadership ?? null
  if (partition === undefined || stored === null) return refusal(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, null)
  // The leader knows more than we do: another controller told it.
  if (proposal.leaderEpoch > stored.leaderEpoch || proposal.partitionEpoch > stored.partitionEpoch) {
    return refusal(ErrorCode.NOT_CONTROLLER, partition)
  }
  if (proposal.leaderEpoch < stored.leaderEpoch) return refusal(ErrorCode.FENCED_LEADER_EPOCH, partition)
  const ids = proposal.inSyncReplicas.map(each => each.brokerId)
  const isRepeated = sameList(ids, stored.inSyncReplicas) && proposal.leaderRecoveryState === stored.leaderRecoveryState
  // Asked again, because our answer was lost.
  if (isRepeated) return { errorCode: ErrorCode.NONE, leadership: stored, partition }
  if (proposal.partitionEpoch < stored.partitionEpoch) return staleVersion(partition)
  if (isSenseless(brokerId, proposal, stored)) return refusal(ErrorCode.INVALID_REQUEST, partition)
  // The leader itself may be on its way out: it goes when others have caught up.
  const others = proposal.inSyncReplicas.filter(each => each.brokerId !== stored.leader)
  if (!others.every(each => isEligible(state, partition, each))) {
    return refusal(ErrorCode.INELIGIBLE_REPLICA, partition)
  }
  const next: Leadership = {
    ...stored,
    inSyncReplicas: ids,
    leaderRecoveryState: proposal.leaderRecoveryState as LeaderRecoveryState,
    controllerEpoch: state.controllerEpoch,
    partitionEpoch: stored.partitionEpoch + 1,
  }
  return { partition, next }
}

/** Beyond Kafka's two rules of recovery: only the leader may ask, and an ISR holds it, each member once. */
function isSenseless(brokerId: number, proposal: IsrProposal, stored: Leadership): boolean {
  const ids = proposal.inSyncReplicas.map(each => each.brokerId)
  const { recovered, recovering } = LeaderRecoveryState
  const { leaderRecoveryState: wanted } = proposal
  return (
    brokerId !== stored.leader ||
    !ids.includes(stored.leader) ||
    new Set(ids).size !== ids.length ||
    (wanted !== recovered && wanted !== recovering) ||
    (wanted === recovering && ids.length > 1) ||
    (wanted === recovering && stored.leaderRecoveryState === recovered)
  )
}

/**
 * On a live broker that is not shutting down (KIP-841), and the very incarnation that has caught up: one that restarted
 * since then may have lost the end of its log (KIP-903).
 */
function isEligible(state: ControllerState, partition: PartitionContext, member: InSyncReplica): boolean {
  const { brokerId, brokerEpoch } = member
  if (!partition.assignment.replicas.includes(brokerId) || !state.isReplicaOnline(brokerId, partition)) return false
  return brokerEpoch === -1 || brokerEpoch === state.brokers.get(brokerId)?.epoch
}

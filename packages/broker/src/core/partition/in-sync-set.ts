import { ErrorCode } from '@millrace/protocol/errors'
import { assert } from '@millrace/runtime/invariant'

/** One member of a proposed set. `brokerEpoch` -1: not known, the controller does not check it (KIP-903). */
export interface InSyncReplica {
  readonly brokerId: number
  readonly brokerEpoch: number
}

/** What AlterPartition asks for (KIP-497). Valid for one leader epoch and one partition epoch: a compare-and-set. */
export interface IsrProposal {
  readonly leaderEpoch: number
  readonly partitionEpoch: number
  readonly inSyncReplicas: readonly InSyncReplica[]
}

/** What the partition's znode says, as the controller answers it or as somebody read it. */
export interface CommittedIsr {
  readonly leaderEpoch: number
  readonly partitionEpoch: number
  readonly inSyncReplicas: readonly number[]
}

/** `unknown`: no answer came, or one that says nothing; the controller may have written it, or may still do so. */
export type IsrAnswer = CommittedIsr | { readonly errorCode: ErrorCode } | 'unknown'

/**
 * What became of a proposal, and so what its sender does now:
 * - `committed`, `reverted`: it is over; a new one may be made.
 * - `retry`: send the same proposal again, after a pause. Writing it twice does no harm: the second finds it written.
 * - `abandoned`: do not send it again; the next LeaderAndIsr, or `onTruth`, ends it. Until then the maximal set holds.
 * - `ignored`: the answer is to a proposal that is over.
 */
export type ProposalVerdict = 'committed' | 'reverted' | 'retry' | 'abandoned' | 'ignored'

interface Pending {
  readonly kind: 'pending-expand' | 'pending-shrink'
  readonly proposal: IsrProposal
  readonly maximal: readonly number[]
  /** When an attempt last ended without an answer that tells its fate; null: none did. */
  uncertainAtMs: number | null
  /** The newest controller epoch that such an attempt was for; Infinity: it was for any. */
  uncertainEpoch: number
}

/** An attempt that any controller may write, also one that is elected later. */
export const AnyController = -1

/** One sending of a proposal. */
export interface IsrAttempt {
  readonly sentAtMs: number
  /**
   * The only controller epoch in which it may be written, or AnyController. With an epoch it also has a number, by which that
   * controller tells it from later ones: it writes nothing for an attempt when it has looked at a later one.
   */
  readonly controllerEpoch: number
}

/** Refused, and not written. */
const refusals: ReadonlySet<ErrorCode> = new Set([ErrorCode.OPERATION_NOT_ATTEMPTED, ErrorCode.INELIGIBLE_REPLICA])

/** Turned away before anything was looked at: sent again, it is as if it had never been sent. */
const turnedAway: ReadonlySet<ErrorCode> = new Set([ErrorCode.NOT_CONTROLLER, ErrorCode.STALE_BROKER_EPOCH])

/** Somebody else changed the partition: LeaderAndIsr is on its way. An earlier attempt of ours may have been written. */
const overtaken: ReadonlySet<ErrorCode> = new Set([
  ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ErrorCode.UNKNOWN_TOPIC_ID,
  ErrorCode.FENCED_LEADER_EPOCH,
  ErrorCode.INVALID_UPDATE_VERSION,
  ErrorCode.INVALID_REQUEST,
  ErrorCode.NEW_LEADER_ELECTED,
])

/**
 * The in-sync replicas of a partition as its leader knows them, and the one change that is under way (KIP-497).
 *
 * A proposed set may have been written while its answer is still out, so whatever is committed must hold under the set
 * before and the set after: that is `maximal`. Expanding counts at once, shrinking only when the controller has said so.
 * Forgetting a proposal because its answer did not come loses committed records (reliability 4.5: 12 of 300 seeds).
 */
export class InSyncSet {
  readonly leaderEpoch: number
  private readonly replicas: readonly number[]
  /** A request that got no answer for this long is not going to be written any more, ms. */
  private readonly attemptLifetimeMs: number
  private epoch: number
  private members: readonly number[]
  private pending: Pending | null = null

  constructor(start: CommittedIsr & { readonly replicas: readonly number[]; readonly attemptLifetimeMs: number }) {
    assert(
      start.inSyncReplicas.every(id => start.replicas.includes(id)),
      'only replicas are in sync',
    )
    this.leaderEpoch = start.leaderEpoch
    this.replicas = start.replicas
    this.attemptLifetimeMs = start.attemptLifetimeMs
    this.epoch = start.partitionEpoch
    this.members = start.inSyncReplicas
  }

  get partitionEpoch(): number {
    return this.epoch
  }
  get state(): 'committed' | 'pending-expand' | 'pending-shrink' {
    return this.pending?.kind ?? 'committed'
  }
  /** What the controller last confirmed. */
  get committed(): readonly number[] {
    return this.members
  }
  /** Every replica that may be in the controller's set: nothing is committed that one of these does not have. */
  get maximal(): readonly number[] {
    return this.pending?.maximal ?? this.members
  }
  /** The proposal under way. */
  get proposal(): IsrProposal | null {
    return this.pending?.proposal ?? null
  }

  expand(inSyncReplicas: readonly InSyncReplica[]): IsrProposal {
    const ids = inSyncReplicas.map(({ brokerId }) => brokerId)
    assert(
      this.members.every(id => ids.includes(id)),
      'an expansion keeps every member',
    )
    return this.propose('pending-expand', inSyncReplicas, ids)
  }

  shrink(inSyncReplicas: readonly InSyncReplica[]): IsrProposal {
    assert(inSyncReplicas.length > 0, 'somebody is in sync')
    return this.propose('pending-shrink', inSyncReplicas, this.members)
  }

  /** `attempt`: the one that this answers. */
  onAnswer(proposal: IsrProposal, answer: IsrAnswer, nowMs: number, attempt: IsrAttempt): ProposalVerdict {
    const { controllerEpoch, sentAtMs } = attempt
    const { pending } = this
    if (pending === null || pending.proposal !== proposal) return 'ignored'
    if (answer === 'unknown') return this.onUncertain(pending, nowMs, controllerEpoch)
    if ('leaderEpoch' in answer) return this.onCommitted(answer)
    if (overtaken.has(answer.errorCode)) return 'abandoned'
    if (turnedAway.has(answer.errorCode)) return 'retry'
    // The controller failed somewhere, perhaps after it had written.
    if (!refusals.has(answer.errorCode)) return this.onUncertain(pending, nowMs, controllerEpoch)
    // This attempt was refused; one that got no answer may still arrive, and be written where this one was not. Not in the term of the
    // controller that refused, as that has seen a later one; and not in an earlier term: this controller read what was written in those when it
    // was elected, and nothing is written in them any more. But any controller may write an attempt that names none.
    const { uncertainAtMs, uncertainEpoch } = pending
    const mayArrive = uncertainAtMs !== null && controllerEpoch < uncertainEpoch
    // Not before that one has died was this one looked at: had it been written in between, it would have been found written.
    if (mayArrive && sentAtMs - uncertainAtMs < this.attemptLifetimeMs) return 'retry'
    this.pending = null
    return 'reverted'
  }

  /**
   * The state was read back. It ends a proposal only when it is newer than what the proposal builds on: while the partition
   * epoch is the same, the request may still be waiting somewhere, and would be written.
   */
  onTruth(truth: CommittedIsr): ProposalVerdict {
    if (truth.leaderEpoch !== this.leaderEpoch || truth.partitionEpoch <= this.epoch) return 'ignored'
    return this.onCommitted(truth)
  }

  private onUncertain(pending: Pending, nowMs: number, controllerEpoch: number): ProposalVerdict {
    pending.uncertainAtMs = nowMs
    pending.uncertainEpoch =
      controllerEpoch === AnyController ? Infinity : Math.max(pending.uncertainEpoch, controllerEpoch)
    return 'retry'
  }

  private onCommitted(committed: CommittedIsr): ProposalVerdict {
    // Another leader epoch: this set is history, and the LeaderAndIsr that says so is on its way.
    if (committed.leaderEpoch !== this.leaderEpoch) return 'abandoned'
    if (committed.partitionEpoch < this.epoch) return 'abandoned'
    assert(
      committed.inSyncReplicas.every(id => this.replicas.includes(id)),
      'only replicas are in sync',
    )
    this.epoch = committed.partitionEpoch
    this.members = committed.inSyncReplicas
    this.pending = null
    return 'committed'
  }

  private propose(
    kind: Pending['kind'],
    inSyncReplicas: readonly InSyncReplica[],
    maximal: readonly number[],
  ): IsrProposal {
    assert(this.pending === null, 'one change at a time: two could both be written')
    const proposal = { leaderEpoch: this.leaderEpoch, partitionEpoch: this.epoch, inSyncReplicas }
    this.pending = { kind, proposal, maximal, uncertainAtMs: null, uncertainEpoch: AnyController }
    return proposal
  }
}

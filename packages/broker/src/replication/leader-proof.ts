import type { Clock, Timer, Timers } from '@millrace/runtime/ports'
import { EventLoopGap } from '../core/partition/event-loop-gap.ts'
import { confirmAfterShare, leaderRight } from '../core/partition/leader-right.ts'

/** This broker in ZooKeeper; metadata/broker-registration.ts fits. */
export interface OwnRegistration {
  /** Does ZooKeeper answer, in the session that we are registered under? */
  readonly isReachable: boolean
  /** Of the present registration; another one after the session expired. */
  readonly brokerEpoch: number
  /** Reads the own znode: true when it is ours, of our present epoch. Rejects when no answer comes. */
  confirm(): Promise<boolean>
}

export interface LeaderProofOptions {
  readonly registration: OwnRegistration
  readonly sessionTimeoutMs: number
  readonly clock: Clock
  readonly timers: Timers
}

/** What the proof has to know of a partition. */
export interface LedPartition {
  readonly isOnlyReplica: boolean
  /** Newest fetch of another in-sync replica in this leader epoch, monotonic ms. */
  readonly lastInSyncFetchMs: number
}

/** A pause is seen by whatever runs next; this only keeps an idle loop from looking like one. */
const ticksPerSession = 20
const retryMs = 50

/**
 * A leader never answers from the past: core/partition/leader-right.ts says why, this asks at the right moments. `mayLead` before
 * a request is served, for ZooKeeper that does not answer; `isInDoubt` before its answer leaves, for a loop that stood still.
 */
export class LeaderProof {
  private readonly options: LeaderProofOptions
  private readonly gap: EventLoopGap
  private tick: Timer | null = null
  private confirmation: Promise<boolean> | null = null

  constructor(options: LeaderProofOptions) {
    this.options = options
    const { clock, sessionTimeoutMs } = options
    this.gap = new EventLoopGap(clock.monotonicMs(), sessionTimeoutMs * confirmAfterShare)
  }

  start(): void {
    const { timers, sessionTimeoutMs } = this.options
    this.tick = timers.every(sessionTimeoutMs / ticksPerSession, () => {
      if (this.isInDoubt) void this.confirmed()
    })
  }

  close(): void {
    this.tick?.cancel()
    this.tick = null
  }

  /** May this partition be served as its leader, as far as ZooKeeper's silence is concerned? */
  mayLead(partition: LedPartition): boolean {
    const { registration, clock } = this.options
    if (registration.isReachable) return true
    return this.rightOf(clock.monotonicMs(), 0, { ...factsOf(partition), isZooKeeperReachable: false }) === 'answer'
  }

  /** Was there a pause in which another leader may have been elected? Then `confirmed` comes before any answer. */
  get isInDoubt(): boolean {
    const nowMs = this.options.clock.monotonicMs()
    this.gap.onTurn(nowMs)
    const { unconfirmedMs } = this.gap
    // Asked before each answer, and hardly ever was there a pause.
    return unconfirmedMs > 0 && this.rightOf(nowMs, unconfirmedMs, certain) === 'confirm'
  }

  /**
   * True when the registration under which this is called was found after the last long pause. False when it is gone, or ZooKeeper was
   * silent for a session timeout; also when this broker has registered anew meanwhile, though what it finds then is its own: what waits
   * here was answered under the registration before, and others may have led since.
   */
  async confirmed(): Promise<boolean> {
    const { registration } = this.options
    const { brokerEpoch } = registration
    this.confirmation ??= this.confirm().finally(() => (this.confirmation = null))
    return (await this.confirmation) && registration.brokerEpoch === brokerEpoch
  }

  private async confirm(): Promise<boolean> {
    const { registration, clock, timers, sessionTimeoutMs } = this.options
    const endMs = clock.monotonicMs() + sessionTimeoutMs
    for (;;) {
      const sentMs = clock.monotonicMs()
      try {
        if (!(await registration.confirm())) return false
        this.gap.onConfirmed(sentMs)
        if (!this.isInDoubt) return true
      } catch {
        // Not connected, or expired: the next attempt, or the time limit, decides.
      }
      if (clock.monotonicMs() >= endMs) return false
      await new Promise<void>(resolve => void timers.after(retryMs, resolve))
    }
  }

  private rightOf(
    nowMs: number,
    unconfirmedGapMs: number,
    facts: { readonly isZooKeeperReachable: boolean } & LedPartition,
  ): ReturnType<typeof leaderRight> {
    const { sessionTimeoutMs } = this.options
    return leaderRight({ nowMs, sessionTimeoutMs, unconfirmedGapMs, ...facts })
  }
}

const certain = { isZooKeeperReachable: true, isOnlyReplica: false, lastInSyncFetchMs: -Infinity }

function factsOf({ isOnlyReplica, lastInSyncFetchMs }: LedPartition): LedPartition {
  return { isOnlyReplica, lastInSyncFetchMs }
}

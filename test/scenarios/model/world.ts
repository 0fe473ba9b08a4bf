import type { ErrorCode } from '@millrace/protocol/errors'
import type { LeaderEpochCache } from '@millrace/broker/core/log/leader-epoch-cache'
import type { IsrAnswer, IsrAttempt, IsrProposal } from '@millrace/broker/core/partition/in-sync-set'
import type { FetchAnswer, FetchStep, PartitionFollower } from '@millrace/broker/core/partition/partition-follower'
import type { PartitionLeader } from '@millrace/broker/core/partition/partition-leader'

/** Three replicas of one partition, its znode, and what is on the wire between them. Everything but replicas is never changed in place. */
export interface World {
  readonly znode: Znode
  /** What the controller said in each leader epoch; a broker may hear it late, twice, or never. */
  readonly orders: readonly Order[]
  readonly replicas: readonly Replica[]
  readonly network: readonly Message[]
  /** Ghost: the record at each offset that anybody ever saw below a high watermark. */
  readonly exposed: readonly Rec[]
  /** Lossy restarts so far. */
  readonly restarts: number
  /** The controller in office: its epoch. */
  readonly controllerEpoch: number
  /** AlterPartition requests sent so far, by anybody: the number of the last. */
  readonly attempts: number
  /** Of each replica's the newest that the controller in office has looked at; -1: none. */
  readonly newestAttempts: readonly number[]
  /** The replica that this controller takes to be shutting down; -1: none. Its successors do not know of it. */
  readonly shunned: number
  /** How often a controller changed its mind about that. */
  readonly shuns: number
  readonly nowMs: number
}

/** A record, as `leaderEpoch * 8 + writer`: one leader per epoch writes an offset once, so with its offset that names it. */
export type Rec = number

export interface Znode {
  readonly leader: number
  readonly leaderEpoch: number
  readonly inSyncReplicas: readonly number[]
  readonly partitionEpoch: number
}

export interface Order extends Znode {
  /** Whom it was addressed to: the incarnation of each broker that was registered then. */
  readonly brokerEpochs: readonly number[]
}

export type Message =
  | {
      readonly kind: 'fetch'
      readonly from: number
      readonly to: number
      readonly brokerEpoch: number
      readonly asked: FetchStep
    }
  | {
      readonly kind: 'fetched'
      readonly to: number
      readonly brokerEpoch: number
      readonly asked: FetchStep
      readonly answer: FetchAnswer
      readonly records: readonly Rec[]
    }
  /** `copy` 1: an earlier attempt, whose answer nobody waits for; it may arrive long after. */
  | {
      readonly kind: 'alter'
      readonly from: number
      readonly copy: 0 | 1
      readonly proposal: IsrProposal
      readonly attempt: IsrAttempt
      readonly number: number
    }
  | {
      readonly kind: 'altered'
      readonly to: number
      readonly proposal: IsrProposal
      readonly answer: IsrAnswer
      readonly attempt: IsrAttempt
    }

/** One broker's copy: the log, and the machine of its role. */
export interface Replica {
  readonly log: ModelLog
  leaderEpoch: number
  partitionEpoch: number
  brokerEpoch: number
  leader: PartitionLeader | null
  follower: PartitionFollower | null
  /** Error of the last refused produce: for checks. */
  refused: ErrorCode
}

/** The part of PartitionLog that the machines see; every append is written at once. */
export class ModelLog {
  records: readonly Rec[]
  highWatermark: number
  leaderEpochs: LeaderEpochCache
  readonly logStartOffset = 0

  constructor(records: readonly Rec[], highWatermark: number, leaderEpochs: LeaderEpochCache) {
    this.records = records
    this.highWatermark = highWatermark
    this.leaderEpochs = leaderEpochs
  }

  get logEndOffset(): number {
    return this.records.length
  }
  get nextOffset(): number {
    return this.records.length
  }

  append(records: readonly Rec[]): void {
    for (const [index, rec] of records.entries()) this.leaderEpochs.assign(rec >> 3, this.records.length + index)
    this.records = [...this.records, ...records]
  }

  truncateTo(endOffset: number): void {
    this.records = this.records.slice(0, endOffset)
    this.highWatermark = Math.min(this.highWatermark, this.records.length)
    this.leaderEpochs.truncateFromEnd(endOffset)
  }

  copy(Cache: typeof LeaderEpochCache): ModelLog {
    return new ModelLog(this.records, this.highWatermark, new Cache(this.leaderEpochs.entries))
  }
}

/** The same class, the same fields: what a machine holds, it holds in fields. */
const twin = <T extends object>(value: T): T => Object.assign(Object.create(Object.getPrototypeOf(value)), value) as T

interface LeaderFields {
  followers: readonly object[]
  isr: { pending: object | null }
}

export function copyReplica(replica: Replica, Cache: typeof LeaderEpochCache): Replica {
  const log = replica.log.copy(Cache)
  let leader = replica.leader
  if (leader !== null) {
    leader = twin(leader)
    const fields = leader as unknown as LeaderFields
    fields.followers = fields.followers.map(twin)
    fields.isr = twin(fields.isr)
    if (fields.isr.pending !== null) fields.isr.pending = twin(fields.isr.pending)
  }
  let follower = replica.follower
  if (follower !== null) {
    follower = twin(follower)
    ;(follower as unknown as { log: ModelLog }).log = log
  }
  return { ...replica, log, leader, follower }
}

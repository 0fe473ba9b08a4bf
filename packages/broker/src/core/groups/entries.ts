/** One member as the log keeps it. `subscription` is its metadata for the protocol that the group chose. */
export interface MemberRecord {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly clientId: string
  /** Java's textual form, `/10.0.0.5`. */
  readonly clientHost: string
  readonly rebalanceTimeoutMs: number
  readonly sessionTimeoutMs: number
  readonly subscription: Buffer
  readonly assignment: Buffer
}

/** A group at the end of a rebalance: Stable with members, Empty without. */
export interface GroupRecord {
  readonly protocolType: string
  readonly generation: number
  readonly protocol: string | null
  readonly leader: string | null
  /** Wall clock; -1: not known. */
  readonly currentStateTimestampMs: number
  readonly members: readonly MemberRecord[]
}

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

export interface OffsetRecord {
  readonly offset: number
  /** -1: none. */
  readonly leaderEpoch: number
  readonly metadata: string
  readonly commitTimestampMs: number
  /** -1: the broker's retention decides. */
  readonly expireTimestampMs: number
}

/** What one record of __consumer_offsets says; null: it is gone. */
export type GroupEntry =
  { readonly kind: 'group'; readonly groupId: string; readonly value: GroupRecord | null } | OffsetEntry

export interface OffsetEntry extends TopicPartition {
  readonly kind: 'offset'
  readonly groupId: string
  readonly value: OffsetRecord | null
}

import type { ErrorCode } from '@millrace/protocol/errors'

/** One partition as a Fetch request asks for it. `topic` is null when its id is not known here. */
export interface FetchPartition {
  topic: string | null
  readonly topicId: string
  readonly partition: number
  currentLeaderEpoch: number
  fetchOffset: number
  lastFetchedEpoch: number
  logStartOffset: number
  maxBytes: number
  /** Null: read it with each fetch. */
  readonly interest: FollowerInterest | null
}

/**
 * A follower's session of thousands of partitions reads only those that have news. Whoever reads one ties its `interest` to
 * the replica it found, and calls `onNews` for whatever may change the answer; without a tie it is read each time.
 */
export interface FollowerInterest {
  tie: { readonly source: unknown; end(): void } | null
  onNews(): void
}

/** The few facts of an answered partition that decide whether an incremental answer must carry it. */
export interface FetchedPartition {
  readonly errorCode: ErrorCode
  readonly highWatermark: number
  readonly logStartOffset: number
  readonly recordsSize: number
  /** -1: none. */
  readonly preferredReadReplica: number
  readonly isDiverging: boolean
  /** There is nothing more to tell before there are news. */
  readonly isServed: boolean
}

import { ErrorCode } from '@millrace/protocol/errors'
import { noPlace, type BagMember } from './bag.ts'
import type { FetchedPartition, FetchPartition, FollowerInterest } from './fetch-partition.ts'
import type { Ordered } from './read-order.ts'

/** The session of a follower. */
export interface NewsTaker {
  onNews(partition: CachedPartition): void
}

/** One partition of a session: what the client asked for last, and what it was told last. */
export class CachedPartition implements FetchPartition, FollowerInterest, BagMember, Ordered<CachedPartition> {
  place = noPlace
  before: CachedPartition | null = null
  after: CachedPartition | null = null
  /** Its session is not about it any more. */
  isForgotten = false
  tie: FollowerInterest['tie'] = null
  /** Of a follower: told of news. */
  private readonly session: NewsTaker | null
  topic: string | null
  readonly topicId: string
  readonly partition: number
  currentLeaderEpoch: number
  fetchOffset: number
  lastFetchedEpoch: number
  logStartOffset: number
  maxBytes: number
  private toldHighWatermark = -1
  private toldLogStartOffset = -1

  constructor(from: FetchPartition, session: NewsTaker | null) {
    this.session = session
    this.topic = from.topic
    this.topicId = from.topicId
    this.partition = from.partition
    this.currentLeaderEpoch = from.currentLeaderEpoch
    this.fetchOffset = from.fetchOffset
    this.lastFetchedEpoch = from.lastFetchedEpoch
    this.logStartOffset = from.logStartOffset
    this.maxBytes = from.maxBytes
  }

  get interest(): FollowerInterest | null {
    return this.session === null || this.isForgotten ? null : this
  }

  onNews(): void {
    this.session?.onNews(this)
  }

  end(): void {
    this.isForgotten = true
    this.tie?.end()
    this.tie = null
  }

  update(from: FetchPartition): void {
    if (from.topic !== null) this.topic = from.topic
    this.currentLeaderEpoch = from.currentLeaderEpoch
    this.fetchOffset = from.fetchOffset
    this.lastFetchedEpoch = from.lastFetchedEpoch
    this.logStartOffset = from.logStartOffset
    this.maxBytes = from.maxBytes
    // A follower whose mind changed while an answer was on its way, or that had to truncate first, has used nothing of it. Our own followers would begin anew.
    if (this.session !== null) this.toldHighWatermark = this.toldLogStartOffset = -1
  }

  remember(row: FetchedPartition): void {
    // After an error the client must hear of the recovery, even when nothing else has changed.
    this.toldHighWatermark = row.errorCode === ErrorCode.NONE ? row.highWatermark : -1
    this.toldLogStartOffset = row.logStartOffset
  }

  mustRespond(row: FetchedPartition): boolean {
    const hasNews =
      row.recordsSize > 0 ||
      row.highWatermark !== this.toldHighWatermark ||
      row.logStartOffset !== this.toldLogStartOffset ||
      row.preferredReadReplica >= 0 ||
      row.errorCode !== ErrorCode.NONE ||
      row.isDiverging
    this.remember(row)
    return hasNews
  }
}

import type { AppendOrigin, AppendOutcome } from '../core/log/append-outcome.ts'
import type { LeaderEpochCache } from '../core/log/leader-epoch-cache.ts'
import type { TopicSettings } from '../settings/topic-settings.ts'
import type { LogEffects } from './log-effects.ts'

/** A fetch or lookup outside logStartOffset..logEndOffset. */
export class OffsetOutOfRange extends Error {
  override readonly name = 'OffsetOutOfRange'
}

export interface AppendOptions {
  readonly leaderEpoch: number
  readonly origin: AppendOrigin
  /** Of the Produce request: v3 and up carry exactly one magic 2 batch; zstd needs v7. */
  readonly apiVersion: number
  readonly nowMs: number
}

export interface ReadOptions {
  readonly fetchOffset: number
  readonly maxBytes: number
  /** Exclusive limit: high watermark, last stable offset or log end offset. */
  readonly endOffset: number
  /** Answer the first batch even when it is larger than `maxBytes` (KIP-74). */
  readonly minOneBatch: boolean
}

/** Whole batches. `release` exactly once, when the bytes are sent. */
export interface FetchedBatches {
  readonly bytes: Buffer
  /** Base offset of the first batch: may lie before the fetch offset. */
  readonly firstOffset: number
  /** Where the next fetch would begin. */
  readonly nextOffset: number
  release(): void
}

export interface TimestampOffset {
  readonly timestamp: number
  readonly offset: number
  readonly leaderEpoch: number
}

export interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: number
}

export interface ActiveProducer {
  readonly producerId: number
  readonly producerEpoch: number
  readonly lastSequence: number
  readonly lastTimestamp: number
  readonly coordinatorEpoch: number
  /** -1: no transaction is open. */
  readonly currentTransactionStartOffset: number
}

export declare class PartitionLog {
  readonly topic: string
  readonly partition: number
  readonly topicId: string | null
  /** `<log.dir>/<topic>-<partition>` */
  readonly path: string
  /** The entry of log.dirs that holds it. */
  readonly directory: string
  readonly settings: TopicSettings
  readonly logStartOffset: number
  /** Exclusive; everything below is written. */
  readonly logEndOffset: number
  readonly highWatermark: number
  readonly recoveryPoint: number
  /** Bytes of all segments. */
  readonly size: number
  readonly segmentCount: number
  readonly firstUnstableOffset: number | null
  /** min(highWatermark, first unstable offset). */
  readonly lastStableOffset: number
  readonly leaderEpochs: LeaderEpochCache
  readonly isOffline: boolean
  attach(effects: LogEffects): void
  reconfigure(settings: TopicSettings): void
  /** Writes partition.metadata. Throws when the log has another id. */
  assignTopicId(topicId: string): void
  assignLeaderEpoch(leaderEpoch: number, startOffset: number): void
  setHighWatermark(highWatermark: number): void
  /** Replicas only: raises the log start (bounded by the high watermark). */
  deleteRecordsBefore(offset: number): void
  appendAsLeader(records: Buffer, options: AppendOptions): AppendOutcome
  appendAsFollower(records: Buffer, nowMs: number): AppendOutcome
  read(options: ReadOptions): FetchedBatches | null
  abortedTransactions(fetchOffset: number, endOffset: number): AbortedTransaction[]
  offsetForTimestamp(timestamp: number, endOffset: number): TimestampOffset | null
  offsetOfMaxTimestamp(endOffset: number): TimestampOffset | null
  /** ListOffsets v0: base offsets, newest first. */
  legacyOffsetsBefore(timestamp: number, maxCount: number): number[]
  truncateTo(offset: number): void
  truncateFullyAndStartAt(offset: number): void
  activeProducers(): ActiveProducer[]
  flush(): void
}

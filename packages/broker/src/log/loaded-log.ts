import type { LeaderEpochCache } from '../core/log/leader-epoch-cache.ts'
import type { ProducerState } from '../core/log/producer-state.ts'
import type { TopicSettings } from '../settings/topic-settings.ts'
import type { ProducerSnapshots } from './producer-snapshots.ts'
import type { Segments } from './segments.ts'

/** What loading a log found. */
export interface LoadedLog {
  readonly topic: string
  readonly partition: number
  readonly topicId: string | null
  /** The entry of log.dirs. */
  readonly directory: string
  /** Its path changes when the log is deleted. */
  readonly folder: { path: string }
  readonly settings: TopicSettings
  readonly segments: Segments
  readonly producers: ProducerState
  readonly snapshots: ProducerSnapshots
  readonly leaderEpochs: LeaderEpochCache
  readonly logStartOffset: number
  readonly logEndOffset: number
  readonly recoveryPoint: number
  readonly highWatermark: number
  /** How far it is compacted; null: not at all. */
  readonly cleanedOffset: number | null
}

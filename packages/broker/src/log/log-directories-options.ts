import type { BufferPool } from '@millrace/runtime/buffer-pool'
import type { Logger } from '@millrace/runtime/logger'
import type { Metrics } from '@millrace/runtime/metrics'
import type { World } from '@millrace/runtime/ports'
import type { TopicSettings } from '../settings/topic-settings.ts'
import type { CleanerSettings } from './cleaner.ts'

export interface LogDirectoriesOptions {
  readonly world: World
  readonly logger: Logger
  readonly bufferPool: BufferPool
  /** log.dirs, absolute, in the order of the setting. */
  readonly directories: readonly string[]
  /** Those of them that are offline before they are looked at, and why. */
  readonly failedDirectories?: ReadonlyMap<string, Error>
  /** Effective settings of a topic at this moment. */
  readonly settingsOf: (topic: string) => TopicSettings
  /** log.initial.task.delay.ms: before the first look for segments to delete; Kafka's 30 s where not given. */
  readonly initialTaskDelayMs?: number
  /** log.retention.check.interval.ms */
  readonly retentionCheckIntervalMs: number
  /** log.flush.scheduler.interval.ms */
  readonly flushCheckIntervalMs: number
  /** log.flush.offset.checkpoint.interval.ms */
  readonly recoveryPointCheckpointIntervalMs: number
  /** log.flush.start.offset.checkpoint.interval.ms */
  readonly logStartOffsetCheckpointIntervalMs: number
  /** replica.high.watermark.checkpoint.interval.ms */
  readonly highWatermarkCheckpointIntervalMs: number
  /** producer.id.expiration.ms; dynamic. */
  readonly producerIdExpirationMs: () => number
  readonly producerIdExpirationCheckIntervalMs: number
  /** Null: log.cleaner.enable is false. Asked each time: they are dynamic. */
  readonly cleaner?: (() => CleanerSettings) | null
  readonly metrics?: Metrics
  /** Files of partitions open at the same time. */
  readonly openFilesMax?: number
  /** Memory for the ends of logs, of all of them together. */
  readonly tailBytesMax?: number
}

import type { Logger } from '@millrace/runtime/logger'
import type { BufferPool } from '@millrace/runtime/buffer-pool'
import type { World } from '@millrace/runtime/ports'
import type { TopicSettings } from '../settings/topic-settings.ts'
import type { PartitionLog } from './partition-log.ts'

export interface LogDirectoriesOptions {
  readonly world: World
  readonly logger: Logger
  readonly bufferPool: BufferPool
  /** log.dirs, absolute. */
  readonly directories: readonly string[]
  /** Effective settings of a topic at this moment. */
  readonly settingsOf: (topic: string) => TopicSettings
  readonly retentionCheckIntervalMs: number
  readonly flushCheckIntervalMs: number
  readonly recoveryPointCheckpointIntervalMs: number
  readonly logStartOffsetCheckpointIntervalMs: number
  readonly highWatermarkCheckpointIntervalMs: number
  readonly producerIdExpirationMs: number
  readonly producerIdExpirationCheckIntervalMs: number
}

export interface LogDirectoriesEffects {
  /** A directory failed; all its logs got `failed`. `isLast`: none is left, the broker must stop. */
  directoryFailed(directory: string, error: Error, isLast: boolean): void
}

export interface DirectoryDescription {
  readonly directory: string
  readonly isOffline: boolean
  readonly totalBytes: number
  readonly usableBytes: number
  readonly logs: readonly { topic: string; partition: number; size: number; isFuture: boolean }[]
}

export declare class LogDirectories {
  constructor(options: LogDirectoriesOptions)
  attach(effects: LogDirectoriesEffects): void
  readonly hasOffline: boolean
  readonly onlineDirectories: readonly string[]
  /** Locks every directory, loads and recovers every log. Resolves when all are readable. */
  load(): Promise<void>
  /** Starts the retention, flush and checkpoint tasks. */
  start(): void
  get(topic: string, partition: number): PartitionLog | undefined
  all(): PartitionLog[]
  /** The log, made if missing in the directory with the fewest logs. Throws while a directory is offline unless `isNew`. */
  create(options: { topic: string; partition: number; topicId: string | null; isNew: boolean }): PartitionLog
  /** Renames it to `-delete`; the files go after file.delete.delay.ms. */
  delete(topic: string, partition: number): void
  reconfigure(topic: string): void
  checkpointHighWatermarks(): void
  describe(): DirectoryDescription[]
  /** Flushes, writes snapshots, checkpoints and the clean marker; releases the locks. */
  close(): Promise<void>
  /** As a kill would: nothing is flushed, no checkpoint is written; files are closed and locks released. */
  abandon(): void
}

import type { BufferPool } from '@millrace/runtime/buffer-pool'
import type { Logger } from '@millrace/runtime/logger'
import type { World } from '@millrace/runtime/ports'
import type { CommitQueue } from './commit-queue.ts'
import type { EpochFiles } from './epoch-files.ts'
import type { FlushQueue } from './flush-queue.ts'
import type { OpenFiles } from './open-files.ts'
import type { TailCache } from './tail-cache.ts'
import type { Trash } from './trash.ts'

/** What all logs of a broker share. */
export interface LogContext {
  readonly world: World
  readonly logger: Logger
  readonly bufferPool: BufferPool
  readonly openFiles: OpenFiles
  readonly tailCache: TailCache
  readonly commits: CommitQueue
  readonly epochFiles: EpochFiles
  readonly flushes: FlushQueue
  readonly trash: Trash
  /** Asked each time: it is dynamic. */
  readonly producerIdExpirationMs: () => number
  /** A file operation in a log directory failed: that directory goes offline, with all its logs. */
  readonly onFailure: (directory: string, error: Error) => void
  /** A log of the directory was cut below its recovery point: the checkpoint should say so soon. */
  readonly onRecoveryPointLowered: (directory: string) => void
  /** A log of the directory was cut below the end of its compaction: the checkpoint must say so before anything is appended for good. */
  readonly onCleanedOffsetLowered: (directory: string) => void
}

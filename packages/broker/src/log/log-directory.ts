import { decodeOffsetCheckpoint } from '@millrace/protocol/storage/checkpoint'
import type { OffsetCheckpointEntry } from '@millrace/protocol/storage/checkpoint'
import { cleanShutdownMarker } from '@millrace/protocol/storage/clean-shutdown'
import {
  cleanerCheckpointName,
  cleanShutdownName,
  highWatermarkCheckpointName,
  lockName,
  logStartCheckpointName,
  parseDirectoryName,
  recoveryPointCheckpointName,
} from '@millrace/protocol/storage/file-names'
import type { PartitionDirectoryName } from '@millrace/protocol/storage/file-names'
import { MalformedFile } from '@millrace/protocol/storage/malformed-file'
import type { FileLock } from '@millrace/runtime/ports'
import type { LogContext } from './log-context.ts'
import { OffsetCheckpointFile } from './offset-checkpoint-file.ts'
import type { PartitionLog } from './partition-log.ts'
import { readWhole } from './write-fully.ts'

/** What the checkpoints of a directory say of one partition. */
export interface CheckpointedOffsets {
  readonly recoveryPoint: number
  readonly logStartOffset: number
  readonly highWatermark: number
  /** Null where compaction has not been. */
  readonly cleanedOffset: number | null
}

export interface FoundFolder extends PartitionDirectoryName {
  /** The entry of log.dirs that it is in. */
  readonly directory: string
  readonly path: string
}

/** One entry of log.dirs: its lock, its clean marker and its checkpoints. */
export class LogDirectory {
  readonly path: string
  /** Why it is offline; null while it works. */
  failure: Error | null = null
  /** The logs in it that are loaded, those on their way in included. */
  readonly logs = new Set<PartitionLog>()
  readonly #context: LogContext
  readonly #recoveryPoints: OffsetCheckpointFile
  readonly #logStarts: OffsetCheckpointFile
  readonly #highWatermarks: OffsetCheckpointFile
  readonly #cleanedOffsets: OffsetCheckpointFile
  #lock: FileLock | null = null
  /** Counts what checkpoints must not tell any more; and how much of that the disk knows. */
  #changes = 0
  #writtenChanges = 0
  /** Names of logs that are gone, each with the change that it was, while checkpoints on the disk may still tell of them. */
  readonly #forgotten = new Map<string, number>()

  constructor(context: LogContext, path: string) {
    this.#context = context
    this.path = path
    const { files } = context.world
    this.#recoveryPoints = new OffsetCheckpointFile(files, path, recoveryPointCheckpointName)
    this.#logStarts = new OffsetCheckpointFile(files, path, logStartCheckpointName)
    this.#highWatermarks = new OffsetCheckpointFile(files, path, highWatermarkCheckpointName)
    this.#cleanedOffsets = new OffsetCheckpointFile(files, path, cleanerCheckpointName)
  }

  get isOnline(): boolean {
    return this.failure === null
  }

  /** Taken for this process. */
  get isOpen(): boolean {
    return this.#lock !== null
  }

  /** Makes the folder if it is missing and takes it for this process. Throws FileLocked when another has it. */
  open(): void {
    const { files } = this.#context.world
    files.makeDirectory(this.path)
    this.#lock = files.lock(`${this.path}/${lockName}`)
  }

  /** Whether the last stop was orderly. Says so once: the marker is gone afterwards. */
  takeCleanMarker(): boolean {
    const { files } = this.#context.world
    const path = `${this.path}/${cleanShutdownName}`
    if (files.stat(path) === null) return false
    files.remove(path)
    files.syncDirectory(this.path)
    return true
  }

  /** The last thing of an orderly stop. */
  writeCleanMarker(): void {
    this.#context.world.files.replaceFile(`${this.path}/${cleanShutdownName}`, cleanShutdownMarker)
  }

  /** The folders of partitions, those on their way out included. */
  folders(): FoundFolder[] {
    const { files } = this.#context.world
    return files.list(this.path).flatMap(name => {
      const parsed = parseDirectoryName(name)
      const path = `${this.path}/${name}`
      const isFolder = parsed !== null && files.stat(path)?.isDirectory === true
      return isFolder ? [{ ...parsed, directory: this.path, path }] : []
    })
  }

  /** By `topic-partition`. */
  readCheckpoints(): (topic: string, partition: number) => CheckpointedOffsets {
    const recoveryPoints = this.readForgiving(recoveryPointCheckpointName)
    const logStarts = this.readForgiving(logStartCheckpointName)
    const highWatermarks = this.read(highWatermarkCheckpointName)
    const cleanedOffsets = this.readForgiving(cleanerCheckpointName)
    return (topic, partition) => {
      const key = `${topic}-${partition}`
      return {
        recoveryPoint: recoveryPoints.get(key) ?? 0,
        logStartOffset: logStarts.get(key) ?? 0,
        highWatermark: highWatermarks.get(key) ?? 0,
        cleanedOffset: cleanedOffsets.get(key) ?? null,
      }
    }
  }

  writeRecoveryPoints(): void {
    this.#recoveryPoints.write(this.recoveryPoints())
  }

  writeLogStartOffsets(): void {
    this.#logStarts.write(this.logStarts())
  }

  /** The three of them as they are written now and then, behind the loop's back. */
  writeRecoveryPointsAsync(): Promise<unknown> {
    return this.#recoveryPoints.writeAsync(this.recoveryPoints())
  }

  writeLogStartOffsetsAsync(): Promise<unknown> {
    return this.#logStarts.writeAsync(this.logStarts())
  }

  writeHighWatermarksAsync(): Promise<unknown> {
    return this.#highWatermarks.writeAsync(this.highWatermarks())
  }

  /** Everything that a start after a kill goes by. */
  writeCheckpoints(): void {
    this.writeRecoveryPoints()
    this.writeLogStartOffsets()
    this.#highWatermarks.write(this.highWatermarks())
    this.writeCleanedOffsets()
    this.onWritten(this.#changes)
  }

  /** The same behind the loop's back, one after another: the thread pool has other work too. False: something newer took the place of one. */
  async writeCheckpointsAsync(): Promise<boolean> {
    const changes = this.#changes
    const isWhole = [
      await this.#recoveryPoints.writeAsync(this.recoveryPoints()),
      await this.#logStarts.writeAsync(this.logStarts()),
      await this.#highWatermarks.writeAsync(this.highWatermarks()),
      await this.#cleanedOffsets.writeAsync(this.cleanedOffsets()),
    ].every(isWritten => isWritten)
    if (isWhole) this.onWritten(changes)
    return isWhole
  }

  /** How far compaction got, for logs that it has been at. */
  writeCleanedOffsets(): void {
    this.#cleanedOffsets.write(this.cleanedOffsets())
  }

  /** A log is out of the directory: the next checkpoints do not tell of it any more. */
  forget(log: PartitionLog): void {
    this.logs.delete(log)
    this.#forgotten.set(`${log.topic}-${log.partition}`, ++this.#changes)
  }

  /** A log was cut below its recovery point: what is appended now is not on the disk, whatever the checkpoint says. */
  outdate(): void {
    this.#changes++
  }

  /** The checkpoints on the disk may tell what is not true any more. */
  get isOutdated(): boolean {
    return this.#writtenChanges < this.#changes
  }

  /** A log of this name is to be made: after a kill, what checkpoints say of a former one must not be taken for its. */
  makeSureForgotten(name: string): void {
    if (this.#forgotten.has(name)) this.writeCheckpoints()
  }

  release(): void {
    for (const file of [this.#recoveryPoints, this.#logStarts, this.#highWatermarks, this.#cleanedOffsets])
      file.release()
    this.#lock?.release()
    this.#lock = null
  }

  private onWritten(changes: number): void {
    this.#writtenChanges = Math.max(this.#writtenChanges, changes)
    for (const [name, change] of this.#forgotten) if (change <= changes) this.#forgotten.delete(name)
  }

  private recoveryPoints(): OffsetCheckpointEntry[] {
    return entriesOf([...this.logs], log => log.recoveryPoint)
  }

  /** Only starts inside the first segment: others are what the first file's name says. */
  private logStarts(): OffsetCheckpointEntry[] {
    const inside = [...this.logs].filter(log => log.logStartOffset > log.firstSegmentOffset)
    return entriesOf(inside, log => log.logStartOffset)
  }

  private cleanedOffsets(): OffsetCheckpointEntry[] {
    const cleaned = [...this.logs].filter(log => log.compaction.cleanedOffset !== null)
    return entriesOf(cleaned, log => log.compaction.cleanedOffset!)
  }

  private highWatermarks(): OffsetCheckpointEntry[] {
    return entriesOf([...this.logs], log => log.highWatermark)
  }

  private read(name: string): Map<string, number> {
    const entries = decodeOffsetCheckpoint(readWhole(this.#context.world.files, `${this.path}/${name}`))
    return new Map(entries.map((entry: OffsetCheckpointEntry) => [`${entry.topic}-${entry.partition}`, entry.offset]))
  }

  /** A broken one costs a longer recovery, shows records again that were deleted, or has logs compacted from their start: less than refusing the directory. */
  private readForgiving(name: string): Map<string, number> {
    try {
      return this.read(name)
    } catch (error) {
      if (!(error instanceof MalformedFile)) throw error
      this.#context.logger.warn('broken checkpoint ignored', { path: `${this.path}/${name}`, reason: error.reason })
      return new Map()
    }
  }
}

function entriesOf(logs: readonly PartitionLog[], offsetOf: (log: PartitionLog) => number): OffsetCheckpointEntry[] {
  return logs.map(log => ({ topic: log.topic, partition: log.partition, offset: offsetOf(log) }))
}

import { directoryName, transientDirectoryName } from '@millrace/protocol/storage/file-names'
import type { BufferPool } from '@millrace/runtime/buffer-pool'
import { FileLocked } from '@millrace/runtime/file-system-error'
import { assert } from '@millrace/runtime/invariant'
import type { Logger } from '@millrace/runtime/logger'
import type { Timer, World } from '@millrace/runtime/ports'
import type { TopicSettings } from '../settings/topic-settings.ts'
import { CommitQueue } from './commit-queue.ts'
import { loadPartitionLog } from './load-partition-log.ts'
import type { LogContext } from './log-context.ts'
import { LogDirectory } from './log-directory.ts'
import type { CheckpointedOffsets, FoundFolder } from './log-directory.ts'
import { DirectoryOffline } from './log-errors.ts'
import { OpenFiles } from './open-files.ts'
import { TailCache } from './tail-cache.ts'
import type { PartitionLog } from './partition-log.ts'
import { isStorageFailure } from './storage-failure.ts'
import { Trash } from './trash.ts'

export interface LogDirectoriesOptions {
  readonly world: World
  readonly logger: Logger
  readonly bufferPool: BufferPool
  /** log.dirs, absolute, in the order of the setting. */
  readonly directories: readonly string[]
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
  /** Files of partitions open at the same time. */
  readonly openFilesMax?: number
  /** Memory for the ends of logs, of all of them together. */
  readonly tailBytesMax?: number
}

/** What the directories tell the broker. */
export interface LogDirectoriesEffects {
  /** A directory went offline; each of its logs gets `failed`. `isLast`: none is left, and the broker must stop. */
  directoryFailed(directory: string, error: Error, isLast: boolean): void
}

/** A row of DescribeLogDirs. */
export interface DirectoryDescription {
  readonly directory: string
  readonly isOffline: boolean
  readonly totalBytes: number
  readonly usableBytes: number
  readonly logs: readonly { readonly topic: string; readonly partition: number; readonly size: number }[]
}

const defaultInitialTaskDelayMs = 30_000
/** Enough for what consumers that keep up ask for next; more only makes requests rotate through memory that no cache holds. */
const defaultTailBytesMax = 16 * 1024 * 1024
/** flush.ms may be set for one topic only; a look at every log this often costs nothing. */
const flushCheckAtMostMs = 1000

/** All partition logs of a broker, over all its log.dirs. */
export class LogDirectories {
  readonly #options: LogDirectoriesOptions
  readonly #context: LogContext
  readonly #directories: readonly LogDirectory[]
  readonly #logs = new Map<string, PartitionLog>()
  readonly #trash: Trash
  #effects: LogDirectoriesEffects = { directoryFailed: () => {} }
  #timers: Timer[] = []
  #isClosed = false

  constructor(options: LogDirectoriesOptions) {
    this.#options = options
    const { world, logger, bufferPool } = options
    this.#trash = new Trash(world, logger)
    this.#context = {
      world,
      logger,
      bufferPool,
      openFiles: new OpenFiles(world.files, options.openFilesMax),
      tailCache: new TailCache(options.tailBytesMax ?? defaultTailBytesMax),
      commits: new CommitQueue(world.timers),
      trash: this.#trash,
      producerIdExpirationMs: options.producerIdExpirationMs,
      onFailure: (directory, error) => this.onFailure(directory, error),
    }
    this.#directories = options.directories.map(path => new LogDirectory(this.#context, path))
  }

  attach(effects: LogDirectoriesEffects): void {
    this.#effects = effects
  }

  /** Files of partitions that are open now. */
  get openFileCount(): number {
    return this.#context.openFiles.count
  }

  get hasOffline(): boolean {
    return this.#directories.some(directory => !directory.isOnline)
  }

  get onlineDirectories(): readonly string[] {
    return this.#directories.filter(directory => directory.isOnline).map(({ path }) => path)
  }

  /**
   * Locks every directory, then loads, and after a kill repairs, every log. A directory that fails is offline; throws when it is locked by
   * another process, or when none is left. Lets the loop turn between logs.
   */
  async load(): Promise<void> {
    try {
      for (const directory of this.#directories) this.attempt(directory, () => directory.open())
    } catch (error) {
      for (const directory of this.#directories) directory.release()
      throw error
    }
    for (const directory of this.#directories) {
      if (directory.isOnline) await this.loadDirectory(directory)
    }
    if (this.onlineDirectories.length === 0)
      throw this.#directories[0]?.failure ?? new DirectoryOffline('log.dirs is empty')
  }

  /** Starts retention, flushes by time and checkpoints. */
  start(): void {
    const { timers, clock } = this.#options.world
    const options = this.#options
    const every = (intervalMs: number, run: () => void): void => {
      this.#timers.push(timers.every(intervalMs, run))
    }
    this.#timers.push(
      timers.after(options.initialTaskDelayMs ?? defaultInitialTaskDelayMs, () => {
        this.applyRetention()
        if (!this.#isClosed) every(options.retentionCheckIntervalMs, () => this.applyRetention())
      }),
    )
    every(Math.min(options.flushCheckIntervalMs, flushCheckAtMostMs), () => this.flushDue())
    every(options.recoveryPointCheckpointIntervalMs, () =>
      this.checkpoint(directory => directory.writeRecoveryPoints()),
    )
    every(options.logStartOffsetCheckpointIntervalMs, () =>
      this.checkpoint(directory => directory.writeLogStartOffsets()),
    )
    every(options.highWatermarkCheckpointIntervalMs, () => this.checkpointHighWatermarks())
    every(options.producerIdExpirationCheckIntervalMs, () => {
      for (const log of this.#logs.values()) log.expireProducers(clock.wallMs())
    })
  }

  get(topic: string, partition: number): PartitionLog | undefined {
    return this.#logs.get(directoryName(topic, partition))
  }

  all(): PartitionLog[] {
    return [...this.#logs.values()]
  }

  /**
   * The log of a partition, made if it is missing, in the directory with the fewest logs. Throws DirectoryOffline while a directory is offline
   * and the log is not `isNew` (it may be there), or when no directory works; TopicIdMismatch when the log found has another topic id.
   */
  create(options: { topic: string; partition: number; topicId: string | null; isNew: boolean }): PartitionLog {
    const { topic, partition, topicId } = options
    const found = this.get(topic, partition)
    if (found !== undefined) {
      if (topicId !== null) found.assignTopicId(topicId)
      return found
    }
    if (this.hasOffline && !options.isNew) {
      throw new DirectoryOffline(`the log of ${topic}-${partition} may be in a directory that is offline`)
    }
    const directory = this.leastUsed()
    const folder = { path: `${directory.path}/${directoryName(topic, partition)}` }
    const log = this.attempt(directory, () => {
      this.#options.world.files.makeDirectory(folder.path)
      return this.loadLog(
        directory,
        folder,
        { topic, partition },
        { wasClean: true, recoveryPoint: 0, logStartOffset: 0, highWatermark: 0 },
      )
    })
    if (log === undefined) throw new DirectoryOffline(`${directory.path}: ${directory.failure?.message}`)
    if (topicId !== null) log.assignTopicId(topicId)
    return log
  }

  /** Renames the log's folder, so that the name is free at once; the files go after file.delete.delay.ms. Nothing happens when there is none. */
  delete(topic: string, partition: number): void {
    const key = directoryName(topic, partition)
    const log = this.#logs.get(key)
    if (log === undefined) return
    this.#logs.delete(key)
    const directory = this.directoryOf(log)
    directory.logs.delete(log)
    log.close()
    if (!directory.isOnline) return
    const { world } = this.#options
    const unique = Buffer.from(world.random.bytes(16)).toString('hex')
    const path = `${directory.path}/${transientDirectoryName(topic, partition, unique, 'delete')}`
    this.attempt(directory, () => {
      world.files.rename(log.path, path)
      log.renamed(path)
      world.files.syncDirectory(directory.path)
      this.#trash.discardDirectory(path, log.settings.fileDeleteDelayMs)
      directory.writeRecoveryPoints()
      directory.writeLogStartOffsets()
    })
  }

  /** The settings of a topic changed. */
  reconfigure(topic: string): void {
    const settings = this.#options.settingsOf(topic)
    for (const log of this.#logs.values()) if (log.topic === topic) log.reconfigure(settings)
  }

  checkpointHighWatermarks(): void {
    this.checkpoint(directory => directory.writeHighWatermarks())
  }

  /** Drops the segments that no log keeps any longer. */
  applyRetention(): void {
    const nowMs = this.#options.world.clock.wallMs()
    for (const log of this.#logs.values()) if (!log.isOffline) log.applyRetention(nowMs)
  }

  describe(): DirectoryDescription[] {
    return this.#directories.map(directory => {
      const space = directory.isOnline
        ? this.attempt(directory, () => this.#options.world.files.space(directory.path))
        : undefined
      return {
        directory: directory.path,
        isOffline: !directory.isOnline,
        totalBytes: space?.totalBytes ?? -1,
        usableBytes: space?.usableBytes ?? -1,
        logs: Array.from(directory.logs, log => ({ topic: log.topic, partition: log.partition, size: log.size })),
      }
    })
  }

  /** Flushes every log, writes snapshots and checkpoints, and the clean marker where all of that worked; gives the locks back. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.stop()
    for (const directory of this.#directories) {
      if (directory.isOnline) await this.closeDirectory(directory)
      directory.release()
    }
  }

  /** As a kill would: nothing is flushed and no checkpoint written; files are closed and locks given back. */
  abandon(): void {
    if (this.#isClosed) return
    this.stop()
    for (const log of this.#logs.values()) log.close()
    for (const directory of this.#directories) directory.release()
  }

  private stop(): void {
    this.#isClosed = true
    for (const timer of this.#timers) timer.cancel()
    this.#timers = []
    this.#trash.close()
  }

  private async loadDirectory(directory: LogDirectory): Promise<void> {
    const plan = this.attempt(directory, () => ({
      wasClean: directory.takeCleanMarker(),
      offsetsOf: directory.readCheckpoints(),
      folders: directory.folders(),
    }))
    if (plan === undefined) return
    const { wasClean, offsetsOf, folders } = plan
    const { logger } = this.#options
    const current = folders.filter(({ state }) => state === 'current')
    logger.info('loading logs', { directory: directory.path, count: current.length, wasClean })
    for (const folder of current) {
      this.attempt(directory, () =>
        this.loadLog(directory, { path: folder.path }, folder, {
          wasClean,
          ...offsetsOf(folder.topic, folder.partition),
        }),
      )
      if (!directory.isOnline) return
      await this.endOfTurn()
    }
    for (const folder of folders) if (folder.state === 'delete') this.#trash.discardDirectory(folder.path, 0)
    if (wasClean) return
    this.attempt(directory, () => directory.writeRecoveryPoints())
  }

  private loadLog(
    directory: LogDirectory,
    folder: { path: string },
    name: Pick<FoundFolder, 'topic' | 'partition'>,
    state: CheckpointedOffsets & { wasClean: boolean },
  ): PartitionLog {
    const { topic, partition } = name
    const key = directoryName(topic, partition)
    assert(!this.#logs.has(key), `${key} is in one log directory only`)
    const settings = this.#options.settingsOf(topic)
    const log = loadPartitionLog(this.#context, {
      topic,
      partition,
      directory: directory.path,
      folder,
      settings,
      ...state,
    })
    this.#logs.set(key, log)
    directory.logs.add(log)
    return log
  }

  private async closeDirectory(directory: LogDirectory): Promise<void> {
    for (const log of directory.logs) {
      this.attempt(directory, () => log.closeCleanly())
      if (!directory.isOnline) return
      await this.endOfTurn()
    }
    this.attempt(directory, () => {
      directory.writeRecoveryPoints()
      directory.writeLogStartOffsets()
      directory.writeHighWatermarks()
      directory.writeCleanMarker()
    })
  }

  private checkpoint(write: (directory: LogDirectory) => void): void {
    for (const directory of this.#directories) {
      if (directory.isOnline) this.attempt(directory, () => write(directory))
    }
  }

  private flushDue(): void {
    const nowMs = this.#options.world.clock.wallMs()
    for (const log of this.#logs.values()) if (!log.isOffline && log.isFlushDue(nowMs)) void log.flushAsync()
  }

  /** With the fewest logs; the first of several. */
  private leastUsed(): LogDirectory {
    let best: LogDirectory | null = null
    let fewest = Infinity
    for (const directory of this.#directories) {
      const count = directory.isOnline ? directory.logs.size : Infinity
      if (count >= fewest) continue
      fewest = count
      best = directory
    }
    if (best === null) throw new DirectoryOffline('every log directory is offline')
    return best
  }

  private directoryOf(log: PartitionLog): LogDirectory {
    return this.#directories.find(({ path }) => path === log.directory)!
  }

  /** Runs file work on a directory; a failure takes it offline, and undefined comes back. A foreign lock is the operator's business: it is thrown. */
  private attempt<T>(directory: LogDirectory, work: () => T): T | undefined {
    try {
      return work()
    } catch (error) {
      if (error instanceof FileLocked || !isStorageFailure(error)) throw error
      this.onFailure(directory.path, error)
      return undefined
    }
  }

  private onFailure(path: string, error: Error): void {
    const directory = this.#directories.find(candidate => candidate.path === path)!
    if (!directory.isOnline) return
    directory.failure = error
    const isLast = this.onlineDirectories.length === 0
    this.#options.logger.error('log directory is offline', { directory: path, error: error.message, isLast })
    for (const log of directory.logs) log.goOffline(error)
    this.#options.world.timers.soon(() => this.#effects.directoryFailed(path, error, isLast))
  }

  private endOfTurn(): Promise<void> {
    return new Promise(resolve => this.#options.world.timers.soon(resolve))
  }
}

import { directoryName, parseDirectoryName, transientDirectoryName } from '@millrace/protocol/storage/file-names'
import { assert } from '@millrace/runtime/invariant'
import { Metrics } from '@millrace/runtime/metrics'
import type { Timer } from '@millrace/runtime/ports'
import type { TopicSettings } from '../settings/topic-settings.ts'
import { planFolders, type FolderPlan } from '../core/log/replica-folders.ts'
import { LogCleaner } from './cleaner.ts'
import { CommitQueue } from './commit-queue.ts'
import type { DirectoryDescription, LogDescription } from './directory-description.ts'
import { DirectorySet } from './directory-set.ts'
import { EpochFiles } from './epoch-files.ts'
import { FlushQueue } from './flush-queue.ts'
import { loadPartitionLog } from './load-partition-log.ts'
import type { LogContext } from './log-context.ts'
import type { LogDirectoriesOptions } from './log-directories-options.ts'
import type { LogDirectory } from './log-directory.ts'
import type { CheckpointedOffsets, FoundFolder } from './log-directory.ts'
import { DirectoryOffline, DuplicateLog } from './log-errors.ts'
import { OpenFiles } from './open-files.ts'
import { TailCache } from './tail-cache.ts'
import type { PartitionLog } from './partition-log.ts'
import { Trash } from './trash.ts'
import { visitLogs } from './visit-logs.ts'

/** What the directories tell the broker. */
export interface LogDirectoriesEffects {
  /** A directory went offline; each of its logs gets `failed`. `isLast`: none is left, and the broker must stop. */
  directoryFailed(directory: string, error: Error, isLast: boolean): void
}

export interface NewLog {
  readonly topic: string
  readonly partition: number
  readonly topicId: string | null
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
  readonly #directories: DirectorySet
  readonly #logs = new Map<string, PartitionLog>()
  /** Copies of `#logs` on their way into another directory (KIP-113). Some may be of logs that are offline. */
  readonly #futures = new Map<string, PartitionLog>()
  /** Copies that the checkpoints of their directory know by their plain name: what would be wrong if it had changed since. */
  readonly #prepared = new WeakMap<PartitionLog, string>()
  /** Directories whose logs have gone or were cut, until the disk knows. */
  readonly #untidy = new Map<LogDirectory, Promise<void>>()
  /** Those whose flush by time is under way, or waits for its turn. */
  readonly #flushing = new Set<PartitionLog>()
  readonly #trash: Trash
  /** Null where log.cleaner.enable is false. */
  readonly cleaner: LogCleaner | null
  #effects: LogDirectoriesEffects = { directoryFailed: () => {} }
  #timers: Timer[] = []
  #isClosed = false
  #isRetaining = false

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
      epochFiles: new EpochFiles(world),
      flushes: new FlushQueue(),
      trash: this.#trash,
      producerIdExpirationMs: options.producerIdExpirationMs,
      onFailure: (directory, error) => this.#directories.fail(directory, error),
      onRecoveryPointLowered: path => {
        const directory = this.#directories.at(path)
        directory.outdate()
        this.tidySoon(directory)
      },
      onCleanedOffsetLowered: directory => this.writeCleanedOffsets(directory),
    }
    this.cleaner = this.cleanerOf(options)
    const onFailed = (directory: LogDirectory, error: Error): void => this.onFailed(directory, error)
    this.#directories = new DirectorySet(this.#context, options.directories, onFailed)
  }

  attach(effects: LogDirectoriesEffects): void {
    this.#effects = effects
  }

  /** Files of partitions that are open now. */
  get openFileCount(): number {
    return this.#context.openFiles.count
  }

  get hasOffline(): boolean {
    return this.#directories.online.length < this.#directories.all.length
  }

  get onlineDirectories(): readonly string[] {
    return this.#directories.online.map(({ path }) => path)
  }

  /**
   * Locks every directory, then loads, and after a kill repairs, every log. A directory that fails is offline; throws when it is locked by
   * another process, or when none is left. Lets the loop turn between logs.
   */
  async load(): Promise<void> {
    for (const [path, error] of this.#options.failedDirectories ?? []) this.#directories.fail(path, error)
    try {
      for (const directory of this.#directories.online) this.attempt(directory, () => directory.open())
    } catch (error) {
      this.#directories.release()
      throw error
    }
    const plan = this.surveyFolders()
    for (const directory of this.#directories.all) {
      if (directory.isOnline) await this.loadDirectory(directory, plan)
    }
    if (this.onlineDirectories.length === 0)
      throw this.#directories.all[0]?.failure ?? new DirectoryOffline('log.dirs is empty')
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
        void this.applyRetention()
        every(options.retentionCheckIntervalMs, () => void this.applyRetention())
      }),
    )
    every(Math.min(options.flushCheckIntervalMs, flushCheckAtMostMs), () => this.flushDue())
    every(options.recoveryPointCheckpointIntervalMs, () => {
      void this.checkpoint(directory => directory.writeRecoveryPointsAsync())
    })
    every(options.logStartOffsetCheckpointIntervalMs, () => {
      void this.checkpoint(directory => directory.writeLogStartOffsetsAsync())
    })
    every(options.highWatermarkCheckpointIntervalMs, () => void this.checkpointHighWatermarks())
    this.cleaner?.start()
    every(options.producerIdExpirationCheckIntervalMs, () => {
      void visitLogs(options.world, [...this.#logs.values()], log => log.expireProducers(clock.wallMs()))
    })
  }

  get(topic: string, partition: number): PartitionLog | undefined {
    return this.#logs.get(directoryName(topic, partition))
  }

  all(): PartitionLog[] {
    return [...this.#logs.values()]
  }

  /**
   * The log of a partition, made if it is missing: where `prefer` said, or in the directory with the fewest logs. Throws DirectoryOffline while a directory is offline
   * and the log is not `isNew` (it may be there), or when no directory works; TopicIdMismatch when the log found has another topic id.
   */
  create(options: NewLog & { readonly isNew: boolean }): PartitionLog {
    const { topic, partition, topicId } = options
    const found = this.get(topic, partition)
    if (found !== undefined) {
      if (topicId !== null) found.assignTopicId(topicId)
      return found
    }
    if (this.hasOffline && !options.isNew) {
      throw new DirectoryOffline(`the log of ${topic}-${partition} may be in a directory that is offline`)
    }
    const key = directoryName(topic, partition)
    const log = this.makeLog(this.#directories.choose(key), options, key)
    this.#logs.set(key, log)
    this.pauseCompaction(key)
    this.#directories.forget(key)
    return log
  }

  /** Whether this is one of log.dirs, and works. */
  stateOf(path: string): 'online' | 'offline' | 'unknown' {
    return this.#directories.stateOf(path)
  }

  /** The next log of this partition that is created goes there. */
  prefer(topic: string, partition: number, path: string): void {
    this.#directories.prefer(directoryName(topic, partition), path)
  }

  /** The copy of a log that is on its way into another directory. */
  futureOf(topic: string, partition: number): PartitionLog | undefined {
    return this.#futures.get(directoryName(topic, partition))
  }

  /** An empty log, to be filled with what the partition's log holds. Throws DirectoryOffline. */
  createFuture(path: string, log: NewLog): PartitionLog {
    const { topic, partition } = log
    const key = directoryName(topic, partition)
    assert(!this.#futures.has(key), 'a log moves to one directory at a time')
    const directory = this.#directories.at(path)
    if (!directory.isOnline) throw new DirectoryOffline(`${path} is offline`)
    const unique = this.uniqueHex()
    const future = this.makeLog(directory, log, transientDirectoryName(topic, partition, unique, 'future'))
    this.#futures.set(key, future)
    this.pauseCompaction(key)
    this.#directories.forget(key)
    future.reconfigure(withoutRetention(this.#options.settingsOf(topic)))
    return future
  }

  /** The move is off: the copy goes. */
  discardFuture(topic: string, partition: number): void {
    const key = directoryName(topic, partition)
    const future = this.#futures.get(key)
    if (future === undefined) return
    this.#futures.delete(key)
    this.pauseCompaction(key)
    this.retire(future)
  }

  /**
   * What a promotion soon after this would else wait for: the checkpoints of the target, which know the copy under the plain name. The other directory
   * is synced, too, so that doing it again takes no time.
   */
  async prepareFuture(topic: string, partition: number): Promise<void> {
    const key = directoryName(topic, partition)
    const current = this.#logs.get(key)
    const future = this.#futures.get(key)
    if (current === undefined || future === undefined) return
    const { files } = this.#options.world
    const source = this.#directories.of(current)
    const target = this.#directories.of(future)
    future.compaction.cleanedOffset = current.compaction.cleanedOffset
    const start = startOf(future)
    await this.#directories.attemptAsync(target, async () => {
      // Those written at intervals may come in between.
      for (let attempt = 0; attempt < 3 && !this.#prepared.has(future); attempt++) {
        if (await target.writeCheckpointsAsync()) this.#prepared.set(future, start)
      }
    })
    await this.#directories.attemptAsync(source, () => files.syncDirectoryAsync(source.path))
  }

  /**
   * The future log, which holds all that the current one does, takes its place and its name; the current one goes. In this order, so that
   * a kill at any point leaves one of them to go on with: checkpoints that know the copy under the plain name, the current folder's name,
   * on the disk, then the future one's (`planFolders`). Null when one of the directories failed; the log that goes on is then what `get` says.
   */
  promoteFuture(topic: string, partition: number): PartitionLog | null {
    const key = directoryName(topic, partition)
    const current = this.#logs.get(key)
    const future = this.#futures.get(key)
    assert(current !== undefined && future !== undefined, 'a log and its copy')
    const source = this.#directories.of(current)
    const target = this.#directories.of(future)
    const prepared = this.#prepared.get(future)
    const isReady = this.attempt(target, () => {
      future.takeOver(current)
      if (prepared === undefined || prepared !== startOf(future)) target.writeCheckpoints()
      return true
    })
    const { uniqueHex } = parseDirectoryName(future.path.slice(target.path.length + 1))!
    const before = current.path
    const after = `${source.path}/${transientDirectoryName(topic, partition, uniqueHex, 'delete')}`
    if (isReady !== true || !this.#directories.rename(current, after) || !this.#directories.sync(source)) return null
    if (!this.#directories.rename(future, `${target.path}/${key}`)) {
      this.#directories.rename(current, before)
      return null
    }
    this.#futures.delete(key)
    this.#logs.set(key, future)
    source.forget(current)
    current.close()
    future.reconfigure(this.#options.settingsOf(topic))
    const { files } = this.#options.world
    void this.#directories.attemptAsync(target, () => files.syncDirectoryAsync(target.path))
    this.#trash.discardDirectory(after, current.settings.fileDeleteDelayMs)
    this.tidySoon(source)
    return future
  }

  /** Renames the log's folder, so that the name is free at once; the files go after file.delete.delay.ms. Nothing happens when there is none. */
  delete(topic: string, partition: number): void {
    // First, so that a kill between the two leaves a log that is whole, and no copy alone.
    this.discardFuture(topic, partition)
    const key = directoryName(topic, partition)
    const log = this.#logs.get(key)
    if (log === undefined) return
    this.#logs.delete(key)
    this.retire(log)
  }

  /** Resolves when what was deleted so far stays so, whatever happens to the machine; or its directory is offline. */
  async untilTidy(): Promise<void> {
    await Promise.all(this.#untidy.values())
  }

  /** The broker's settings of compaction changed. */
  reconfigureCleaner(): void {
    this.cleaner?.reconfigure()
  }

  /** The settings of a topic changed. */
  reconfigure(topic: string): void {
    const settings = this.#options.settingsOf(topic)
    for (const log of this.#logs.values()) if (log.topic === topic) log.reconfigure(settings)
    for (const log of this.#futures.values()) if (log.topic === topic) log.reconfigure(withoutRetention(settings))
  }

  checkpointHighWatermarks(): Promise<void> {
    return this.checkpoint(directory => directory.writeHighWatermarksAsync())
  }

  /** Drops the segments that no log keeps any longer: over several turns where there are many logs. */
  async applyRetention(): Promise<void> {
    if (this.#isRetaining) return
    this.#isRetaining = true
    const { world } = this.#options
    const nowMs = world.clock.wallMs()
    await visitLogs(world, [...this.#logs.values(), ...this.#futures.values()], log => void log.applyRetention(nowMs))
    this.#isRetaining = false
  }

  describe(): DirectoryDescription[] {
    return this.#directories.all.map(directory => {
      const space = directory.isOnline
        ? this.attempt(directory, () => this.#options.world.files.space(directory.path))
        : undefined
      return {
        directory: directory.path,
        isOffline: !directory.isOnline,
        totalBytes: space?.totalBytes ?? -1,
        usableBytes: space?.usableBytes ?? -1,
        logs: directory.isOnline ? Array.from(directory.logs, log => this.describeLog(log)) : [],
      }
    })
  }

  /** Flushes every log, writes snapshots and checkpoints, and the clean marker where all of that worked; gives the locks back. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.stop()
    await this.cleaner?.stop()
    for (const directory of this.#directories.all) {
      if (directory.isOnline) await this.closeDirectory(directory)
      directory.release()
    }
  }

  /** As a kill would: nothing is flushed and no checkpoint written; files are closed and locks given back. */
  abandon(): void {
    if (this.#isClosed) return
    this.stop()
    this.cleaner?.abandon()
    for (const log of [...this.#logs.values(), ...this.#futures.values()]) log.close()
    this.#directories.release()
  }

  private stop(): void {
    this.#isClosed = true
    for (const timer of this.#timers) timer.cancel()
    this.#timers = []
    this.#context.epochFiles.close()
    this.#trash.close()
  }

  /** What lies in all directories, put right where a kill interrupted a swap. Throws DuplicateLog. */
  private surveyFolders(): FolderPlan<FoundFolder> {
    const { online } = this.#directories
    const plan = planFolders(online.flatMap(directory => this.attempt(directory, () => directory.folders()) ?? []))
    const [pair] = plan.duplicates
    if (pair !== undefined) {
      this.#directories.release()
      throw new DuplicateLog(pair.map(({ path }) => path))
    }
    const promoted = plan.promoted.flatMap(folder => {
      const directory = this.#directories.at(folder.directory)
      const path = `${folder.directory}/${directoryName(folder.topic, folder.partition)}`
      this.#options.logger.warn('a move between log directories is completed', { from: folder.path, to: path })
      const isDone = this.attempt(directory, () => {
        this.#options.world.files.rename(folder.path, path)
        this.#options.world.files.syncDirectory(folder.directory)
        return true
      })
      return isDone === true ? [{ ...folder, path }] : []
    })
    return { ...plan, current: [...plan.current, ...promoted] }
  }

  private async loadDirectory(directory: LogDirectory, folders: FolderPlan<FoundFolder>): Promise<void> {
    const plan = this.attempt(directory, () => ({
      wasClean: directory.takeCleanMarker(),
      offsetsOf: directory.readCheckpoints(),
    }))
    if (plan === undefined) return
    const { wasClean, offsetsOf } = plan
    const { logger } = this.#options
    const inside = (list: readonly FoundFolder[]): FoundFolder[] =>
      list.filter(folder => folder.directory === directory.path)
    const current = inside(folders.current)
    const future = inside(folders.future)
    logger.info('loading logs', { directory: directory.path, count: current.length, moving: future.length, wasClean })
    for (const folder of [...current, ...future]) {
      const { topic, partition } = folder
      this.attempt(directory, () => {
        const state = { wasClean, ...offsetsOf(topic, partition) }
        const log = this.openLog(directory, { path: folder.path }, { ...folder, topicId: null }, state)
        if (folder.state === 'future' && folders.future.includes(folder)) {
          this.#futures.set(directoryName(topic, partition), log)
          log.reconfigure(withoutRetention(log.settings))
        } else this.#logs.set(directoryName(topic, partition), log)
      })
      if (!directory.isOnline) return
      await this.endOfTurn()
    }
    // Before anything is appended: a log that grew beyond a wrong entry would hold it for right.
    const isCut = [...directory.logs].some(log => {
      const stored = offsetsOf(log.topic, log.partition).cleanedOffset
      return log.compaction.cleanedOffset !== stored
    })
    if (isCut) this.writeCleanedOffsets(directory.path)
    for (const key of this.#futures.keys()) this.pauseCompaction(key)
    for (const folder of inside(folders.discarded)) this.#trash.discardDirectory(folder.path, 0)
    if (wasClean) return
    this.attempt(directory, () => directory.writeRecoveryPoints())
  }

  private openLog(
    directory: LogDirectory,
    folder: { path: string },
    { topic, partition }: NewLog,
    state: CheckpointedOffsets & { wasClean: boolean },
  ): PartitionLog {
    const settings = this.#options.settingsOf(topic)
    const place = { directory: directory.path, folder, settings }
    const log = loadPartitionLog(this.#context, { topic, partition, ...place, ...state })
    directory.logs.add(log)
    return log
  }

  /** An empty log in a new folder. Throws DirectoryOffline when that fails. */
  private makeLog(directory: LogDirectory, name: NewLog, folderName: string): PartitionLog {
    const folder = { path: `${directory.path}/${folderName}` }
    const log = this.attempt(directory, () => {
      directory.makeSureForgotten(directoryName(name.topic, name.partition))
      this.#options.world.files.makeDirectory(folder.path)
      const nothing = { wasClean: true, recoveryPoint: 0, logStartOffset: 0, highWatermark: 0, cleanedOffset: null }
      return this.openLog(directory, folder, name, nothing)
    })
    if (log === undefined) throw new DirectoryOffline(`${directory.path}: ${directory.failure?.message}`)
    if (name.topicId !== null) log.assignTopicId(name.topicId)
    return log
  }

  /** Out of its directory: its folder is renamed, and goes after file.delete.delay.ms. */
  private retire(log: PartitionLog): void {
    const directory = this.#directories.of(log)
    directory.forget(log)
    log.close()
    if (!directory.isOnline) return
    const { topic, partition } = log
    const path = `${directory.path}/${transientDirectoryName(topic, partition, this.uniqueHex(), 'delete')}`
    if (!this.#directories.rename(log, path)) return
    this.#trash.discardDirectory(path, log.settings.fileDeleteDelayMs)
    this.tidySoon(directory)
  }

  /** Logs have gone, or were cut: once for all of a turn, new names of folders reach the disk, and checkpoints that tell so. */
  private tidySoon(directory: LogDirectory): void {
    if (this.#untidy.has(directory)) return
    this.#untidy.set(
      directory,
      this.endOfTurn().then(() => this.tidy(directory)),
    )
  }

  private async tidy(directory: LogDirectory): Promise<void> {
    const { files } = this.#options.world
    await this.#directories.attemptAsync(directory, async () => {
      while (directory.isOutdated && directory.isOnline && !this.#isClosed) {
        await files.syncDirectoryAsync(directory.path)
        // Others write them, too: then once more.
        await directory.writeCheckpointsAsync()
      }
    })
    this.#untidy.delete(directory)
  }

  private describeLog(log: PartitionLog): LogDescription {
    const { topic, partition, size, logEndOffset } = log
    return { topic, partition, size, logEndOffset, isFuture: this.futureOf(topic, partition) === log }
  }

  private uniqueHex(): string {
    return Buffer.from(this.#options.world.random.bytes(16)).toString('hex')
  }

  private async closeDirectory(directory: LogDirectory): Promise<void> {
    for (const log of directory.logs) {
      this.attempt(directory, () => log.closeCleanly())
      if (!directory.isOnline) return
      await this.endOfTurn()
    }
    this.attempt(directory, () => {
      directory.writeCheckpoints()
      directory.writeCleanMarker()
    })
  }

  private async checkpoint(write: (directory: LogDirectory) => Promise<unknown>): Promise<void> {
    await Promise.all(
      this.#directories.online.map(directory => this.#directories.attemptAsync(directory, () => write(directory))),
    )
  }

  /** While a log is copied, so that no tombstone goes from it before the copy, which may have what it deletes, was given it. */
  private pauseCompaction(key: string): void {
    const log = this.#logs.get(key)
    if (log !== undefined) log.compaction.isPaused = this.#futures.has(key)
  }

  private cleanerOf({ cleaner, metrics = new Metrics() }: LogDirectoriesOptions): LogCleaner | null {
    if (cleaner === undefined || cleaner === null) return null
    const logs = this.#logs
    return new LogCleaner({
      context: this.#context,
      metrics,
      settings: cleaner,
      logs: function* () {
        for (const log of logs.values()) yield log.compaction
      },
      onCleaned: log => this.writeCleanedOffsets(log.log.directory),
    })
  }

  private writeCleanedOffsets(path: string): void {
    const directory = this.#directories.at(path)
    if (directory.isOnline) this.attempt(directory, () => directory.writeCleanedOffsets())
  }

  private flushDue(): void {
    const nowMs = this.#options.world.clock.wallMs()
    for (const log of this.#logs.values()) {
      if (log.isOffline || this.#flushing.has(log) || !log.isFlushDue(nowMs)) continue
      this.#flushing.add(log)
      void this.#context.flushes.run(() => log.flushAsync()).finally(() => this.#flushing.delete(log))
    }
  }

  private attempt<T>(directory: LogDirectory, work: () => T): T | undefined {
    return this.#directories.attempt(directory, work)
  }

  private onFailed({ path, logs }: LogDirectory, error: Error): void {
    const isLast = this.#directories.online.length === 0
    this.#options.logger.error('log directory is offline', { directory: path, error: error.message, isLast })
    for (const [key, future] of this.#futures) {
      if (future.directory !== path) continue
      this.#futures.delete(key)
      this.pauseCompaction(key)
    }
    for (const log of logs) log.goOffline(error)
    this.#options.world.timers.soon(() => this.#effects.directoryFailed(path, error, isLast))
  }

  private endOfTurn(): Promise<void> {
    return new Promise(resolve => this.#options.world.timers.soon(resolve))
  }
}

/** Of a log, what a checkpoint must not have otherwise: an older high watermark or recovery point does no harm. */
function startOf({ logStartOffset, cutCount, compaction }: PartitionLog): string {
  return [logStartOffset, cutCount, compaction.cleanedOffset].join()
}

/** A copy keeps what its original keeps: it drops what lies below the log start only, whatever its age and size. */
function withoutRetention(settings: TopicSettings): TopicSettings {
  return { ...settings, cleanupPolicy: { ...settings.cleanupPolicy, delete: false } }
}

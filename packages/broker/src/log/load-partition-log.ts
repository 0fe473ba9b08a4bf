import {
  FileSuffix,
  fileName,
  leaderEpochCheckpointName,
  parseFileName,
  partitionMetadataName,
} from '@millrace/protocol/storage/file-names'
import { MalformedFile } from '@millrace/protocol/storage/malformed-file'
import { OFFSET_ENTRY_SIZE } from '@millrace/protocol/storage/offset-index'
import { decodePartitionMetadata } from '@millrace/protocol/storage/partition-metadata'
import { TIME_ENTRY_SIZE } from '@millrace/protocol/storage/time-index'
import { LeaderEpochCache } from '../core/log/leader-epoch-cache.ts'
import { ProducerState } from '../core/log/producer-state.ts'
import type { TopicSettings } from '../settings/topic-settings.ts'
import { readLeaderEpochs, writeLeaderEpochs } from './leader-epoch-file.ts'
import { clearLeftovers } from './leftover-files.ts'
import type { LogContext } from './log-context.ts'
import { PartitionLog } from './partition-log.ts'
import { ProducerSnapshots } from './producer-snapshots.ts'
import { rebuildProducerState } from './producer-recovery.ts'
import { rememberEarlierBatches } from './producer-tail.ts'
import { recoverSegment } from './segment-recovery.ts'
import { Segment } from './segment.ts'
import { Segments } from './segments.ts'
import { readWhole } from './write-fully.ts'

export interface LoadOptions {
  readonly topic: string
  readonly partition: number
  /** The entry of log.dirs. */
  readonly directory: string
  readonly folder: { path: string }
  readonly settings: TopicSettings
  /** The last stop was orderly: nothing needs to be checked. */
  readonly wasClean: boolean
  /** From the checkpoints of the directory; 0 where they say nothing. */
  readonly recoveryPoint: number
  readonly logStartOffset: number
  readonly highWatermark: number
  readonly cleanedOffset: number | null
}

/** Opens the log in a folder, and creates the first segment where there is none; after a kill checks and repairs it first (reference 4.7). */
export function loadPartitionLog(context: LogContext, options: LoadOptions): PartitionLog {
  return new LogLoader(context, options, clearLeftovers(context, options.folder.path)).load()
}

class LogLoader {
  readonly #context: LogContext
  readonly #options: LoadOptions
  readonly #nowMs: number
  readonly #leaderEpochs: LeaderEpochCache
  readonly #snapshots: ProducerSnapshots
  readonly #producers = new ProducerState()
  readonly #segments: Segments
  /** Of the files that were there before anything was made: a look at the disk for each that may be missing takes as long as the rest. */
  readonly #names: ReadonlySet<string>

  constructor(context: LogContext, options: LoadOptions, names: readonly string[]) {
    this.#context = context
    this.#options = options
    this.#names = new Set(names)
    this.#nowMs = context.world.clock.wallMs()
    const { files } = context.world
    this.#leaderEpochs = this.readEpochs()
    this.#snapshots = new ProducerSnapshots(files, context.logger, options.folder, names)
    this.#segments = new Segments(names.flatMap(name => this.segmentOf(name)))
  }

  load(): PartitionLog {
    const { settings, wasClean, folder, topic, partition, directory, highWatermark, cleanedOffset } = this.#options
    const epochsBefore = JSON.stringify(this.#leaderEpochs.entries)
    for (const segment of this.#segments.all) if (!this.hasSoundIndexes(segment)) this.recover(segment)
    if (!wasClean) this.recoverUnflushed()
    this.dropIfBelowLogStart()
    if (this.#segments.count === 0) this.createFirst()
    const { active } = this.#segments
    if (!active.isActive) active.activateFromFiles()
    if (settings.preallocate && active.size === 0) active.log.use().truncate(settings.segmentBytes)
    const logEndOffset = active.readNextOffset()
    const logStartOffset = Math.max(this.#options.logStartOffset, this.#segments.first.baseOffset)
    this.#leaderEpochs.truncateFromEnd(logEndOffset)
    this.#leaderEpochs.truncateFromStart(logStartOffset)
    if (JSON.stringify(this.#leaderEpochs.entries) !== epochsBefore) {
      writeLeaderEpochs(this.#context.world.files, folder.path, this.#leaderEpochs)
    }
    this.loadProducers(logStartOffset, logEndOffset)
    return new PartitionLog(this.#context, {
      topic,
      partition,
      topicId: this.readTopicId(),
      directory,
      folder,
      settings,
      segments: this.#segments,
      producers: this.#producers,
      snapshots: this.#snapshots,
      leaderEpochs: this.#leaderEpochs,
      logStartOffset,
      logEndOffset,
      recoveryPoint: wasClean ? logEndOffset : Math.min(this.#options.recoveryPoint, logEndOffset),
      highWatermark,
      // Beyond the end it was of records that are lost: what comes in their place is new.
      cleanedOffset: cleanedOffset !== null && cleanedOffset > logEndOffset ? logStartOffset : cleanedOffset,
    })
  }

  private segmentOf(name: string): Segment[] {
    const parsed = parseFileName(name)
    if (parsed === null || parsed.suffix !== FileSuffix.log || parsed.transient !== '') return []
    const { folder, settings } = this.#options
    const stat = this.#context.world.files.stat(`${folder.path}/${name}`)
    if (stat === null) return []
    const { segmentJitterMs } = settings
    const jitterMs = segmentJitterMs === 0 ? 0 : this.#context.world.random.uint32() % (segmentJitterMs + 1)
    const { baseOffset } = parsed
    const place = { folder, baseOffset, size: stat.size, createdMs: stat.modifiedMs, jitterMs }
    const segment = new Segment(this.#context, place)
    if (!this.#names.has(fileName(baseOffset, FileSuffix.transactionIndex))) segment.transactions.hasNone()
    return [segment]
  }

  private hasSoundIndexes(segment: Segment): boolean {
    const { files } = this.#context.world
    const offsets = files.stat(segment.path(FileSuffix.offsetIndex))
    const times = files.stat(segment.path(FileSuffix.timeIndex))
    if (offsets === null || offsets.size % OFFSET_ENTRY_SIZE !== 0) return false
    if (segment.size > 0 && times === null) return false
    if (times !== null && times.size % TIME_ENTRY_SIZE !== 0) return false
    try {
      return segment.transactions.entries.every(({ lastOffset }) => lastOffset >= segment.baseOffset)
    } catch (error) {
      if (error instanceof MalformedFile) return false
      throw error
    }
  }

  /** Everything from the segment of the recovery point on; what follows damage is gone, because nothing says what stood between. */
  private recoverUnflushed(): void {
    const { recoveryPoint, settings, topic, partition } = this.#options
    for (let index = Math.max(0, this.#segments.floorIndex(recoveryPoint)); index < this.#segments.count; index++) {
      const segment = this.#segments.at(index)!
      const truncated = this.recover(segment)
      if (truncated === 0) continue
      const dropped = this.#segments.removeAbove(segment.baseOffset)
      this.#context.logger.warn('torn log cut', {
        topic,
        partition,
        segment: segment.baseOffset,
        truncatedBytes: truncated,
        droppedSegments: dropped.length,
      })
      for (const later of dropped) later.discard(settings.fileDeleteDelayMs)
    }
  }

  private recover(segment: Segment): number {
    const { settings } = this.#options
    const logStartOffset = Math.max(this.#options.logStartOffset, this.#segments.first.baseOffset)
    const below = { segments: this.#segments, producers: this.#producers, snapshots: this.#snapshots, logStartOffset }
    this.#context.logger.info('checking a segment', { path: segment.log.path })
    if (this.#producers.endOffset !== segment.baseOffset) {
      rebuildProducerState(this.#context, below, { endOffset: segment.baseOffset, nowMs: this.#nowMs })
    }
    const truncated = recoverSegment(this.#context, segment, {
      leaderEpochs: this.#leaderEpochs,
      producers: this.#producers,
      indexIntervalBytes: settings.indexIntervalBytes,
    })
    // So that nobody has to read these batches again for the state at the next segment.
    this.#snapshots.write(this.#producers.endOffset, this.#producers.snapshot())
    return truncated
  }

  private dropIfBelowLogStart(): void {
    if (this.#segments.count === 0) return
    const { logStartOffset, topic, partition, settings } = this.#options
    const { active } = this.#segments
    if (active.readNextOffset() >= logStartOffset) return
    this.#context.logger.warn('log ends below its start and is emptied', { topic, partition, logStartOffset })
    for (const segment of this.#segments.removeAll()) segment.discard(settings.fileDeleteDelayMs)
    this.#leaderEpochs.clear()
    this.#snapshots.remove(() => true)
  }

  private createFirst(): void {
    const { folder, logStartOffset, settings } = this.#options
    const preallocateBytes = settings.preallocate ? settings.segmentBytes : 0
    this.#segments.add(
      Segment.create(this.#context, {
        folder,
        baseOffset: logStartOffset,
        nowMs: this.#nowMs,
        jitterMs: 0,
        preallocateBytes,
      }),
    )
  }

  private loadProducers(logStartOffset: number, logEndOffset: number): void {
    const bases = new Set(this.#segments.all.map(({ baseOffset }) => baseOffset))
    const { latest } = this.#snapshots
    this.#snapshots.remove(offset => offset !== latest && !bases.has(offset))
    const log = { segments: this.#segments, producers: this.#producers, snapshots: this.#snapshots, logStartOffset }
    rebuildProducerState(this.#context, log, { endOffset: logEndOffset, nowMs: this.#nowMs })
    rememberEarlierBatches(this.#context, log)
  }

  /** A broken file is rebuilt as far as the batches tell. */
  private readEpochs(): LeaderEpochCache {
    const { path } = this.#options.folder
    if (!this.#names.has(leaderEpochCheckpointName)) return new LeaderEpochCache()
    try {
      return readLeaderEpochs(this.#context.world.files, path)
    } catch (error) {
      if (!(error instanceof MalformedFile)) throw error
      this.#context.logger.warn('broken leader epoch checkpoint ignored', { path, reason: error.reason })
      return new LeaderEpochCache()
    }
  }

  private readTopicId(): string | null {
    if (!this.#names.has(partitionMetadataName)) return null
    const bytes = readWhole(this.#context.world.files, `${this.#options.folder.path}/${partitionMetadataName}`)
    return bytes.length === 0 ? null : decodePartitionMetadata(bytes)
  }
}

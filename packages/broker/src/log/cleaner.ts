import type { Metrics } from '@millrace/runtime/metrics'
import type { Timer } from '@millrace/runtime/ports'
import type { CleaningRange } from '../core/log/cleanable-range.ts'
import { CleanerMetrics } from './cleaner-metrics.ts'
import { CleanerPace } from './cleaner-pace.ts'
import { CleanerThrottle } from './cleaner-throttle.ts'
import type { CompactableLog } from './compactable-log.ts'
import { LogCleaning } from './log-cleaning.ts'
import type { CleaningReport } from './log-cleaning.ts'
import type { LogContext } from './log-context.ts'
import { CleaningAborted } from './log-errors.ts'
import { isStorageFailure } from './storage-failure.ts'

/** The broker's settings of compaction, as they are at the moment. */
export interface CleanerSettings {
  /** log.cleaner.threads: compactions at the same time; they take turns. */
  readonly threads: number
  /** log.cleaner.dedupe.buffer.size, for all of them together. */
  readonly dedupeBufferBytes: number
  /** log.cleaner.io.buffer.size, for all of them together. */
  readonly ioBufferBytes: number
  /** log.cleaner.io.buffer.load.factor */
  readonly loadFactor: number
  /** log.cleaner.io.max.bytes.per.second */
  readonly maxBytesPerSecond: number
  /** log.cleaner.backoff.ms: between two looks that find nothing to do. */
  readonly backoffMs: number
}

export interface LogCleanerOptions {
  readonly context: LogContext
  readonly metrics: Metrics
  readonly settings: () => CleanerSettings
  readonly logs: () => Iterable<CompactableLog>
  /** A compaction ended, or found that the old end is none: the checkpoint is to be written. */
  readonly onCleaned: (log: CompactableLog) => void
}

/** So much of a buffer holds a header, whatever the setting says. */
const ioBytesMin = 1024
/** A full disk may be cleared; anything else that a compaction fails of is there again at the next attempt. */
const fullDiskPauseMs = 600_000
const fullDiskCodes = ['ENOSPC', 'EDQUOT']

/**
 * Keeps compacted topics compact: whenever it has a hand free it takes the log with the largest dirty part among those that are due. A log whose
 * compaction fails is left alone from then on, loudly, and the others go on. Costs nothing while there is nothing to do, but for a look at the
 * logs every log.cleaner.backoff.ms.
 */
export class LogCleaner {
  readonly #options: LogCleanerOptions
  readonly #metrics: CleanerMetrics
  readonly #pace: CleanerPace
  readonly #throttle: CleanerThrottle
  readonly #running = new Map<CompactableLog, Promise<void>>()
  /** Until when they are left alone. */
  readonly #uncleanable = new Map<CompactableLog, number>()
  #timer: Timer | null = null
  #isStopped = true

  constructor(options: LogCleanerOptions) {
    this.#options = options
    this.#metrics = new CleanerMetrics(options.metrics)
    const { clock, timers } = options.context.world
    this.#pace = new CleanerPace(clock, timers)
    this.#throttle = new CleanerThrottle(clock, timers, () => options.settings().maxBytesPerSecond)
  }

  /** Logs that are compacted at the moment. */
  get runningCount(): number {
    return this.#running.size
  }

  /** Compactions of this log have failed. */
  isUncleanable(log: CompactableLog): boolean {
    return this.#uncleanable.has(log)
  }

  start(): void {
    this.#isStopped = false
    this.lookAfter(0)
  }

  /** Settings changed: they hold from the next look on, which is now. */
  reconfigure(): void {
    if (!this.#isStopped) this.lookAfter(0)
  }

  /** Gives up what is under way; resolves when no file is touched any more. */
  async stop(): Promise<void> {
    this.abandon()
    await Promise.all(this.#running.values())
  }

  /** As `stop`, without waiting. */
  abandon(): void {
    this.#isStopped = true
    this.#timer?.cancel()
    this.#timer = null
    this.#pace.stop()
    this.#throttle.stop()
  }

  private lookAfter(delayMs: number): void {
    this.#timer?.cancel()
    this.#timer = this.#options.context.world.timers.after(delayMs, () => this.look())
  }

  /** Begins as many compactions as there may be. */
  private look(): void {
    if (this.#isStopped) return
    const { threads, backoffMs } = this.#options.settings()
    this.forgetGone()
    while (this.#running.size < threads) {
      const next = this.filthiest()
      if (next === null) break
      const { log, range } = next
      const run = this.clean(log, range).finally(() => {
        this.#running.delete(log)
        // At once: another may be due.
        if (!this.#isStopped) this.lookAfter(0)
      })
      this.#running.set(log, run)
    }
    this.lookAfter(backoffMs)
  }

  /** Of those that are due and not under way, the one with the largest dirty part. */
  private filthiest(): { log: CompactableLog; range: CleaningRange } | null {
    const nowMs = this.#options.context.world.clock.wallMs()
    let best: { log: CompactableLog; range: CleaningRange } | null = null
    let maxDirtyRatio = 0
    for (const log of this.#options.logs()) {
      if (!log.isCompactable || this.#running.has(log) || this.#uncleanable.has(log)) continue
      const range = this.rangeOf(log, nowMs)
      if (range === null) continue
      maxDirtyRatio = Math.max(maxDirtyRatio, range.dirtyRatio)
      if (range.isDue && (best === null || range.dirtyRatio > best.range.dirtyRatio)) best = { log, range }
    }
    this.#metrics.maxDirtyRatio.set(maxDirtyRatio)
    return best
  }

  private rangeOf(log: CompactableLog, nowMs: number): CleaningRange | null {
    try {
      const range = log.range(nowMs)
      if (range === null || !range.isReset) return range
      const { topic, partition } = log.log
      const { cleanedOffset } = log
      this.#options.context.logger.warn('the log does not reach the end of its last compaction: all of it is dirty', {
        ...{ topic, partition, cleanedOffset, firstDirtyOffset: range.firstDirtyOffset },
      })
      log.cleanedOffset = range.firstDirtyOffset
      this.#options.onCleaned(log)
      return range
    } catch (error) {
      this.failed(log, error)
      return null
    }
  }

  private async clean(log: CompactableLog, range: CleaningRange): Promise<void> {
    const { context, settings, onCleaned } = this.#options
    const { threads, dedupeBufferBytes, ioBufferBytes, loadFactor } = settings()
    const startedMs = context.world.clock.monotonicMs()
    try {
      const report = await new LogCleaning({
        context,
        target: log,
        range,
        pace: this.#pace,
        throttle: this.#throttle,
        dedupeBytes: Math.floor(dedupeBufferBytes / threads),
        loadFactor,
        ioBytes: Math.max(ioBytesMin, Math.floor(ioBufferBytes / threads)),
        isStopped: () => this.#isStopped,
      }).run()
      if (!log.log.isOpen) return
      log.cleanedOffset = report.endOffset
      onCleaned(log)
      this.succeeded(log, range, report, context.world.clock.monotonicMs() - startedMs)
    } catch (error) {
      this.failed(log, error)
    }
  }

  private succeeded(log: CompactableLog, range: CleaningRange, report: CleaningReport, durationMs: number): void {
    const metrics = this.#metrics
    metrics.runs.add()
    metrics.readBytes.add(report.indexedBytes + report.readBytes)
    metrics.writtenBytes.add(report.writtenBytes)
    metrics.durationMs.record(durationMs)
    metrics.mapUtilization.set(report.mapUtilization)
    const { topic, partition } = log.log
    const { endOffset, keys, readBytes, writtenBytes, segmentsBefore, segmentsAfter } = report
    this.#options.context.logger.info('log compacted', {
      ...{ topic, partition, firstDirtyOffset: range.firstDirtyOffset, endOffset, keys },
      ...{ readBytes, writtenBytes, segmentsBefore, segmentsAfter, durationMs: Math.round(durationMs) },
    })
  }

  private failed(log: CompactableLog, error: unknown): void {
    const { context } = this.#options
    const { logger } = context
    const { topic, partition, directory } = log.log
    if (error instanceof CleaningAborted) {
      logger.info('compaction given up', { topic, partition, reason: error.message })
      return
    }
    // The directory, or the log, went away under it: that is told elsewhere.
    if (!log.log.isOpen) return
    const isDiskFull = fullDiskCodes.includes((error as { code?: string }).code ?? '')
    if (isStorageFailure(error) && !isDiskFull) {
      context.onFailure(directory, error)
      return
    }
    const untilMs = isDiskFull ? context.world.clock.monotonicMs() + fullDiskPauseMs : Infinity
    this.#uncleanable.set(log, untilMs)
    this.#metrics.failures.add()
    this.#metrics.uncleanablePartitions.set(this.#uncleanable.size)
    logger.error('compaction failed: the partition is not compacted any more', {
      topic,
      partition,
      ...(isDiskFull ? { againInMs: fullDiskPauseMs } : {}),
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    })
  }

  private forgetGone(): void {
    if (this.#uncleanable.size === 0) return
    const nowMs = this.#options.context.world.clock.monotonicMs()
    for (const [log, untilMs] of this.#uncleanable) {
      if (!log.log.isOpen || untilMs <= nowMs) this.#uncleanable.delete(log)
    }
    this.#metrics.uncleanablePartitions.set(this.#uncleanable.size)
  }
}

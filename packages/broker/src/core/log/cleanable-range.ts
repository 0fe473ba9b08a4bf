// Which log is compacted next, and how far: reference 4.6. Pure; sizes in bytes, times in milliseconds.

export interface CleanableSegment {
  readonly baseOffset: number
  readonly size: number
  /** Largest record timestamp, or the file's modification time when no record has one. */
  largestTimestamp(): number
  /** Max timestamp of the first batch; -1 when it has none. */
  firstTimestamp(): number
}

export interface CleaningQuestion {
  /** Oldest first; the last one is active. */
  readonly segments: readonly CleanableSegment[]
  readonly logStartOffset: number
  readonly logEndOffset: number
  readonly lastStableOffset: number
  /** Where the last compaction ended; null when there was none. */
  readonly cleanedOffset: number | null
  readonly nowMs: number
  readonly settings: {
    readonly minCompactionLagMs: number
    readonly maxCompactionLagMs: number
    readonly minCleanableDirtyRatio: number
  }
}

export interface CleaningRange {
  /** Below it each key stands once; keys are collected from here on. */
  readonly firstDirtyOffset: number
  /** Where a segment begins that may not be touched yet. */
  readonly firstUncleanableOffset: number
  readonly cleanBytes: number
  readonly cleanableBytes: number
  /** Part of what a compaction would read that is new; 0 for nothing. */
  readonly dirtyRatio: number
  /** Reached min.cleanable.dirty.ratio, or max.compaction.lag.ms is over. */
  readonly isDue: boolean
  /** The old end of compaction lies outside the log: it is the log start now. */
  readonly isReset: boolean
}

/** What a compaction of the log would work on. */
export function cleaningRange(question: CleaningQuestion): CleaningRange {
  const { segments, logStartOffset, logEndOffset, settings, nowMs } = question
  const cleaned = question.cleanedOffset ?? logStartOffset
  const isReset = cleaned < logStartOffset || cleaned > logEndOffset
  const firstDirtyOffset = isReset ? logStartOffset : cleaned
  const activeIndex = segments.length - 1
  const activeOffset = segments[activeIndex]!.baseOffset
  let dirtyIndex = 0
  while (dirtyIndex < activeIndex && segments[dirtyIndex + 1]!.baseOffset <= firstDirtyOffset) dirtyIndex++
  const dirty = segments.slice(dirtyIndex, activeIndex)

  const minLagMs = Math.max(0, settings.minCompactionLagMs)
  const tooYoung = minLagMs === 0 ? undefined : dirty.find(each => each.largestTimestamp() > nowMs - minLagMs)
  const limit = Math.max(
    firstDirtyOffset,
    Math.min(question.lastStableOffset, activeOffset, tooYoung?.baseOffset ?? Infinity),
  )
  // A segment is touched whole or not at all.
  let uncleanableIndex = dirtyIndex
  while (uncleanableIndex < activeIndex && segments[uncleanableIndex + 1]!.baseOffset <= limit) uncleanableIndex++
  const firstUncleanableOffset = segments[uncleanableIndex]!.baseOffset

  let cleanBytes = 0
  for (let index = 0; index < activeIndex && segments[index]!.baseOffset < firstDirtyOffset; index++)
    cleanBytes += segments[index]!.size
  let cleanableBytes = 0
  for (let index = dirtyIndex; index < uncleanableIndex; index++) cleanableBytes += segments[index]!.size
  const total = cleanBytes + cleanableBytes
  const dirtyRatio = total === 0 ? 0 : cleanableBytes / total
  const isDue =
    cleanableBytes > 0 && (dirtyRatio > settings.minCleanableDirtyRatio || isOverdue(dirty, settings, nowMs))
  return { firstDirtyOffset, firstUncleanableOffset, cleanBytes, cleanableBytes, dirtyRatio, isDue, isReset }
}

/** A record has waited for longer than max.compaction.lag.ms. */
function isOverdue(dirty: readonly CleanableSegment[], settings: CleaningQuestion['settings'], nowMs: number): boolean {
  const oldestMs = nowMs - Math.max(0, settings.maxCompactionLagMs)
  // Without an end this is far below any timestamp: no file is read for nothing.
  if (oldestMs <= 0) return false
  return dirty.some(segment => {
    const timestamp = segment.firstTimestamp()
    return timestamp > 0 && timestamp < oldestMs
  })
}

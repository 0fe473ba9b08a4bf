// When a log starts a new segment and which segments it may drop: reference 4.5. Pure; sizes in bytes, times in milliseconds.

const maxRelativeOffset = 0x7fffffff

export interface RollQuestion {
  /** Of the active segment. */
  readonly size: number
  readonly baseOffset: number
  /** Max timestamp of its first batch; -1 when that has none. */
  readonly firstTimestamp: number
  readonly createdMs: number
  readonly isIndexFull: boolean
  /** Time taken off segment.ms for this segment. */
  readonly jitterMs: number
  /** Of what is about to be appended. */
  readonly appendSize: number
  readonly appendLastOffset: number
  readonly appendMaxTimestamp: number
  readonly nowMs: number
  readonly segmentBytes: number
  readonly segmentMs: number
}

/** How old a segment may get: a record that must be compacted by some time must have left the active segment by then. */
export function segmentMsOf(settings: {
  readonly segmentMs: number
  readonly maxCompactionLagMs: number
  readonly cleanupPolicy: { readonly compact: boolean }
}): number {
  const { segmentMs, maxCompactionLagMs, cleanupPolicy } = settings
  return cleanupPolicy.compact && maxCompactionLagMs > 0 ? Math.min(segmentMs, maxCompactionLagMs) : segmentMs
}

/** True when the append must go to a new segment. */
export function mustRoll(question: RollQuestion): boolean {
  const { size } = question
  if (size > question.segmentBytes - question.appendSize) return true
  if (question.appendLastOffset - question.baseOffset > maxRelativeOffset) return true
  if (size === 0) return false
  if (question.isIndexFull) return true
  // By the clock of the records, so that a replica copying old data rolls where its leader did (KIP-33).
  const waitedMs =
    question.firstTimestamp >= 0
      ? question.appendMaxTimestamp - question.firstTimestamp
      : question.nowMs - question.createdMs
  return waitedMs > question.segmentMs - question.jitterMs
}

export interface SegmentSummary {
  readonly baseOffset: number
  readonly size: number
  /** Largest record timestamp, or the file's modification time when no record has one. */
  largestTimestamp(): number
}

export interface RetentionQuestion {
  /** Oldest first; the last one is active. */
  readonly segments: readonly SegmentSummary[]
  readonly logStartOffset: number
  readonly logEndOffset: number
  readonly highWatermark: number
  readonly nowMs: number
  readonly settings: {
    readonly retentionMs: number
    readonly retentionBytes: number
    /** cleanup.policy contains delete; otherwise only what lies below the log start goes. */
    readonly deletes: boolean
  }
}

export type RetentionReason = 'logStart' | 'size' | 'time'

export interface RetentionAnswer {
  /** How many of the oldest segments go. */
  readonly count: number
  readonly reason: RetentionReason
}

/** The oldest segments to drop for the first reason that holds, or null. Ask again until null: the reasons are three passes. */
export function segmentsToDelete(question: RetentionQuestion): RetentionAnswer | null {
  const { settings, segments } = question
  const logStart = countWhile(
    question,
    index => (segments[index + 1]?.baseOffset ?? Infinity) <= question.logStartOffset,
  )
  if (logStart > 0) return { count: logStart, reason: 'logStart' }
  if (!settings.deletes) return null
  if (settings.retentionBytes >= 0) {
    let excess = segments.reduce((total, { size }) => total + size, 0) - settings.retentionBytes
    // Never below retention.bytes: the segment that would take it there stays.
    const bySize = countWhile(question, index => excess >= 0 && (excess -= segments[index]!.size) >= 0)
    if (bySize > 0) return { count: bySize, reason: 'size' }
  }
  if (settings.retentionMs >= 0) {
    const oldest = question.nowMs - settings.retentionMs
    const byTime = countWhile(question, index => segments[index]!.largestTimestamp() < oldest)
    if (byTime > 0) return { count: byTime, reason: 'time' }
  }
  return null
}

/** Segments from the oldest on for which `breaches` holds, as far as everything in them is committed; an empty active one stays. */
function countWhile(question: RetentionQuestion, breaches: (index: number) => boolean): number {
  const { segments } = question
  let count = 0
  while (count < segments.length) {
    const next = segments[count + 1]
    const endOffset = next?.baseOffset ?? question.logEndOffset
    if (endOffset > question.highWatermark) break
    if (next === undefined && segments[count]!.size === 0) break
    if (!breaches(count)) break
    count++
  }
  return count
}

import type { FileSystem } from '@millrace/runtime/ports'
import type { Segments } from './segments.ts'

export interface LegacyQuery {
  /** -1: up to the end; -2: the start only; else only what was last written at or before it. */
  readonly timestamp: number
  readonly maxCount: number
  readonly logStartOffset: number
  readonly logEndOffset: number
  readonly nowMs: number
}

/** ListOffsets v0: where segments begin, and the end, newest first. All that clients had before there was a time index. */
export function legacyOffsets(files: FileSystem, segments: Segments, query: LegacyQuery): number[] {
  const known = segments.all.map(segment => ({
    offset: Math.max(segment.baseOffset, query.logStartOffset),
    modifiedMs: files.stat(segment.log.path)?.modifiedMs ?? 0,
  }))
  if (segments.active.writtenSize > 0) known.push({ offset: query.logEndOffset, modifiedMs: query.nowMs })
  let last = known.length - 1
  if (query.timestamp === -2) last = 0
  else if (query.timestamp !== -1) last = known.findLastIndex(({ modifiedMs }) => modifiedMs <= query.timestamp)
  const offsets = known.slice(0, last + 1).map(({ offset }) => offset)
  return offsets.reverse().slice(0, query.maxCount)
}

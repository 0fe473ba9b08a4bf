import { isLogAppendTimeAt, partitionLeaderEpochAt } from '@millrace/protocol/records/record-batch'
import { readRecords } from '@millrace/protocol/records/record'
import type { ReadRecord } from '@millrace/protocol/records/record'
import { readMessage } from '@millrace/protocol/records/message-set'
import type { LogContext } from './log-context.ts'
import type { HeaderScan } from './header-scan.ts'
import type { Segment } from './segment.ts'
import type { Segments } from './segments.ts'

/** What ListOffsets answers for a timestamp. */
export interface TimestampOffset {
  readonly timestamp: number
  readonly offset: number
  /** Of the batch; -1 in old formats. */
  readonly leaderEpoch: number
}

const windowBytes = 8 * 1024
/** A batch is opened to find the record: more than this would not have been accepted. */
const decompressedBytesMax = 128 * 1024 * 1024

/** The first record at or after `startOffset`, below `endOffset`, that is at least as young as `timestamp`; null when there is none. */
export function offsetForTimestamp(
  context: LogContext,
  segments: Segments,
  query: { timestamp: number; startOffset: number; endOffset: number },
): TimestampOffset | null {
  for (const segment of segments.all) {
    if (segment.baseOffset >= query.endOffset) return null
    // Compaction leaves empty segments, and batches without records: then the record is in a later one.
    if (segment.size === 0 || segment.largestTimestamp() < query.timestamp) continue
    const start = Math.max(segment.offsetBefore(query.timestamp), query.startOffset)
    const found = search<TimestampOffset>(context, segment, segment.scanStart(start), scan => {
      if (scan.maxTimestamp < query.timestamp) return undefined
      for (const record of recordsOf(segment, scan)) {
        if (record.timestamp < query.timestamp || record.offset < query.startOffset) continue
        if (record.offset >= query.endOffset) return null
        return { timestamp: record.timestamp, offset: record.offset, leaderEpoch: leaderEpochOf(scan) }
      }
      return undefined
    })
    if (found !== undefined) return found
  }
  return null
}

/** The first record that carries the largest timestamp of the log (KIP-734); null for an empty log and for logs without timestamps. */
export function offsetOfMaxTimestamp(context: LogContext, segments: Segments): TimestampOffset | null {
  let best: Segment | null = null
  for (const segment of segments.all) {
    if (segment.size === 0) continue
    if (best === null || segment.largestNoted().timestamp > best.largestNoted().timestamp) best = segment
  }
  if (best === null) return null
  const segment = best
  const { timestamp, offset } = segment.largestNoted()
  if (timestamp < 0) return null
  const found = search<TimestampOffset>(context, segment, segment.scanStart(offset), scan => {
    if (scan.maxTimestamp !== timestamp) return undefined
    const leaderEpoch = leaderEpochOf(scan)
    if (scan.magic === 2 && isLogAppendTimeAt(scan.buffer, scan.headerPosition))
      return { timestamp, offset: scan.lastOffset, leaderEpoch }
    const record = recordsOf(segment, scan).find(candidate => candidate.timestamp === timestamp)
    return record === undefined ? null : { timestamp, offset: record.offset, leaderEpoch }
  })
  return found ?? null
}

/** Walks headers until `visit` answers something else than undefined; undefined when it never does. */
function search<T>(
  context: LogContext,
  segment: Segment,
  from: number,
  visit: (scan: HeaderScan) => T | null | undefined,
): T | null | undefined {
  const window = context.bufferPool.take(windowBytes)
  try {
    const scan = segment.scan(from, window)
    while (scan.next()) {
      const found = visit(scan)
      if (found !== undefined) return found
    }
    return undefined
  } finally {
    context.bufferPool.give(window)
  }
}

function recordsOf(segment: Segment, scan: HeaderScan): readonly ReadRecord[] {
  const batch = Buffer.allocUnsafe(scan.size)
  segment.log.use().read(batch, 0, scan.size, scan.position)
  return scan.magic === 2 ? readRecords(batch, 0, decompressedBytesMax) : readMessage(batch, 0, decompressedBytesMax)
}

function leaderEpochOf(scan: HeaderScan): number {
  return scan.magic === 2 ? partitionLeaderEpochAt(scan.buffer, scan.headerPosition) : -1
}

import {
  baseOffsetAt,
  batchSizeAt,
  isCrcValidAt,
  lastOffsetAt,
  maxTimestampAt,
} from '@millrace/protocol/records/record-batch'
import { BatchCursor } from '@millrace/protocol/records/batch-cursor'

/** What an append adds to a segment: one or more whole batches. */
export interface AppendedBytes {
  readonly size: number
  readonly lastOffset: number
  readonly maxTimestamp: number
  /** Last offset of the batch that carries the max timestamp. */
  readonly offsetOfMaxTimestamp: number
}

/** Of one or more whole batches of magic 2. */
export function summaryOf(batches: Uint8Array): AppendedBytes {
  let maxTimestamp = -1
  let offsetOfMaxTimestamp = -1
  let lastOffset = -1
  for (let position = 0; position < batches.length; position += batchSizeAt(batches, position)) {
    lastOffset = lastOffsetAt(batches, position)
    const timestamp = maxTimestampAt(batches, position)
    if (timestamp <= maxTimestamp) continue
    maxTimestamp = timestamp
    offsetOfMaxTimestamp = lastOffset
  }
  return { size: batches.length, lastOffset, maxTimestamp, offsetOfMaxTimestamp }
}

/** What a follower received: how many bytes at the front it may append. */
export type ReplicatedBatches =
  | { readonly kind: 'sound'; readonly length: number; readonly baseOffset: number; readonly lastOffset: number }
  | { readonly kind: 'corrupt' }
  /** A batch begins below where the one before it, or the log, ends. */
  | { readonly kind: 'unexpected'; readonly baseOffset: number; readonly lastOffset: number }

/** Checks batches that a leader sent for a log that ends at `nextOffset`. An incomplete batch at the end is left out; gaps are the leader's compaction. */
export function checkReplicated(records: Uint8Array, nextOffset: number): ReplicatedBatches {
  const cursor = new BatchCursor(records)
  let firstOffset = -1
  let length = 0
  while (cursor.next()) {
    const { position } = cursor
    if (cursor.magic !== 2 || !isCrcValidAt(records, position)) return { kind: 'corrupt' }
    const baseOffset = baseOffsetAt(records, position)
    const lastOffset = lastOffsetAt(records, position)
    if (lastOffset < baseOffset) return { kind: 'corrupt' }
    if (baseOffset < nextOffset) return { kind: 'unexpected', baseOffset, lastOffset }
    if (firstOffset < 0) firstOffset = baseOffset
    nextOffset = lastOffset + 1
    length = position + cursor.size
  }
  if (cursor.fault !== null) return { kind: 'corrupt' }
  return { kind: 'sound', length, baseOffset: length === 0 ? nextOffset : firstOffset, lastOffset: nextOffset - 1 }
}

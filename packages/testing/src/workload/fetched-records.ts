import { readRecords } from '@millrace/protocol/records/record'
import {
  BATCH_HEADER_SIZE,
  batchSizeAt,
  isControlAt,
  partitionLeaderEpochAt,
} from '@millrace/protocol/records/record-batch'
import type { ReadRecord } from '../checkers/history.ts'
import { nameOf } from './payload.ts'

const recordBytesMax = 50 * 1024 * 1024

/** Calls `each` with the start of every whole batch. A last one that is cut off is left out: answers may end so. */
export function forEachBatch(
  bytes: Buffer | null,
  each: (bytes: Buffer, position: number, size: number) => void,
): void {
  if (bytes === null) return
  for (let position = 0; position + BATCH_HEADER_SIZE <= bytes.length;) {
    const size = batchSizeAt(bytes, position)
    if (position + size > bytes.length) return
    each(bytes, position, size)
    position += size
  }
}

/** What a fetch answered, from `fromOffset` on, as a history writes it. */
export function recordsOf(bytes: Buffer | null, fromOffset: number): ReadRecord[] {
  const records: ReadRecord[] = []
  forEachBatch(bytes, (buffer, position) => {
    if (isControlAt(buffer, position)) return
    const leaderEpoch = partitionLeaderEpochAt(buffer, position)
    for (const { offset, value } of readRecords(buffer, position, recordBytesMax)) {
      if (offset >= fromOffset) records.push([offset, nameOf(String(value)), leaderEpoch])
    }
  })
  return records
}

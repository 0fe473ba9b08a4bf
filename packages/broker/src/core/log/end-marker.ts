import { ControlType, parseControlKey, parseCoordinatorEpoch } from '@millrace/protocol/records/control-record'
import { recordCountAt } from '@millrace/protocol/records/record-batch'
import { readRecords } from '@millrace/protocol/records/record'
import type { ReadRecord } from '@millrace/protocol/records/record'
import { CorruptPayload } from '@millrace/protocol/compression/corrupt-payload'
import { MalformedRecords } from '@millrace/protocol/records/malformed-records'
import type { EndMarker } from './producer-state.ts'

/** A control batch holds one small record. */
const markerBytesMax = 64 * 1024

/** The commit or abort that a control batch says; null for one that compaction has emptied, and for control records of other kinds. */
export function endMarkerOf(buffer: Uint8Array, position: number): EndMarker | null {
  if (recordCountAt(buffer, position) < 1) return null
  const record = firstRecord(buffer, position)
  if (record === null) return null
  const type = parseControlKey(record.key)?.type ?? null
  const coordinatorEpoch = parseCoordinatorEpoch(record.value)
  if (type === null || coordinatorEpoch === null) return null
  return { isAbort: type === ControlType.Abort, coordinatorEpoch, timestamp: record.timestamp }
}

/** Null for a control batch that cannot be read: nobody could obey it. */
function firstRecord(buffer: Uint8Array, position: number): ReadRecord | null {
  try {
    return readRecords(buffer, position, markerBytesMax)[0] ?? null
  } catch (error) {
    if (error instanceof MalformedRecords || error instanceof CorruptPayload) return null
    throw error
  }
}

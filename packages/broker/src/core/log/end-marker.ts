import { ControlType, parseControlKey, parseCoordinatorEpoch } from '@millrace/protocol/records/control-record'
import { recordCountAt } from '@millrace/protocol/records/record-batch'
import { readRecords } from '@millrace/protocol/records/record'
import type { EndMarker } from './producer-state.ts'

/** A control batch holds one small record. */
const markerBytesMax = 64 * 1024

/** The commit or abort that a control batch says; null for one that compaction has emptied, and for control records of other kinds. */
export function endMarkerOf(buffer: Uint8Array, position: number): EndMarker | null {
  if (recordCountAt(buffer, position) < 1) return null
  const record = readRecords(buffer, position, markerBytesMax)[0]!
  const type = parseControlKey(record.key)?.type ?? null
  const coordinatorEpoch = parseCoordinatorEpoch(record.value)
  if (type === null || coordinatorEpoch === null) return null
  return { isAbort: type === ControlType.Abort, coordinatorEpoch, timestamp: record.timestamp }
}

import { assert } from '@millrace/runtime/invariant'

/** Where a log stands, in the order that always holds. */
export interface LogOffsets {
  readonly logStartOffset: number
  readonly lastStableOffset: number
  readonly highWatermark: number
  readonly logEndOffset: number
}

/** What is deleted was stable, what is stable is committed, and what is committed is in the log. */
export function assertOrdered({ logStartOffset, lastStableOffset, highWatermark, logEndOffset }: LogOffsets): void {
  assert(logStartOffset <= lastStableOffset, 'what is deleted was stable: logStartOffset ≤ lastStableOffset')
  assert(lastStableOffset <= highWatermark, 'what is stable is committed: lastStableOffset ≤ highWatermark')
  assert(highWatermark <= logEndOffset, 'what is committed is in the log: highWatermark ≤ logEndOffset')
}

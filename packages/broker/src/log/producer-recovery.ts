import { isControlAt, producerIdAt } from '@millrace/protocol/records/record-batch'
import { endMarkerOf } from '../core/log/end-marker.ts'
import type { ProducerState } from '../core/log/producer-state.ts'
import type { CompletedTransaction } from '../core/log/transaction-map.ts'
import type { LogContext } from './log-context.ts'
import type { ProducerSnapshots } from './producer-snapshots.ts'
import type { Segment } from './segment.ts'
import type { Segments } from './segments.ts'

const windowBytes = 64 * 1024

/** The parts of a log that its producer state is made of. */
export interface RecoverableProducers {
  readonly segments: Segments
  readonly producers: ProducerState
  readonly snapshots: ProducerSnapshots
  readonly logStartOffset: number
}

/** Makes the state what it is at `endOffset`: the newest snapshot at or below it, then every batch after that. Snapshots outside the log go. */
export function rebuildProducerState(
  context: LogContext,
  log: RecoverableProducers,
  at: { endOffset: number; nowMs: number },
): void {
  const { producers, snapshots, segments, logStartOffset } = log
  snapshots.remove(offset => offset > at.endOffset || offset <= logStartOffset)
  const snapshot = snapshots.loadLatest()
  if (snapshot === null) producers.clear(logStartOffset)
  else producers.load(snapshot.entries, snapshot.offset, at.nowMs, context.producerIdExpirationMs())
  const window = context.bufferPool.take(windowBytes)
  try {
    for (let index = Math.max(0, segments.floorIndex(producers.endOffset)); index < segments.count; index++) {
      replaySegment(segments.at(index)!, producers, at.endOffset, window)
    }
  } finally {
    context.bufferPool.give(window)
  }
  producers.endOffset = at.endOffset
}

/** A batch of a producer enters its state; the transaction that it ends, if it is a marker that ends one. */
export function noteProducer(
  producers: ProducerState,
  bytes: Uint8Array,
  position: number,
): CompletedTransaction | null {
  if (!isControlAt(bytes, position)) {
    producers.onBatch(bytes, position)
    return null
  }
  const marker = endMarkerOf(bytes, position)
  return marker === null ? null : producers.onMarker(bytes, position, marker)
}

/** Headers suffice, but for the small batches of markers. */
function replaySegment(segment: Segment, producers: ProducerState, endOffset: number, window: Buffer): void {
  const from = producers.endOffset
  const position = segment.positionOf(Math.max(from, segment.baseOffset))
  if (position === null) return
  const scan = segment.scan(position, window)
  while (scan.next() && scan.baseOffset < endOffset) {
    if (scan.magic !== 2 || producerIdAt(scan.buffer, scan.headerPosition) < 0) continue
    if (!isControlAt(scan.buffer, scan.headerPosition)) {
      producers.onBatch(scan.buffer, scan.headerPosition)
      continue
    }
    const batch = Buffer.allocUnsafe(scan.size)
    segment.log.use().read(batch, 0, scan.size, scan.position)
    noteProducer(producers, batch, 0)
  }
}

import {
  baseOffsetAt,
  batchSizeAt,
  isControlAt,
  partitionLeaderEpochAt,
  producerIdAt,
} from '@millrace/protocol/records/record-batch'
import type { TransactionIndexEntry } from '@millrace/protocol/storage/transaction-index'
import { endMarkerOf } from '../core/log/end-marker.ts'
import type { LeaderEpochCache } from '../core/log/leader-epoch-cache.ts'
import type { ProducerState } from '../core/log/producer-state.ts'
import type { CompletedTransaction } from '../core/log/transaction-map.ts'
import type { LogContext } from './log-context.ts'
import type { ProducerSnapshots } from './producer-snapshots.ts'
import type { Segment } from './segment.ts'
import type { Segments } from './segments.ts'

const windowBytes = 64 * 1024
const nothingAborted: readonly TransactionIndexEntry[] = []

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

/** Takes leader epochs and producers of batches that are appended into account; the aborted transactions that end in them. */
export function noteBatches(
  log: { readonly leaderEpochs: LeaderEpochCache; assignLeaderEpoch(epoch: number, startOffset: number): void },
  producers: ProducerState,
  bytes: Buffer,
): readonly TransactionIndexEntry[] {
  let aborted: TransactionIndexEntry[] | null = null
  for (let position = 0; position < bytes.length; position += batchSizeAt(bytes, position)) {
    const epoch = partitionLeaderEpochAt(bytes, position)
    if (epoch !== log.leaderEpochs.latest) log.assignLeaderEpoch(epoch, baseOffsetAt(bytes, position))
    if (producerIdAt(bytes, position) < 0) continue
    const completed = noteProducer(producers, bytes, position)
    if (completed === null || !completed.isAborted) continue
    const { producerId, firstOffset, lastOffset } = completed
    const lastStableOffset = producers.transactions.lastStableOffsetAfter(completed)
    ;(aborted ??= []).push({ producerId, firstOffset, lastOffset, lastStableOffset })
  }
  return aborted ?? nothingAborted
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

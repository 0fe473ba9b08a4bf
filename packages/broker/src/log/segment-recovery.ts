import { BatchCursor } from '@millrace/protocol/records/batch-cursor'
import { isMessageCrcValidAt, messageTimestampAt } from '@millrace/protocol/records/message-set'
import {
  baseOffsetAt,
  batchSizeAt,
  isCrcValidAt,
  lastOffsetAt,
  LOG_OVERHEAD,
  maxTimestampAt,
  partitionLeaderEpochAt,
  producerIdAt,
} from '@millrace/protocol/records/record-batch'
import type { LeaderEpochCache } from '../core/log/leader-epoch-cache.ts'
import type { ProducerState } from '../core/log/producer-state.ts'
import { IndexBuilder } from './index-builder.ts'
import type { LogContext } from './log-context.ts'
import { noteProducer } from './producer-recovery.ts'
import type { Segment } from './segment.ts'

const windowBytes = 1024 * 1024
const maxRelativeOffset = 0x7fffffff

/**
 * Reads a segment whose bytes nobody vouches for: every batch must be whole, have its checksum and begin after the one before. Cuts the file
 * at the first that does not, rebuilds all indexes from the good ones, and takes them into leader epochs and producer state (which must be that
 * of the segment's base offset). The bytes that were cut.
 */
export function recoverSegment(
  context: LogContext,
  segment: Segment,
  state: { leaderEpochs: LeaderEpochCache; producers: ProducerState; indexIntervalBytes: number },
): number {
  const file = segment.log.use()
  const fileSize = file.size()
  segment.transactions.reset()
  const rebuilt = new RebuiltSegment(segment, state)
  let window = context.bufferPool.take(windowBytes)
  try {
    for (;;) {
      const position = rebuilt.validBytes
      const length = file.read(window, 0, Math.min(window.length, fileSize - position), position)
      const cursor = new BatchCursor(window, 0, length)
      while (cursor.next() && rebuilt.accept(window, cursor.position, cursor.magic)) rebuilt.validBytes += cursor.size
      if (rebuilt.isCorrupt || cursor.fault !== null || position + length >= fileSize) break
      if (rebuilt.validBytes > position) continue
      // A batch larger than the window, or a length that points beyond the file.
      const size = cursor.remaining < LOG_OVERHEAD ? 0 : batchSizeAt(window, cursor.position)
      if (size <= window.length || size > fileSize - position) break
      context.bufferPool.give(window)
      window = context.bufferPool.take(size)
    }
  } finally {
    context.bufferPool.give(window)
  }
  const truncated = fileSize - rebuilt.validBytes
  if (truncated > 0) file.truncate(rebuilt.validBytes)
  segment.size = rebuilt.validBytes
  segment.writtenSize = rebuilt.validBytes
  segment.isDirty = true
  rebuilt.finish()
  return truncated
}

/** What the good batches of a segment make of its indexes. */
class RebuiltSegment {
  validBytes = 0
  isCorrupt = false
  readonly #segment: Segment
  readonly #state: { leaderEpochs: LeaderEpochCache; producers: ProducerState; indexIntervalBytes: number }
  readonly #indexes: IndexBuilder
  #nextOffset: number

  constructor(
    segment: Segment,
    state: { leaderEpochs: LeaderEpochCache; producers: ProducerState; indexIntervalBytes: number },
  ) {
    this.#segment = segment
    this.#state = state
    this.#indexes = new IndexBuilder(segment.baseOffset, state.indexIntervalBytes)
    this.#nextOffset = segment.baseOffset
  }

  /** Takes in the batch that would stand at `validBytes`; false, for good, when it is not sound. */
  accept(buffer: Buffer, position: number, magic: number): boolean {
    const isBatch = magic === 2
    const baseOffset = baseOffsetAt(buffer, position)
    const lastOffset = isBatch ? lastOffsetAt(buffer, position) : baseOffset
    const isSound =
      lastOffset >= baseOffset &&
      baseOffset >= this.#nextOffset &&
      lastOffset - this.#segment.baseOffset <= maxRelativeOffset &&
      (isBatch ? isCrcValidAt(buffer, position) : isMessageCrcValidAt(buffer, position))
    if (!isSound) {
      this.isCorrupt = true
      return false
    }
    this.#nextOffset = lastOffset + 1
    const timestamp = isBatch ? maxTimestampAt(buffer, position) : Number(messageTimestampAt(buffer, position))
    this.#indexes.add(this.validBytes, lastOffset, timestamp)
    if (isBatch) this.noteBatch(buffer, position)
    return true
  }

  finish(): void {
    this.#indexes.finish()
    this.#segment.replaceIndexes(this.#indexes.offsets, this.#indexes.times, this.#indexes.largest)
    this.#segment.transactions.save()
    this.#state.producers.endOffset = this.#nextOffset
  }

  private noteBatch(buffer: Buffer, position: number): void {
    const { leaderEpochs, producers } = this.#state
    const epoch = partitionLeaderEpochAt(buffer, position)
    if (epoch > leaderEpochs.latest) leaderEpochs.assign(epoch, baseOffsetAt(buffer, position))
    if (producerIdAt(buffer, position) < 0) return
    const completed = noteProducer(producers, buffer, position)
    if (completed === null || !completed.isAborted) return
    const { producerId, firstOffset, lastOffset } = completed
    const lastStableOffset = producers.transactions.lastStableOffsetAfter(completed)
    this.#segment.transactions.append({ producerId, firstOffset, lastOffset, lastStableOffset })
  }
}

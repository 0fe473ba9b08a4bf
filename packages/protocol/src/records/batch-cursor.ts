import { BATCH_HEADER_SIZE, HEADER_SIZE_UP_TO_MAGIC, LOG_OVERHEAD, MIN_BATCH_LENGTH } from './record-batch.ts'
import { batchLengthAt, baseOffsetAt, magicAt } from './record-batch.ts'

/** Why the bytes at a position are no batch of any format. */
export const BatchFault = {
  /** `batchLength` is below what any message needs; Kafka names this one to the client. */
  length: 'length',
  /** A format that does not exist; Kafka names this one to the client. */
  magic: 'magic',
  /** Magic 2 with a `batchLength` below its header's. */
  header: 'header',
  /** A base offset that is negative or beyond 2^53. */
  offset: 'offset',
} as const
export type BatchFault = (typeof BatchFault)[keyof typeof BatchFault]

/**
 * Walks batches of any magic by their lengths; decodes nothing, allocates nothing.
 *
 *     const cursor = new BatchCursor(buffer, start, end)
 *     while (cursor.next()) use(cursor.position, cursor.size)
 *     if (cursor.fault !== null) …corrupt at cursor.position…  else …cursor.remaining bytes of an incomplete batch, often 0…
 *
 * A batch is only announced when it lies wholly before `end`, and a magic 2 batch has at least its header: the functions of record-batch.ts
 * are safe at `position`. As in Kafka's readers an incomplete tail is silent and a wrong length or magic is corruption; a tail of under
 * 12 bytes, or of 12 to 16 with a plausible length, is incomplete. CRCs are the caller's business.
 */
export class BatchCursor {
  readonly buffer: Uint8Array
  /** Where the bytes end; exclusive. */
  readonly end: number
  /** Of the batch that `next` announced, else of the first byte that is no whole batch. */
  position: number
  /** Bytes of the announced batch; 0 before the first and after the last. */
  size = 0
  magic = 0
  /** Null unless `next` stopped at bytes that are no batch. */
  fault: BatchFault | null = null
  /** What is wrong, in Kafka's words where it has some. */
  reason = ''

  constructor(buffer: Uint8Array, start = 0, end = buffer.length) {
    this.buffer = buffer
    this.position = start
    this.end = end
  }

  /** Moves to the next whole batch; false at the end, at an incomplete batch and at a fault. */
  next(): boolean {
    const { buffer, end } = this
    const position = (this.position += this.size)
    this.size = 0
    const available = end - position
    if (available < LOG_OVERHEAD || this.fault !== null) return false
    const length = batchLengthAt(buffer, position)
    if (length < MIN_BATCH_LENGTH) {
      return this.fail(
        BatchFault.length,
        `Record size ${length} is less than the minimum record overhead (${MIN_BATCH_LENGTH})`,
      )
    }
    if (available < HEADER_SIZE_UP_TO_MAGIC) return false
    const magic = magicAt(buffer, position)
    if (magic < 0 || magic > 2) return this.fail(BatchFault.magic, `Invalid magic found in record: ${magic}`)
    const size = length + LOG_OVERHEAD
    if (size > available) return false
    if (magic === 2 && size < BATCH_HEADER_SIZE) {
      return this.fail(
        BatchFault.header,
        `Record batch of ${size} bytes is smaller than its header (${BATCH_HEADER_SIZE})`,
      )
    }
    const baseOffset = baseOffsetAt(buffer, position)
    if (baseOffset < 0 || baseOffset > Number.MAX_SAFE_INTEGER) {
      return this.fail(BatchFault.offset, `Base offset ${baseOffset} is out of range`)
    }
    this.magic = magic
    this.size = size
    return true
  }

  /** Bytes behind the last whole batch. */
  get remaining(): number {
    return this.end - this.position - this.size
  }

  private fail(fault: BatchFault, reason: string): false {
    this.fault = fault
    this.reason = reason
    return false
  }
}

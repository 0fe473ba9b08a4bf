import {
  BATCH_HEADER_SIZE,
  LOG_OVERHEAD,
  MIN_BATCH_LENGTH,
  NO_TIMESTAMP,
  baseOffsetAt,
  batchSizeAt,
  lastOffsetAt,
  magicAt,
  maxTimestampAt,
} from '@millrace/protocol/records/record-batch'
import type { File } from '@millrace/runtime/ports'

/**
 * Walks the headers of a `.log` file from a position on, reading a window at a time and of large batches only the header. For lookups in
 * bytes that were checked when they were written or recovered; what looks like no batch ends the walk.
 */
export class HeaderScan {
  readonly #file: File
  readonly #window: Buffer
  readonly #end: number
  #windowStart = 0
  #windowEnd = 0
  /** Of the announced batch in the file; after the last, where it ends. */
  position: number
  size = 0
  magic = 0
  /** Where the header lies in `buffer`, until the next `next`. */
  headerPosition = 0

  /** `window` is the caller's, of 64 bytes at least; the walk ends at `end`. */
  constructor(file: File, options: { position: number; end: number; window: Buffer }) {
    this.#file = file
    this.#window = options.window
    this.#end = options.end
    this.position = options.position
  }

  get buffer(): Buffer {
    return this.#window
  }

  /** Messages of magic 0 and 1 stand under their last offset; their first is only known inside. */
  get baseOffset(): number {
    return baseOffsetAt(this.#window, this.headerPosition)
  }

  get lastOffset(): number {
    return this.magic === 2 ? lastOffsetAt(this.#window, this.headerPosition) : this.baseOffset
  }

  get maxTimestamp(): number {
    if (this.magic === 2) return maxTimestampAt(this.#window, this.headerPosition)
    return this.magic === 1 ? Number(this.#window.readBigInt64BE(this.headerPosition + 18)) : NO_TIMESTAMP
  }

  next(): boolean {
    this.position += this.size
    this.size = 0
    const available = this.#end - this.position
    if (available < LOG_OVERHEAD + MIN_BATCH_LENGTH) return false
    const needed = Math.min(available, BATCH_HEADER_SIZE)
    if (this.position < this.#windowStart || this.position + needed > this.#windowEnd) this.fill()
    if (this.position + needed > this.#windowEnd) return false
    this.headerPosition = this.position - this.#windowStart
    const size = batchSizeAt(this.#window, this.headerPosition)
    this.magic = magicAt(this.#window, this.headerPosition)
    const leastSize = this.magic === 2 ? BATCH_HEADER_SIZE : LOG_OVERHEAD + MIN_BATCH_LENGTH
    if (size < leastSize || size > available || this.magic < 0 || this.magic > 2) return false
    this.size = size
    return true
  }

  private fill(): void {
    const length = Math.min(this.#window.length, this.#end - this.position)
    this.#windowStart = this.position
    this.#windowEnd = this.position + this.#file.read(this.#window, 0, length, this.position)
  }
}

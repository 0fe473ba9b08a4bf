import { Codec } from '@millrace/protocol/compression/codec'
import { isMessageCrcValidAt, readMessage } from '@millrace/protocol/records/message-set'
import { openPayload } from '@millrace/protocol/records/payload'
import { baseOffsetAt, codecAt, isControlAt, isCrcValidAt, lastOffsetAt } from '@millrace/protocol/records/record-batch'
import { RecordCursor } from '@millrace/protocol/records/record-cursor'
import type { CleanedTransactions } from './cleaned-transactions.ts'
import { DamagedBatch } from './damaged-batch.ts'
import type { OffsetMap } from './offset-map.ts'

/** As for appends. */
const decompressedBytesMax = 128 * 1024 * 1024

/**
 * Notes the keys of a log's dirty part in an offset map, batch by batch in the order of the log. Aborted records and markers have no say.
 * Which records go is decided by these keys, so each batch must have its checksum.
 */
export class KeyCollection {
  readonly #offsets: OffsetMap
  readonly #transactions: CleanedTransactions
  readonly #startOffset: number
  readonly #cursor = new RecordCursor()
  /** The records of a compressed batch, one batch at a time. */
  readonly #room = { bytes: Buffer.alloc(0) }

  constructor(offsets: OffsetMap, transactions: CleanedTransactions, startOffset: number) {
    this.#offsets = offsets
    this.#transactions = transactions
    this.#startOffset = startOffset
  }

  /** False when the map had no room for a key: then nothing behind it is known. Throws DamagedBatch, MalformedRecords and CorruptPayload. */
  add(buffer: Uint8Array, position: number, magic: number): boolean {
    const isBatch = magic === 2
    const isSound = isBatch ? isCrcValidAt(buffer, position) : isMessageCrcValidAt(buffer, position)
    if (!isSound) throw new DamagedBatch(baseOffsetAt(buffer, position))
    const lastOffset = isBatch ? lastOffsetAt(buffer, position) : baseOffsetAt(buffer, position)
    // A marker counts for the transactions all the same.
    const isHidden = isBatch && (this.#transactions.onBatch(buffer, position) || isControlAt(buffer, position))
    if (!isHidden) {
      const hasRoom = isBatch ? this.addRecords(buffer, position) : this.addMessages(buffer, position)
      if (!hasRoom) return false
    }
    if (lastOffset >= this.#startOffset) this.#offsets.raiseLatestOffset(lastOffset)
    return true
  }

  private addRecords(buffer: Uint8Array, position: number): boolean {
    const offsets = this.#offsets
    const cursor = this.#cursor
    const baseOffset = baseOffsetAt(buffer, position)
    const isPlain = codecAt(buffer, position) === Codec.none
    cursor.open(buffer, position, isPlain ? null : openPayload(buffer, position, decompressedBytesMax, this.#room))
    while (cursor.next()) {
      const { keyAt, keyLength } = cursor
      const offset = baseOffset + cursor.offsetDelta
      if (keyLength < 0 || offset < this.#startOffset) continue
      if (!offsets.putSoon(cursor.bytes, keyAt, keyAt + keyLength, offset)) return false
    }
    return offsets.putWaiting()
  }

  private addMessages(buffer: Uint8Array, position: number): boolean {
    for (const { offset, key } of readMessage(buffer, position, decompressedBytesMax)) {
      if (key === null || offset < this.#startOffset) continue
      if (this.#offsets.isFull) return false
      this.#offsets.put(key, 0, key.length, offset)
    }
    return true
  }
}

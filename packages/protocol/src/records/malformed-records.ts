/** Records that break their format: the one error of everything here that reads records (a payload that cannot be opened is CorruptPayload). */
export class MalformedRecords extends Error {
  override readonly name = 'MalformedRecords'
  /** Base offset of the batch (of the message in magic 0 and 1). */
  readonly batchOffset: number
  /** Index of the record in its batch, from 0; -1 when the batch as a whole is wrong. */
  readonly recordIndex: number
  readonly reason: string

  constructor(batchOffset: number, recordIndex: number, reason: string) {
    super(`batch at offset ${batchOffset}${recordIndex < 0 ? '' : `, record ${recordIndex}`}: ${reason}`)
    this.batchOffset = batchOffset
    this.recordIndex = recordIndex
    this.reason = reason
  }
}

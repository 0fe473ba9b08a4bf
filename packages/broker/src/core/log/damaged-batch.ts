/** A batch in the log whose checksum says that it is not what was written. */
export class DamagedBatch extends Error {
  override readonly name = 'DamagedBatch'
  readonly baseOffset: number

  constructor(baseOffset: number) {
    super(`the batch at offset ${baseOffset} has a wrong checksum`)
    this.baseOffset = baseOffset
  }
}

export interface MalformedPlace {
  /** Name of the message row, or of the format (`record batch`, `frame`…). Empty: the reader alone does not know. */
  readonly message?: string
  /** -1: the format has none, or it is not known yet. */
  readonly version?: number
  /** Path from the message down, like `topics[3].partitions[0].records`. */
  readonly field?: string
  /** Index in the buffer that was read, of the first byte that cannot be understood. */
  readonly offset: number
}

/**
 * Bytes that are not what they claim to be: the one error of every decoder in this package.
 * The peer is wrong or hostile, so the connection (or the file) is, too; nothing was allocated on the strength of its lengths.
 */
export class MalformedMessage extends Error {
  override readonly name = 'MalformedMessage'
  readonly reason: string
  readonly messageName: string
  readonly version: number
  /** Decoders complete it on the error's way up, and then throw a new error that says all of it. */
  field: string
  readonly offset: number

  constructor(reason: string, place: MalformedPlace) {
    const { message = '', version = -1, field = '', offset } = place
    const subject = `${message}${version >= 0 ? ` v${version}` : ''}${field === '' ? '' : `${message === '' ? '' : ', '}${field}`}`
    super(`${subject === '' ? '' : `${subject}: `}${reason} (byte ${offset})`)
    this.reason = reason
    this.messageName = message
    this.version = version
    this.field = field
    this.offset = offset
  }
}

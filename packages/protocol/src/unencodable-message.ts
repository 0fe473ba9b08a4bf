/**
 * A value that its message row cannot carry: a number out of range, null where the version has no null, a string beyond 32,767
 * bytes, or a field that the version lacks, is not ignorable and does not hold its default. Always a mistake on our side.
 */
export class UnencodableMessage extends Error {
  override readonly name = 'UnencodableMessage'
  readonly reason: string
  readonly messageName: string
  readonly version: number
  /** Encoders complete it on the error's way up, and then throw a new error that says all of it. */
  field: string

  constructor(
    reason: string,
    place: { readonly message?: string; readonly version?: number; readonly field?: string } = {},
  ) {
    const { message = '', version = -1, field = '' } = place
    super(message === '' ? reason : `${message} v${version}${field === '' ? '' : `, ${field}`}: ${reason}`)
    this.reason = reason
    this.messageName = message
    this.version = version
    this.field = field
  }
}

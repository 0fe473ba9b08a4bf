/** A file on disk that is not what its name says. `reason` says what was found; the owner knows the path. */
export class MalformedFile extends Error {
  override readonly name = 'MalformedFile'
  readonly kind: string
  readonly reason: string

  constructor(kind: string, reason: string) {
    super(`${kind}: ${reason}`)
    this.kind = kind
    this.reason = reason
  }
}

/**
 * A compressed payload that cannot be opened: the one error of every codec. `tooLarge` tells bytes that would not fit the caller's
 * bound (they may be sound) from bytes that are wrong.
 */
export class CorruptPayload extends Error {
  override readonly name = 'CorruptPayload'
  readonly codec: string
  readonly reason: string
  readonly tooLarge: boolean

  constructor(codec: string, reason: string, options: { tooLarge?: boolean; cause?: unknown } = {}) {
    super(`${codec} payload: ${reason}`, options.cause === undefined ? undefined : { cause: options.cause })
    this.codec = codec
    this.reason = reason
    this.tooLarge = options.tooLarge ?? false
  }
}

/** The refusal of output beyond `maxBytes`, thrown before that output is allocated. */
export function payloadTooLarge(codec: string, maxBytes: number): CorruptPayload {
  return new CorruptPayload(codec, `decompresses to more than ${maxBytes} bytes`, { tooLarge: true })
}

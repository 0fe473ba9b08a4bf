import { canGenerateCode } from './code-generation.ts'
import { decoderOfClosures } from './decoder-closures.ts'
import { generateDecoder } from './decoder-source.ts'
import { MalformedMessage } from './malformed-message.ts'
import { Reader } from './reader.ts'
import { checkVersion, type Message } from './schema.ts'

export type Decode<T> = (reader: Reader) => T

/**
 * The decoder of `message` at `version`: straight-line JavaScript where strings may be compiled (0.1 ms, once), closures with the
 * same answers elsewhere. Every version builds an object with the same keys in the same order, so V8 sees one hidden class.
 * Throws RangeError for a version the message does not have.
 */
export function compileDecoder<T>(
  message: Message<T>,
  version: number,
  generate: boolean = canGenerateCode,
): Decode<T> {
  checkVersion(message as Message<never>, version)
  const decode = generate ? generateDecoder(message, version) : decoderOfClosures(message, version)
  let tracing: Decode<T> | undefined
  return reader => {
    const start = reader.position
    try {
      return decode(reader)
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error
      // Straight-line code does not know which field it is in. The closures do, and fail at the same byte: decode once more with them.
      tracing ??= generate ? decoderOfClosures(message, version) : decode
      const { reason, field, offset } = faultOf(tracing, reader, start, error)
      throw new MalformedMessage(reason, { message: message.name, version, field, offset })
    }
  }
}

function faultOf<T>(decode: Decode<T>, reader: Reader, start: number, error: MalformedMessage): MalformedMessage {
  if (error.field !== '') return error
  try {
    decode(new Reader(reader.buffer, start, reader.end))
  } catch (traced) {
    if (traced instanceof MalformedMessage) return traced
  }
  return error
}

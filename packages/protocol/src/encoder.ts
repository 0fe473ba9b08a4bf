import { canGenerateCode } from './code-generation.ts'
import { encoderOfClosures } from './encoder-closures.ts'
import { generateEncoder } from './encoder-source.ts'
import { checkVersion, type Message } from './schema.ts'
import { UnencodableMessage } from './unencodable-message.ts'
import { Writer } from './writer.ts'

export type Encode<T> = (writer: Writer, value: T) => void

/**
 * The encoder of `message` at `version`, the mirror of compileDecoder. A tagged field is written only when it differs from its default.
 * Throws RangeError for a version the message does not have.
 */
export function compileEncoder<T>(
  message: Message<T>,
  version: number,
  generate: boolean = canGenerateCode,
): Encode<T> {
  checkVersion(message as Message<never>, version)
  const encode = generate ? generateEncoder(message, version) : encoderOfClosures(message, version)
  return (writer, value) => {
    try {
      encode(writer, value)
    } catch (error) {
      throw explained(message, version, value, error)
    }
  }
}

/**
 * Straight-line code does not know which field it is in, and meets null or a missing value as a TypeError. The closures know:
 * encode once more with them.
 */
function explained<T>(message: Message<T>, version: number, value: T, error: unknown): unknown {
  if (!(error instanceof UnencodableMessage) && !(error instanceof TypeError)) return error
  let fault: unknown = error
  if (!(error instanceof UnencodableMessage) || error.field === '') {
    try {
      encoderOfClosures(message, version)(new Writer(), value)
    } catch (traced) {
      fault = traced
    }
  }
  if (!(fault instanceof UnencodableMessage)) return error
  return new UnencodableMessage(fault.reason, { message: message.name, version, field: fault.field })
}

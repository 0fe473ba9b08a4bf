import { compileDecoder, type Decode } from './decoder.ts'
import { compileEncoder, type Encode } from './encoder.ts'
import type { Message } from './schema.ts'

export interface Codec<T> {
  /**
   * Reads one message from `reader`, which may have bytes left afterwards (`reader.remaining`). Fields that the version lacks get
   * their defaults, unknown tagged fields are skipped, byte fields are views. Throws MalformedMessage.
   */
  readonly decode: Decode<T>
  /**
   * Appends a complete value. Fields that the version lacks are left out if they are ignorable or hold their default.
   * Throws UnencodableMessage; what the writer holds is then of no use.
   */
  readonly encode: Encode<T>
}

const compiled = new Map<Message<never>, (Codec<never> | undefined)[]>()

/** The codec of `message` at `version`, compiled on first use. Throws RangeError for a version it does not have. */
export function codec<T>(message: Message<T>, version: number): Codec<T> {
  const key = message as Message<never>
  const found = compiled.get(key)?.[version]
  if (found !== undefined) return found as unknown as Codec<T>
  const made: Codec<T> = { decode: compileDecoder(message, version), encode: compileEncoder(message, version) }
  const versions = compiled.get(key) ?? []
  versions[version] = made as unknown as Codec<never>
  compiled.set(key, versions)
  return made
}

import { codec } from '../codec.ts'
import { MalformedMessage } from '../malformed-message.ts'
import { Reader } from '../reader.ts'
import type { Message } from '../schema.ts'
import { Writer } from '../writer.ts'

/**
 * Keys and values of internal topics, and consumer metadata, begin with two bytes of version. In keys of __consumer_offsets the version
 * also tells the type: 0 and 1 OffsetCommit, 2 GroupMetadata, from 3 on those of the new group protocols. Throws MalformedMessage.
 */
export function versionOf(bytes: Buffer): number {
  return new Reader(bytes).int16()
}

/** Throws MalformedMessage, also for a version that `message` does not have, and for bytes left over. */
export function decodeVersioned<T>(
  message: Message<T>,
  bytes: Buffer,
): { readonly version: number; readonly value: T } {
  const version = versionOf(bytes)
  const [first, last] = message.versions
  if (version < first || version > last) throw unknownVersion(message.name, version)
  const reader = new Reader(bytes, 2)
  const value = codec(message, version).decode(reader)
  if (reader.remaining > 0) {
    throw new MalformedMessage(`${reader.remaining} bytes left over`, {
      message: message.name,
      version,
      offset: reader.position,
    })
  }
  return { version, value }
}

export function encodeVersioned<T>(message: Message<T>, version: number, value: T): Buffer {
  const writer = new Writer()
  writer.int16(version)
  codec(message, version).encode(writer, value)
  return writer.finish()
}

export function unknownVersion(message: string, version: number): MalformedMessage {
  return new MalformedMessage(`unknown version ${version}`, { message, offset: 0 })
}

import { MalformedMessage } from './malformed-message.ts'
import type { Writer } from './writer.ts'

/** Four bytes, big-endian, before every request and response: the size of what follows. */
export const FRAME_PREFIX_BYTES = 4

/**
 * The size that the prefix at `at` announces. Throws MalformedMessage for a negative one and for one beyond `maxBytes`
 * (`socket.request.max.bytes`), before anything is allocated for it: often it is no Kafka client at all, but HTTP or TLS.
 */
export function frameSize(bytes: Buffer, at: number, maxBytes: number): number {
  if (bytes.length - at < FRAME_PREFIX_BYTES)
    throw new MalformedMessage('no frame prefix', { message: 'frame', offset: at })
  const size = bytes.readInt32BE(at)
  if (size < 0 || size > maxBytes) {
    throw new MalformedMessage(`frame of ${size} bytes, ${maxBytes} are allowed`, { message: 'frame', offset: at })
  }
  return size
}

/** Writes the place of a frame's size, for `finishFrame`; the message follows. */
export function beginFrame(writer: Writer): void {
  writer.int32(0)
}

/** The frame that began with `beginFrame`, in pieces as `Writer.finishParts` gives them. The writer is done. */
export function finishFrame(writer: Writer): Uint8Array[] {
  const size = writer.size - FRAME_PREFIX_BYTES
  if (size > 0x7fffffff) throw new RangeError(`frame of ${size} bytes`)
  const parts = writer.finishParts()
  const first = parts[0] as Uint8Array
  first[0] = size >>> 24
  first[1] = size >>> 16
  first[2] = size >>> 8
  first[3] = size
  return parts
}

/** The pieces of one message with their size in front, ready to be written in this order. */
export function framed(parts: readonly Uint8Array[]): Uint8Array[] {
  let size = 0
  for (const part of parts) size += part.length
  if (size > 0x7fffffff) throw new RangeError(`frame of ${size} bytes`)
  const prefix = Buffer.allocUnsafe(FRAME_PREFIX_BYTES)
  prefix.writeInt32BE(size)
  return [prefix, ...parts]
}

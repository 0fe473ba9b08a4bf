import { MalformedMessage } from './malformed-message.ts'

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

/** The pieces of one message with their size in front, ready to be written in this order. */
export function framed(parts: readonly Uint8Array[]): Uint8Array[] {
  let size = 0
  for (const part of parts) size += part.length
  if (size > 0x7fffffff) throw new RangeError(`frame of ${size} bytes`)
  const prefix = Buffer.allocUnsafe(FRAME_PREFIX_BYTES)
  prefix.writeInt32BE(size)
  return [prefix, ...parts]
}

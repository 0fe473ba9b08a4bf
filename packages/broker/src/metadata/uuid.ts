import type { Random } from '@millrace/runtime/ports'

/**
 * A random UUID (version 4) in Kafka's 22 characters. Texts that begin with `-` are drawn again, because command lines
 * take those for options; the two reserved ids of Kafka cannot come out of version 4.
 */
export function randomUuid(random: Random): string {
  for (;;) {
    const bytes = Buffer.from(random.bytes(16))
    bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x40, 6)
    bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8)
    const text = bytes.toString('base64url')
    if (!text.startsWith('-')) return text
  }
}

/** A random UUID (version 4) as Java prints it: the end of the member ids that coordinators hand out. */
export function uuidText(random: Random): string {
  const bytes = Buffer.from(random.bytes(16))
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x40, 6)
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8)
  const hex = bytes.toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

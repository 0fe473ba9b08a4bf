// Ids of topics come and go with every fetch of a follower. Those that were read or written lately are kept as text and as bytes: no call into C++, and
// equal ids are one string, whose hash is known.

const slotCount = 256
const byteCount = 16
const textLength = 22

/** By a hash of their bytes, and by one of their characters; whoever comes later takes the place. */
const readTexts: string[] = Array.from({ length: slotCount }, () => '')
const readBytes = new Uint8Array(slotCount * byteCount)
const writtenTexts: string[] = Array.from({ length: slotCount }, () => '')
const writtenBytes = new Uint8Array(slotCount * byteCount)

/** `buffer[at, at + 16)` as 22 characters of URL-safe base64. */
export function recentUuid(buffer: Buffer, at: number): string {
  let hash = 0
  for (let index = 0; index < byteCount; index++) hash = (Math.imul(hash, 31) + buffer[at + index]!) | 0
  const slot = (hash ^ (hash >>> 8)) & (slotCount - 1)
  const from = slot * byteCount
  const known = readTexts[slot]!
  if (known !== '' && isSame(readBytes, from, buffer, at)) return known
  const text = buffer.base64urlSlice(at, at + byteCount)
  copy(buffer, at, readBytes, from)
  readTexts[slot] = text
  return text
}

/** Writes the 16 bytes of `text` to `buffer`; false when it is no id. */
export function writeRecentUuid(text: string, buffer: Buffer, at: number): boolean {
  if (text.length !== textLength) return false
  let hash = 0
  for (let index = 0; index < textLength; index++) hash = (Math.imul(hash, 31) + text.charCodeAt(index)) | 0
  const slot = (hash ^ (hash >>> 8)) & (slotCount - 1)
  const from = slot * byteCount
  if (writtenTexts[slot] === text) {
    copy(writtenBytes, from, buffer, at)
    return true
  }
  if (buffer.write(text, at, byteCount, 'base64url') !== byteCount) return false
  copy(buffer, at, writtenBytes, from)
  writtenTexts[slot] = text
  return true
}

function isSame(bytes: Uint8Array, from: number, other: Uint8Array, at: number): boolean {
  for (let index = 0; index < byteCount; index++) if (bytes[from + index] !== other[at + index]) return false
  return true
}

function copy(from: Uint8Array, start: number, to: Uint8Array, at: number): void {
  for (let index = 0; index < byteCount; index++) to[at + index] = from[start + index]!
}

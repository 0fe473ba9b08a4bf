// Names of topics, groups and clients come again with every request. Short ones are looked for among those that were read lately: half of the
// time of making a new string, and equal names are one string, whose hash is known and which maps find without comparing characters.

/** From here on reading anew is as fast. */
const lengthMax = 24
const slotCount = 1024
/** By a hash of their bytes; whoever comes later takes the place. */
const recent: string[] = Array.from({ length: slotCount }, () => '')

/** `buffer[start, end)` as UTF-8. */
export function recentText(buffer: Buffer, start: number, end: number): string {
  const length = end - start
  if (length > lengthMax) return buffer.utf8Slice(start, end)
  let hash = length
  let seen = 0
  for (let at = start; at < end; at++) {
    const byte = buffer[at]!
    seen |= byte
    hash = (Math.imul(hash, 31) + byte) | 0
  }
  if (seen > 0x7f) return buffer.utf8Slice(start, end)
  const slot = (hash ^ (hash >>> 11)) & (slotCount - 1)
  const known = recent[slot]!
  if (isSame(known, buffer, start, length)) return known
  const text = buffer.utf8Slice(start, end)
  recent[slot] = text
  return text
}

function isSame(text: string, buffer: Buffer, start: number, length: number): boolean {
  if (text.length !== length) return false
  for (let index = 0; index < length; index++) if (text.charCodeAt(index) !== buffer[start + index]) return false
  return true
}

/**
 * The entries as Java's `Properties` walks them: by the hash of the key in a table of 16 slots, which doubles when it
 * is three quarters full. Kafka's config znodes come out in this order, so ours do too.
 */
export function inPropertiesOrder(entries: ReadonlyMap<string, string>): Map<string, string> {
  let slots = 16
  while (entries.size > slots * 0.75) slots *= 2
  const slotOf = (key: string): number => {
    const hash = javaHash(key)
    return (hash ^ (hash >>> 16)) & 0x7fffffff & (slots - 1)
  }
  return new Map([...entries].sort(([a], [b]) => slotOf(a) - slotOf(b)))
}

/** String.hashCode: 32 bits over UTF-16 units. */
function javaHash(text: string): number {
  let hash = 0
  for (let index = 0; index < text.length; index++) hash = (Math.imul(hash, 31) + text.charCodeAt(index)) | 0
  return hash
}

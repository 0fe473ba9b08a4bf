/** Java's `String.hashCode`: over UTF-16 units, signed 32 bits. */
export function javaHash(text: string): number {
  let hash = 0
  for (let index = 0; index < text.length; index++) hash = (Math.imul(hash, 31) + text.charCodeAt(index)) | 0
  return hash
}

/** Kafka's `Utils.abs`: that of -2^31, which has no positive counterpart, is 0. */
export function javaAbs(value: number): number {
  return value === -0x8000_0000 ? 0 : Math.abs(value)
}

/** The partition of `__consumer_offsets` (or `__transaction_state`) that holds this group (or transactional id). */
export function coordinatorPartition(id: string, partitionCount: number): number {
  return javaAbs(javaHash(id)) % partitionCount
}

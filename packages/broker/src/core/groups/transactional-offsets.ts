import type { OffsetEntry, TopicPartition } from './entries.ts'

interface OpenOffset {
  readonly entry: OffsetEntry
  /** Larger: written later. */
  readonly place: number
  /** Something newer was committed meanwhile: the end of the transaction changes nothing any more. */
  isOutdated: boolean
}

/**
 * Offsets that producers wrote within transactions: they count from the commit on, but by their own place in the log, not by that of the
 * marker (KIP-98). Until then nobody may rely on what is committed there (KIP-447).
 */
export class TransactionalOffsets {
  /** By producer id, then by what the offset is of. */
  readonly #open = new Map<number, Map<string, OpenOffset>>()
  #nextPlace = 0

  write(producerId: number, entry: OffsetEntry): void {
    let offsets = this.#open.get(producerId)
    if (offsets === undefined) this.#open.set(producerId, (offsets = new Map()))
    offsets.set(keyOf(entry.groupId, entry), { entry, place: this.#nextPlace++, isOutdated: false })
  }

  /** The transaction writes no offset there after all. */
  withdraw(producerId: number, { groupId, topic, partition }: OffsetEntry): void {
    this.#open.get(producerId)?.delete(keyOf(groupId, { topic, partition }))
  }

  /** An offset was committed without a transaction: it is newer than all that is open. */
  onCommitted(entry: OffsetEntry): void {
    if (this.#open.size > 0) this.outdate(entry, this.#nextPlace)
  }

  /** Answers what counts from now on. */
  commit(producerId: number): OffsetEntry[] {
    const committed = [...(this.#open.get(producerId)?.values() ?? [])].filter(({ isOutdated }) => !isOutdated)
    this.#open.delete(producerId)
    for (const { entry, place } of committed) this.outdate(entry, place)
    return committed.map(({ entry }) => entry)
  }

  abort(producerId: number): void {
    this.#open.delete(producerId)
  }

  isOpen(groupId: string, of: TopicPartition): boolean {
    if (this.#open.size === 0) return false
    const key = keyOf(groupId, of)
    for (const offsets of this.#open.values()) if (offsets.has(key)) return true
    return false
  }

  /** Groups that have any. */
  groupIds(): Set<string> {
    return new Set([...this.#open.values()].flatMap(offsets => [...offsets.values()].map(({ entry }) => entry.groupId)))
  }

  private outdate(entry: OffsetEntry, place: number): void {
    const key = keyOf(entry.groupId, entry)
    for (const offsets of this.#open.values()) {
      const open = offsets.get(key)
      if (open !== undefined && open.place < place) open.isOutdated = true
    }
  }
}

/** No topic has a space in its name. */
const keyOf = (groupId: string, { topic, partition }: TopicPartition): string => `${partition} ${topic} ${groupId}`

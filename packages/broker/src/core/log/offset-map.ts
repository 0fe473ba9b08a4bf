import { assert } from '@millrace/runtime/invariant'
import { KeyHash } from './key-hash.ts'

/** Four words of hash and two of offset: as many bytes as an entry of Kafka's map has, so the same setting holds the same number of keys. */
const entryWords = 6
export const offsetMapEntryBytes = entryWords * 4
/** A table with room to spare is looked up in one or two probes. */
const spaciousLoad = 0.7
/** Where a table begins that nobody knows to get large: 768 KiB, which nearby caches hold. */
const slotsFirst = 32 * 1024
/** A table that is full gives way to one so many times as large. */
const growthFactor = 4
/** Slots of the smaller table that one step of growth goes through: in 0.1 ms, most of which the pages of the larger one take. */
const slotsPerStep = 4096
/** Keys that wait to be put: their places are fetched together, and then still in the nearest cache. */
const waitingMax = 64
/** Bytes of a map to one byte of what it notes of replaced offsets, at most. */
const bytesPerReplacedByte = 16

/**
 * Key → last offset, of the dirty part of a log, without the keys: open addressing in one typed array. It begins small and grows with its keys:
 * a table that is much larger than what is in it costs a miss of cache and address translation for each record, whose key was mostly seen before.
 * Memory is taken from the system where entries are put, a page at a time; `release` gives it back without waiting for the collector.
 */
export class OffsetMap {
  /** The last offset that was looked at: records behind it are unknown to the map. */
  latestOffset = -1
  readonly #hash: KeyHash
  readonly #slotsMax: number
  readonly #sizeMax: number
  /** So many keys may be put before the table has to grow. */
  #roomyUntil = 0
  #slots: number
  #words: Int32Array
  /** While it grows: the larger table, and how far it is filled from the smaller one. */
  #larger: Int32Array | null = null
  #movedSlots = 0
  readonly #firstOffset: number
  /**
   * One bit for each offset from `firstOffset` on: a newer record of its key was put. Whoever goes through the same records again asks these bits, in
   * order, instead of hashing each key anew and looking for it all over the table: half the work of compacting what is dirty for the first time.
   */
  readonly #replaced: Uint8Array
  readonly #waitingHashes = new Int32Array(waitingMax * 4)
  readonly #waitingOffsets = new Float64Array(waitingMax)
  #waitingCount = 0
  /** Of no meaning: what was read only to have it read. */
  readonly #fetched = new Int32Array(1)
  #size = 0

  /**
   * Holds at most `bytesMax / 24 * loadFactor` keys, and takes no more memory than `keysMax` of them need. `secret` as for KeyHash. `firstOffset`: of the
   * records that are put, which are no more than `keysMax` from there on; where they are too many to have a bit each, none has.
   */
  constructor(options: {
    bytesMax: number
    loadFactor: number
    keysMax: number
    secret: Uint8Array
    firstOffset?: number
  }) {
    const slotsMax = Math.floor(options.bytesMax / offsetMapEntryBytes)
    this.#sizeMax = Math.floor(slotsMax * options.loadFactor)
    this.#slotsMax = Math.max(1, Math.min(slotsMax, Math.ceil(options.keysMax / spaciousLoad) + 1))
    this.#slots = Math.min(this.#slotsMax, slotsFirst)
    this.#roomyUntil = this.#roomIn(this.#slots)
    this.#hash = new KeyHash(options.secret)
    this.#words = new Int32Array(this.#slots * entryWords)
    this.#firstOffset = options.firstOffset ?? 0
    const replacedBytes = options.firstOffset === undefined ? 0 : Math.ceil(options.keysMax / 8)
    this.#replaced = new Uint8Array(replacedBytes <= options.bytesMax / bytesPerReplacedByte ? replacedBytes : 0)
    assert(this.#sizeMax < slotsMax || options.loadFactor >= 1, 'an empty slot ends every search')
  }

  get size(): number {
    return this.#size
  }

  /** Bytes that it holds, or will once entries are put there. */
  get bytes(): number {
    return this.#words.byteLength
  }

  /** How full it is: 1 where `isFull`. */
  get utilization(): number {
    return this.#sizeMax === 0 ? 1 : this.#size / this.#sizeMax
  }

  /** Nothing may be put any more. */
  get isFull(): boolean {
    return this.#size >= this.#sizeMax
  }

  /**
   * A step towards room for `count` more keys; false when there is nothing (more) to do: to be called until then before as many are put, with time for
   * others in between. Whoever does not know how many will be put need not call it: the table then grows in one go, when it has to.
   */
  grow(count: number): boolean {
    if (this.#larger === null) {
      if (this.#size + count <= this.#roomyUntil || this.#slots === this.#slotsMax) return false
      this.#larger = new Int32Array(this.#largerSlots(this.#size + count) * entryWords)
      this.#movedSlots = 0
      // What is put into the smaller table now may not be moved any more.
      this.#roomyUntil = -1
    }
    this.#moveSome(this.#larger)
    return true
  }

  #largerSlots(size: number): number {
    let slots = this.#slots
    while (slots < this.#slotsMax && this.#roomIn(slots) < size) slots = Math.min(this.#slotsMax, slots * growthFactor)
    return slots
  }

  #roomIn(slots: number): number {
    return slots === this.#slotsMax ? this.#sizeMax : Math.floor(slots * spaciousLoad)
  }

  /** Entries keep their order, but for the few that were put past the end: both tables are gone through from front to back. */
  #moveSome(larger: Int32Array): void {
    const words = this.#words
    const slots = larger.length / entryWords
    const end = Math.min(this.#slots, this.#movedSlots + slotsPerStep)
    for (let from = this.#movedSlots * entryWords; from < end * entryWords; from += entryWords) {
      if (words[from + 4] === 0 && words[from + 5] === 0) continue
      let at = firstSlot(words[from]!, slots) * entryWords
      while (larger[at + 4] !== 0 || larger[at + 5] !== 0) at = at + entryWords === larger.length ? 0 : at + entryWords
      for (let word = 0; word < entryWords; word++) larger[at + word] = words[from + word]!
    }
    this.#movedSlots = end
    if (end < this.#slots) return
    ;(words.buffer as ArrayBuffer).transfer(0)
    this.#words = larger
    this.#slots = slots
    this.#roomyUntil = this.#roomIn(slots)
    this.#larger = null
  }

  /** The key `bytes[start, end)` is at `offset`, whatever was said of it before. */
  put(bytes: Uint8Array, start: number, end: number, offset: number): void {
    this.#hash.hash(bytes, start, end)
    const { h0, h1, h2, h3 } = this.#hash
    this.#put(h0, h1, h2, h3, offset)
  }

  /**
   * As `put`, some time before the next `putWaiting`, which has to come before anything is asked. Each key is somewhere else in a table that no cache
   * holds; of all who wait the memory is fetched at the same time. False: there was no room for one of them.
   */
  putSoon(bytes: Uint8Array, start: number, end: number, offset: number): boolean {
    this.#hash.hash(bytes, start, end)
    const { h0, h1, h2, h3 } = this.#hash
    const at = this.#waitingCount * 4
    const hashes = this.#waitingHashes
    hashes[at] = h0
    hashes[at + 1] = h1
    hashes[at + 2] = h2
    hashes[at + 3] = h3
    this.#waitingOffsets[this.#waitingCount] = offset
    return ++this.#waitingCount < waitingMax || this.putWaiting()
  }

  /** False: there was no room for one of them, and those behind it are forgotten. */
  putWaiting(): boolean {
    const hashes = this.#waitingHashes
    const count = this.#waitingCount
    this.#waitingCount = 0
    // Nothing but loads that do not wait for each other: a processor has a dozen of them under way at a time.
    const words = this.#words
    let fetched = 0
    for (let index = 0; index < count; index++) {
      const at = this.#slotOf(hashes[index * 4]!)
      fetched ^= words[at]! ^ words[at + entryWords - 1]!
    }
    this.#fetched[0] = fetched
    for (let index = 0; index < count; index++) {
      if (this.isFull) return false
      const at = index * 4
      this.#put(hashes[at]!, hashes[at + 1]!, hashes[at + 2]!, hashes[at + 3]!, this.#waitingOffsets[index]!)
    }
    return true
  }

  #put(h0: number, h1: number, h2: number, h3: number, offset: number): void {
    assert(!this.isFull, 'a full map takes no key')
    if (this.#size >= this.#roomyUntil) while (this.grow(1));
    const words = this.#words
    const at = this.#find(h0, h1, h2, h3)
    if (words[at + 4] === 0 && words[at + 5] === 0) {
      words[at] = h0
      words[at + 1] = h1
      words[at + 2] = h2
      words[at + 3] = h3
      this.#size++
    } else {
      const index = words[at + 4]! * 0x1_0000_0000 + (words[at + 5]! >>> 0) - 1 - this.#firstOffset
      if (index >= 0 && index < this.#replaced.length * 8) this.#replaced[index >>> 3]! |= 1 << (index & 7)
    }
    // One more than the offset, so that zeros mean an empty slot.
    const stored = offset + 1
    words[at + 4] = Math.floor(stored / 0x1_0000_0000)
    words[at + 5] = stored | 0
    this.latestOffset = offset
  }

  /** The offset of the key `bytes[start, end)`, -1 when it has none. */
  get(bytes: Uint8Array, start: number, end: number): number {
    this.#hash.hash(bytes, start, end)
    const { h0, h1, h2, h3 } = this.#hash
    const at = this.#find(h0, h1, h2, h3)
    return this.#words[at + 4]! * 0x1_0000_0000 + (this.#words[at + 5]! >>> 0) - 1
  }

  /** Is it known, without a look at its key, that a newer record of the key of the record at `offset` was put? */
  isReplaced(offset: number): boolean {
    const index = offset - this.#firstOffset
    if (index < 0 || index >= this.#replaced.length * 8) return false
    return (this.#replaced[index >>> 3]! & (1 << (index & 7))) !== 0
  }

  /** As `isReplaced`, of every offset from `first` to `last`, at least one. */
  areReplaced(first: number, last: number): boolean {
    const start = first - this.#firstOffset
    const end = last - this.#firstOffset + 1
    if (start < 0 || end <= start || end > this.#replaced.length * 8) return false
    for (let index = start; index < end;) {
      const bits = this.#replaced[index >>> 3]!
      const isWhole = (index & 7) === 0 && index + 8 <= end
      if (isWhole ? bits !== 0xff : (bits & (1 << (index & 7))) === 0) return false
      index += isWhole ? 8 : 1
    }
    return true
  }

  /** Was nothing put behind `offset` for the key `bytes[start, end)`, which stands there? */
  isLatest(bytes: Uint8Array, start: number, end: number, offset: number): boolean {
    const index = offset - this.#firstOffset
    if (index >= 0 && index < this.#replaced.length * 8) {
      return (this.#replaced[index >>> 3]! & (1 << (index & 7))) === 0
    }
    return offset >= this.get(bytes, start, end)
  }

  /** Everything up to `offset` was looked at, whether it had keys or not. */
  raiseLatestOffset(offset: number): void {
    if (offset > this.latestOffset) this.latestOffset = offset
  }

  /** The memory goes back now; the map must not be used afterwards. */
  release(): void {
    for (const array of [this.#words, this.#replaced, this.#larger])
      (array?.buffer as ArrayBuffer | undefined)?.transfer(0)
  }

  /** Where the search for a key begins. */
  #slotOf(h0: number): number {
    return firstSlot(h0, this.#slots) * entryWords
  }

  /** Where the key's entry is, or the empty slot where it would be. */
  #find(h0: number, h1: number, h2: number, h3: number): number {
    const words = this.#words
    const stop = words.length
    let at = this.#slotOf(h0)
    for (;;) {
      if (words[at] === h0 && words[at + 1] === h1 && words[at + 2] === h2 && words[at + 3] === h3) {
        if (words[at + 4] !== 0 || words[at + 5] !== 0) return at
      }
      if (words[at + 4] === 0 && words[at + 5] === 0) return at
      at += entryWords
      if (at === stop) at = 0
    }
  }
}

/** Grows with the hash, whatever the number of slots. */
function firstSlot(h0: number, slots: number): number {
  return Math.floor(((h0 >>> 0) * slots) / 0x1_0000_0000)
}

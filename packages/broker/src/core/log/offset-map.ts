import { assert } from '@millrace/runtime/invariant'
import { KeyHash } from './key-hash.ts'

/** Four words of hash and two of offset: as many bytes as an entry of Kafka's map has, so the same setting holds the same number of keys. */
const entryWords = 6
export const offsetMapEntryBytes = entryWords * 4
/** A table with room to spare is looked up in one or two probes. */
const spaciousLoad = 0.7
/** Keys that wait to be put: their places are fetched by then, and still in the nearest cache. */
const waitingMax = 64
/** Bytes of a map to one byte of what it notes of replaced offsets, at most. */
const bytesPerReplacedByte = 16

/**
 * Key → last offset, of the dirty part of a log, without the keys: open addressing in one typed array of a size that never changes. Its
 * memory is taken from the system where entries are put, a page at a time; `release` gives it back without waiting for the collector.
 */
export class OffsetMap {
  /** The last offset that was looked at: records behind it are unknown to the map. */
  latestOffset = -1
  readonly #hash: KeyHash
  readonly #slots: number
  readonly #sizeMax: number
  readonly #words: Int32Array
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
    this.#slots = Math.max(1, Math.min(slotsMax, Math.ceil(options.keysMax / spaciousLoad) + 1))
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

  /** Bytes that it may come to hold. */
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

  /** The key `bytes[start, end)` is at `offset`, whatever was said of it before. */
  put(bytes: Uint8Array, start: number, end: number, offset: number): void {
    this.#hash.hash(bytes, start, end)
    const { h0, h1, h2, h3 } = this.#hash
    this.#put(h0, h1, h2, h3, offset)
  }

  /**
   * As `put`, some time before the next `putWaiting`, which has to come before anything is asked. Each key is somewhere else in a table that no cache
   * holds; by the time that all who wait are put, the memory of each is on its way. False: there was no room for one of them.
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
    this.#fetched[0]! ^= this.#words[this.#slotOf(h0)]!
    return ++this.#waitingCount < waitingMax || this.putWaiting()
  }

  /** False: there was no room for one of them, and those behind it are forgotten. */
  putWaiting(): boolean {
    const hashes = this.#waitingHashes
    const count = this.#waitingCount
    this.#waitingCount = 0
    for (let index = 0; index < count; index++) {
      if (this.isFull) return false
      const at = index * 4
      this.#put(hashes[at]!, hashes[at + 1]!, hashes[at + 2]!, hashes[at + 3]!, this.#waitingOffsets[index]!)
    }
    return true
  }

  #put(h0: number, h1: number, h2: number, h3: number, offset: number): void {
    assert(!this.isFull, 'a full map takes no key')
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
    for (const { buffer } of [this.#words, this.#replaced]) (buffer as ArrayBuffer).transfer(0)
  }

  /** Where the search for a key begins. */
  #slotOf(h0: number): number {
    return Math.floor(((h0 >>> 0) * this.#slots) / 0x1_0000_0000) * entryWords
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

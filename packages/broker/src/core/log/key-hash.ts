/**
 * A 128-bit hash of a record's key: two HalfSipHash-1-3 (Aumasson and Bernstein's SipHash in 32-bit words, with rounds as the Linux kernel's
 * hsiphash has them) side by side under independent random keys, 64 bits each.
 *
 * Why not Kafka's MD5: through node:crypto it costs 2 µs per key, and 0.1 µs here. Why a keyed hash: two keys that collide make compaction drop
 * a live record, and keys may be chosen by somebody's users. Without the random 128 bits, which never leave the process and are new for each
 * compaction, nobody can search for a collision with a victim's key, which a fast unkeyed hash does not rule out. By chance, 10^9 different
 * keys collide with a probability of 10^18 / 2^129 = 1.5e-21.
 */
export class KeyHash {
  /** The hash of the last call: as fields, so that no call allocates. */
  h0 = 0
  h1 = 0
  h2 = 0
  h3 = 0
  readonly #k0: number
  readonly #k1: number
  readonly #k2: number
  readonly #k3: number

  /** `secret`: 16 unpredictable bytes. */
  constructor(secret: Uint8Array) {
    this.#k0 = wordAt(secret, 0)
    this.#k1 = wordAt(secret, 4)
    this.#k2 = wordAt(secret, 8)
    this.#k3 = wordAt(secret, 12)
  }

  /** Hashes `bytes[start, end)`. */
  hash(bytes: Uint8Array, start: number, end: number): void {
    // The state of the one in a, of the other in b; written out, because V8 keeps eight locals in registers and no array.
    let a0 = this.#k0
    let a1 = this.#k1 ^ 0xee
    let a2 = a0 ^ 0x6c796765
    let a3 = this.#k1 ^ 0x74656462
    let b0 = this.#k2
    let b1 = this.#k3 ^ 0xee
    let b2 = b0 ^ 0x6c796765
    let b3 = this.#k3 ^ 0x74656462
    const length = end - start
    let at = start
    for (let words = length >>> 2; words > 0; words--, at += 4) {
      const word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
      a3 ^= word
      b3 ^= word
      a0 = (a0 + a1) | 0
      b0 = (b0 + b1) | 0
      a1 = ((a1 << 5) | (a1 >>> 27)) ^ a0
      b1 = ((b1 << 5) | (b1 >>> 27)) ^ b0
      a2 = (a2 + a3) | 0
      b2 = (b2 + b3) | 0
      a3 = ((a3 << 8) | (a3 >>> 24)) ^ a2
      b3 = ((b3 << 8) | (b3 >>> 24)) ^ b2
      a0 = (((a0 << 16) | (a0 >>> 16)) + a3) | 0
      b0 = (((b0 << 16) | (b0 >>> 16)) + b3) | 0
      a3 = ((a3 << 7) | (a3 >>> 25)) ^ a0
      b3 = ((b3 << 7) | (b3 >>> 25)) ^ b0
      a2 = (a2 + a1) | 0
      b2 = (b2 + b1) | 0
      a1 = ((a1 << 13) | (a1 >>> 19)) ^ a2
      b1 = ((b1 << 13) | (b1 >>> 19)) ^ b2
      a2 = (a2 << 16) | (a2 >>> 16)
      b2 = (b2 << 16) | (b2 >>> 16)
      a0 ^= word
      b0 ^= word
    }
    let last = length << 24
    const rest = length & 3
    if (rest > 0) last |= bytes[at]!
    if (rest > 1) last |= bytes[at + 1]! << 8
    if (rest > 2) last |= bytes[at + 2]! << 16
    a3 ^= last
    b3 ^= last
    // One round for the last word, three for the first 32 bits of each, three more for the second.
    for (let round = 1; ; round++) {
      a0 = (a0 + a1) | 0
      b0 = (b0 + b1) | 0
      a1 = ((a1 << 5) | (a1 >>> 27)) ^ a0
      b1 = ((b1 << 5) | (b1 >>> 27)) ^ b0
      a2 = (a2 + a3) | 0
      b2 = (b2 + b3) | 0
      a3 = ((a3 << 8) | (a3 >>> 24)) ^ a2
      b3 = ((b3 << 8) | (b3 >>> 24)) ^ b2
      a0 = (((a0 << 16) | (a0 >>> 16)) + a3) | 0
      b0 = (((b0 << 16) | (b0 >>> 16)) + b3) | 0
      a3 = ((a3 << 7) | (a3 >>> 25)) ^ a0
      b3 = ((b3 << 7) | (b3 >>> 25)) ^ b0
      a2 = (a2 + a1) | 0
      b2 = (b2 + b1) | 0
      a1 = ((a1 << 13) | (a1 >>> 19)) ^ a2
      b1 = ((b1 << 13) | (b1 >>> 19)) ^ b2
      a2 = (a2 << 16) | (a2 >>> 16)
      b2 = (b2 << 16) | (b2 >>> 16)
      if (round === 1) {
        a0 ^= last
        b0 ^= last
        a2 ^= 0xee
        b2 ^= 0xee
      } else if (round === 4) {
        this.h0 = a1 ^ a3
        this.h1 = b1 ^ b3
        a1 ^= 0xdd
        b1 ^= 0xdd
      } else if (round === 7) {
        this.h2 = a1 ^ a3
        this.h3 = b1 ^ b3
        return
      }
    }
  }
}

function wordAt(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
}

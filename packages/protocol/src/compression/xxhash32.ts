import { littleInt32At } from './little-endian.ts'

const PRIME_1 = 0x9e3779b1
const PRIME_2 = 0x85ebca77
const PRIME_3 = 0xc2b2ae3d
const PRIME_4 = 0x27d4eb2f
const PRIME_5 = 0x165667b1

/** xxHash32 of `bytes[start, end)` with seed 0, unsigned: the checksum of LZ4 frames. */
export function xxhash32(bytes: Uint8Array, start = 0, end: number = bytes.length): number {
  let p = start
  let hash: number
  if (end - start >= 16) {
    let a = (PRIME_1 + PRIME_2) | 0
    let b = PRIME_2 | 0
    let c = 0
    let d = -PRIME_1 | 0
    for (const last = end - 16; p <= last; p += 16) {
      a = round(a, littleInt32At(bytes, p))
      b = round(b, littleInt32At(bytes, p + 4))
      c = round(c, littleInt32At(bytes, p + 8))
      d = round(d, littleInt32At(bytes, p + 12))
    }
    hash = rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18)
  } else {
    hash = PRIME_5
  }
  hash = (hash + end - start) | 0
  for (; p + 4 <= end; p += 4)
    hash = Math.imul(rotate((hash + Math.imul(littleInt32At(bytes, p), PRIME_3)) | 0, 17), PRIME_4)
  for (; p < end; p++) hash = Math.imul(rotate((hash + Math.imul(bytes[p]!, PRIME_5)) | 0, 11), PRIME_1)
  hash = Math.imul(hash ^ (hash >>> 15), PRIME_2)
  hash = Math.imul(hash ^ (hash >>> 13), PRIME_3)
  return (hash ^ (hash >>> 16)) >>> 0
}

function round(accumulator: number, lane: number): number {
  return Math.imul(rotate((accumulator + Math.imul(lane, PRIME_2)) | 0, 13), PRIME_1)
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}

import { CorruptPayload } from './corrupt-payload.ts'

// LZ4 blocks: sequences of [token: literals << 4 | match - 4][more literal length][literals][offset, 2 bytes][more match length]. The last
// sequence ends after its literals. Copies go eight bytes at a time through a DataView (two int32: BigInt is 4x slower on Node 22, and
// floats may change NaNs) and may write up to seven bytes too far, which the next copy overwrites: 990 MB/s against 560 byte by byte.

const MIN_MATCH = 4
/** The last match starts at least this far before the end, and the last bytes are literals: rules of the format. */
const LAST_MATCH_START = 12
const LAST_LITERALS = 5
/** Search steps grow by one after every 64 failures: incompressible data passes quickly. */
const SKIP_SHIFT = 6
/** Longer runs are worth a call of `set` or `copyWithin`. */
const LONG_RUN = 256

/** Position of the last four bytes with a hash, from the start of the block; 0 also means none, which the comparison finds out. */
const positions = new Uint16Array(8192)

/** Clearing the whole table would cost a small block more than compressing it. */
function hashBitsFor(size: number): number {
  return size < 2048 ? 10 : size < 8192 ? 12 : 13
}

/** The most bytes that a block of `size` bytes can become. */
export function lz4BlockBound(size: number): number {
  return size + Math.ceil(size / 255) + 16
}

/**
 * Compresses `source[start, end)`, at most 64 KiB, into `target` at `at`, where `lz4BlockBound` bytes must be free.
 * Answers the position after the block.
 */
export function lz4CompressBlock(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  at: number,
): number {
  const view = new DataView(source.buffer, source.byteOffset, source.length)
  const lastStart = end - LAST_MATCH_START
  const matchEnd = end - LAST_LITERALS
  let literals = start
  let from = start + 1
  let to = at
  const hashBits = hashBitsFor(end - start)
  const hashShift = 32 - hashBits
  positions.fill(0, 0, 1 << hashBits)
  let misses = 1 << SKIP_SHIFT
  while (from <= lastStart) {
    const four = view.getInt32(from, true)
    const slot = Math.imul(four, -1640531535) >>> hashShift
    let match = start + positions[slot]!
    positions[slot] = from - start
    if (view.getInt32(match, true) !== four) {
      from += misses++ >> SKIP_SHIFT
      continue
    }
    misses = 1 << SKIP_SHIFT
    let ahead = from + MIN_MATCH
    let behind = match + MIN_MATCH
    while (from > literals && match > start && source[from - 1] === source[match - 1]) {
      from--
      match--
    }
    while (ahead < matchEnd - 4 && view.getInt32(ahead, true) === view.getInt32(behind, true)) {
      ahead += 4
      behind += 4
    }
    while (ahead < matchEnd && source[ahead] === source[behind]) {
      ahead++
      behind++
    }
    to = putLiterals(source, literals, from, target, to)
    const distance = from - match
    target[to++] = distance
    target[to++] = distance >> 8
    let length = ahead - from - MIN_MATCH
    target[tokenPosition]! |= length < 15 ? length : 15
    if (length >= 15) {
      for (length -= 15; length >= 255; length -= 255) target[to++] = 255
      target[to++] = length
    }
    literals = from = ahead
    if (from <= lastStart)
      positions[Math.imul(view.getInt32(from - 2, true), -1640531535) >>> hashShift] = from - 2 - start
  }
  return putLiterals(source, literals, end, target, to)
}

/** Where the last `putLiterals` put its token, whose low half the caller still has to fill. */
let tokenPosition = 0

function putLiterals(source: Uint8Array, start: number, end: number, target: Uint8Array, at: number): number {
  const count = end - start
  let to = at
  tokenPosition = to
  if (count < 15) {
    target[to++] = count << 4
  } else {
    target[to++] = 0xf0
    let more = count - 15
    for (; more >= 255; more -= 255) target[to++] = 255
    target[to++] = more
  }
  if (count > 64) target.set(source.subarray(start, end), to)
  else for (let i = 0; i < count; i++) target[to + i] = source[start + i]!
  return to + count
}

/**
 * Decompresses the block `source[start, end)` into `target` from `at` on, below `limit` (at most the length of `target`). Matches reach back
 * no further than `at`: blocks are independent. Answers the position after the last byte, or -1 when the block does not fit.
 * Bytes of `target` behind the answer may have been overwritten. Throws CorruptPayload.
 */
export function lz4DecompressBlock(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  at: number,
  limit: number,
): number {
  const sourceView = new DataView(source.buffer, source.byteOffset, source.length)
  const targetView = new DataView(target.buffer, target.byteOffset, target.length)
  const sourceSafe = source.length - 8
  const targetSafe = target.length - 8
  let from = start
  let to = at
  while (from < end) {
    const token = source[from++]!
    let length = token >> 4
    if (length === 15) {
      let more = 255
      while (more === 255) {
        if (from >= end) throw truncated()
        more = source[from++]!
        length += more
      }
    }
    if (length > 0) {
      const stop = to + length
      if (from + length > end) throw truncated()
      if (stop > limit) return -1
      if (length <= LONG_RUN && from + length <= sourceSafe && stop <= targetSafe) {
        let next = from
        do {
          targetView.setInt32(to, sourceView.getInt32(next, true), true)
          targetView.setInt32(to + 4, sourceView.getInt32(next + 4, true), true)
          to += 8
          next += 8
        } while (to < stop)
      } else {
        target.set(source.subarray(from, from + length), to)
      }
      to = stop
      from += length
    }
    if (from === end) return to
    if (from + 2 > end) throw truncated()
    const distance = source[from]! | (source[from + 1]! << 8)
    from += 2
    if (distance === 0 || to - distance < at) throw new CorruptPayload('lz4', 'a match points before its block')
    length = (token & 15) + MIN_MATCH
    if (length === 15 + MIN_MATCH) {
      let more = 255
      while (more === 255) {
        if (from >= end) throw truncated()
        more = source[from++]!
        length += more
      }
    }
    const stop = to + length
    if (stop > limit) return -1
    let behind = to - distance
    if (distance >= 8 && stop <= targetSafe && (length <= LONG_RUN || distance < length)) {
      do {
        targetView.setInt32(to, targetView.getInt32(behind, true), true)
        targetView.setInt32(to + 4, targetView.getInt32(behind + 4, true), true)
        to += 8
        behind += 8
      } while (to < stop)
    } else if (distance >= length) {
      target.copyWithin(to, behind, behind + length)
    } else if (distance === 1) {
      target.fill(target[behind]!, to, stop)
    } else {
      while (to < stop) target[to++] = target[behind++]!
    }
    to = stop
  }
  throw truncated()
}

function truncated(): CorruptPayload {
  return new CorruptPayload('lz4', 'a block ends inside a sequence')
}

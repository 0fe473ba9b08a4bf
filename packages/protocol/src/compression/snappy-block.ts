import { CorruptPayload } from './corrupt-payload.ts'

// Raw snappy: [uncompressed length, varint] then elements, each a tag byte whose low two bits say what: 0 literal, 1 copy with 11 bits of
// distance, 2 copy with 16, 3 copy with 32. Copies of eight bytes at a time as in lz4-block.ts.

const SKIP_SHIFT = 5
const LONG_RUN = 256
/** An element cannot expand more than this: 64 bytes from a copy of three. */
const MAX_RATIO = 22

/** Position of the last four bytes with a hash, from the start of the block; 0 also means none, which the comparison finds out. */
const positions = new Uint16Array(8192)

/** Clearing the whole table would cost a small block more than compressing it. */
function hashBitsFor(size: number): number {
  return size < 2048 ? 10 : size < 8192 ? 12 : 13
}

/** The most bytes that the elements of `size` bytes can be. */
export function snappyBound(size: number): number {
  return 32 + size + Math.ceil(size / 6)
}

/** The uncompressed length that a block claims; `snappyElements.at` is then where its elements begin. Throws CorruptPayload. */
export function snappyLength(source: Uint8Array, start: number, end: number): number {
  let length = 0
  for (let i = 0; i < 5; i++) {
    if (start + i >= end) break
    const byte = source[start + i]!
    length += (byte & 0x7f) * 2 ** (7 * i)
    if (byte < 0x80) {
      if (length > 0xffffffff || length > (end - start) * MAX_RATIO)
        throw new CorruptPayload('snappy', 'claims an impossible length')
      snappyElements.at = start + i + 1
      return length
    }
  }
  throw new CorruptPayload('snappy', 'no length')
}

/** Of the block whose length was read last. */
export const snappyElements = { at: 0 }

/**
 * Compresses `source[start, end)`, at most 64 KiB, into `target` at `at`, where `snappyBound` bytes must be free: elements, without the length in front
 * of them. Answers the position after them.
 */
export function snappyCompressBlock(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  at: number,
): number {
  const view = new DataView(source.buffer, source.byteOffset, source.length)
  let to = at
  const hashBits = hashBitsFor(end - start)
  const hashShift = 32 - hashBits
  positions.fill(0, 0, 1 << hashBits)
  const lastStart = end - 12
  let literals = start
  let from = start + 1
  let misses = 1 << SKIP_SHIFT
  while (from <= lastStart) {
    const four = view.getInt32(from, true)
    const slot = Math.imul(four, 0x1e35a7bd) >>> hashShift
    const match = start + positions[slot]!
    positions[slot] = from - start
    if (view.getInt32(match, true) !== four) {
      from += misses++ >> SKIP_SHIFT
      continue
    }
    misses = 1 << SKIP_SHIFT
    let ahead = from + 4
    let behind = match + 4
    while (ahead < end - 4 && view.getInt32(ahead, true) === view.getInt32(behind, true)) {
      ahead += 4
      behind += 4
    }
    while (ahead < end && source[ahead] === source[behind]) {
      ahead++
      behind++
    }
    if (from > literals) to = putLiteral(source, literals, from, target, to)
    to = putCopy(from - match, ahead - from, target, to)
    literals = from = ahead
    if (from <= lastStart)
      positions[Math.imul(view.getInt32(from - 1, true), 0x1e35a7bd) >>> hashShift] = from - 1 - start
  }
  return end > literals ? putLiteral(source, literals, end, target, to) : to
}

function putLiteral(source: Uint8Array, start: number, end: number, target: Uint8Array, at: number): number {
  const count = end - start
  let to = at
  if (count <= 60) {
    target[to++] = (count - 1) << 2
  } else if (count <= 256) {
    target[to++] = 60 << 2
    target[to++] = count - 1
  } else {
    target[to++] = 61 << 2
    target[to++] = count - 1
    target[to++] = (count - 1) >> 8
  }
  if (count > 64) target.set(source.subarray(start, end), to)
  else for (let i = 0; i < count; i++) target[to + i] = source[start + i]!
  return to + count
}

function putCopy(distance: number, length: number, target: Uint8Array, at: number): number {
  let to = at
  let left = length
  while (left > 0) {
    // A copy is 4 to 64 bytes in the short form, so never leave fewer than four behind.
    const count = left <= 64 ? left : left < 68 ? 60 : 64
    if (count < 12 && distance < 2048) {
      target[to++] = 1 | ((count - 4) << 2) | ((distance >> 8) << 5)
      target[to++] = distance
    } else {
      target[to++] = 2 | ((count - 1) << 2)
      target[to++] = distance
      target[to++] = distance >> 8
    }
    left -= count
  }
  return to
}

/**
 * Decompresses the elements `source[start, end)` of a block that claims `size` bytes (`snappyLength`) into `target` at `at`, where they must fit.
 * Answers the position after them. Bytes of `target` behind the answer may have been overwritten. Throws CorruptPayload.
 */
export function snappyDecompressBlock(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  at: number,
  size: number,
): number {
  const limit = at + size
  if (limit > target.length) throw new RangeError(`${limit} bytes into a buffer of ${target.length}`)
  const sourceView = new DataView(source.buffer, source.byteOffset, source.length)
  const targetView = new DataView(target.buffer, target.byteOffset, target.length)
  const sourceSafe = source.length - 8
  const targetSafe = target.length - 8
  let from = start
  let to = at
  while (from < end) {
    const tag = source[from++]!
    let length: number
    let distance: number
    switch (tag & 3) {
      case 0: {
        length = (tag >> 2) + 1
        if (length > 60) {
          const extra = length - 60
          if (from + extra > end) throw truncated()
          length = 1
          for (let i = 0; i < extra; i++) length += source[from + i]! * 2 ** (8 * i)
          from += extra
        }
        const stop = to + length
        if (from + length > end) throw truncated()
        if (stop > limit) throw tooLong()
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
        continue
      }
      case 1:
        if (from + 1 > end) throw truncated()
        length = ((tag >> 2) & 7) + 4
        distance = ((tag >> 5) << 8) | source[from]!
        from += 1
        break
      case 2:
        if (from + 2 > end) throw truncated()
        length = (tag >> 2) + 1
        distance = source[from]! | (source[from + 1]! << 8)
        from += 2
        break
      default:
        if (from + 4 > end) throw truncated()
        length = (tag >> 2) + 1
        distance = sourceView.getUint32(from, true)
        from += 4
    }
    if (distance === 0 || to - distance < at) throw new CorruptPayload('snappy', 'a copy points before its block')
    const stop = to + length
    if (stop > limit) throw tooLong()
    let behind = to - distance
    if (distance >= 8 && stop <= targetSafe) {
      do {
        targetView.setInt32(to, targetView.getInt32(behind, true), true)
        targetView.setInt32(to + 4, targetView.getInt32(behind + 4, true), true)
        to += 8
        behind += 8
      } while (to < stop)
      to = stop
    } else {
      while (to < stop) target[to++] = target[behind++]!
    }
  }
  if (to !== limit) throw new CorruptPayload('snappy', 'is shorter than it claims')
  return to
}

function truncated(): CorruptPayload {
  return new CorruptPayload('snappy', 'ends inside an element')
}

function tooLong(): CorruptPayload {
  return new CorruptPayload('snappy', 'is longer than it claims')
}

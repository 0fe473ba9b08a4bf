// Zig-zag varints of records. Readers leave the position after the value in `varint.end`, -1 for a value that does not end before `limit` or
// has more than 5 (10) bytes. Bits beyond 32 (64) are dropped, as in Kafka. One shared object, so that no read allocates.

/** Where the last read ended. */
export const varint = { end: 0 }

const MAX_VARINT_BYTES = 5
const MAX_VARLONG_BYTES = 10

/** A signed 32-bit value. Small enough to be inlined: one and two bytes are nearly all there is. */
export function varintAt(buffer: Uint8Array, position: number, limit: number): number {
  if (position < limit) {
    const first = buffer[position]!
    if (first < 0x80) {
      varint.end = position + 1
      return (first >>> 1) ^ -(first & 1)
    }
  }
  return longVarintAt(buffer, position, limit)
}

function longVarintAt(buffer: Uint8Array, position: number, limit: number): number {
  let raw = 0
  const stop = Math.min(limit, position + MAX_VARINT_BYTES)
  for (let p = position, shift = 0; p < stop; p++, shift += 7) {
    const byte = buffer[p]!
    raw |= (byte & 0x7f) << shift
    if (byte < 0x80) {
      varint.end = p + 1
      return (raw >>> 1) ^ -(raw & 1)
    }
  }
  varint.end = -1
  return 0
}

/** A signed 64-bit value: a number when it is a safe integer, else a bigint. */
export function varlongAt(buffer: Uint8Array, position: number, limit: number): number | bigint {
  if (position < limit) {
    const first = buffer[position]!
    if (first < 0x80) {
      varint.end = position + 1
      return (first >>> 1) ^ -(first & 1)
    }
  }
  return longVarlongAt(buffer, position, limit)
}

function longVarlongAt(buffer: Uint8Array, position: number, limit: number): number | bigint {
  let low = 0
  for (let i = 0; i < 4 && position + i < limit; i++) {
    const byte = buffer[position + i]!
    low |= (byte & 0x7f) << (7 * i)
    if (byte < 0x80) {
      varint.end = position + i + 1
      return (low >>> 1) ^ -(low & 1)
    }
  }
  // Seven bytes hold 49 bits: still exact as a double.
  let raw = low
  for (let i = 4; i < 7 && position + i < limit; i++) {
    const byte = buffer[position + i]!
    raw += (byte & 0x7f) * 2 ** (7 * i)
    if (byte < 0x80) {
      varint.end = position + i + 1
      return raw % 2 === 0 ? raw / 2 : -(raw + 1) / 2
    }
  }
  return wideVarlongAt(buffer, position, limit)
}

function wideVarlongAt(buffer: Uint8Array, position: number, limit: number): number | bigint {
  let raw = 0n
  for (let i = 0; i < MAX_VARLONG_BYTES && position + i < limit; i++) {
    const byte = buffer[position + i]!
    raw |= BigInt(byte & 0x7f) << BigInt(7 * i)
    if (byte < 0x80) {
      varint.end = position + i + 1
      raw = BigInt.asUintN(64, raw)
      return narrowed(BigInt.asIntN(64, (raw >> 1n) ^ -(raw & 1n)))
    }
  }
  varint.end = -1
  return 0
}

/** The same value as a number when that is exact. */
export function narrowed(value: bigint): number | bigint {
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value
}

/** Bytes of a signed 32-bit value. */
export function sizeOfVarint(value: number): number {
  const raw = ((value << 1) ^ (value >> 31)) >>> 0
  if (raw < 0x80) return 1
  if (raw < 0x4000) return 2
  if (raw < 0x200000) return 3
  return raw < 0x10000000 ? 4 : 5
}

/** Bytes of a signed 64-bit value. A number must be a safe integer. */
export function sizeOfVarlong(value: number | bigint): number {
  if (typeof value === 'number' && value >= -0x40000000 && value < 0x40000000) return sizeOfVarint(value)
  let raw = zigzag64(value)
  let size = 1
  for (; raw > 0x7fn; raw >>= 7n) size++
  return size
}

/** Writes a signed 32-bit value; answers the position after it. */
export function putVarint(buffer: Uint8Array, position: number, value: number): number {
  const raw = ((value << 1) ^ (value >> 31)) >>> 0
  if (raw < 0x80) {
    buffer[position] = raw
    return position + 1
  }
  if (raw < 0x4000) {
    buffer[position] = raw | 0x80
    buffer[position + 1] = raw >>> 7
    return position + 2
  }
  return putUnsignedVarint(buffer, position, raw)
}

/** Writes an unsigned 32-bit value as it is, without zig-zag; answers the position after it. */
export function putUnsignedVarint(buffer: Uint8Array, position: number, value: number): number {
  let raw = value
  let at = position
  for (; raw > 0x7f; raw >>>= 7) buffer[at++] = raw | 0x80
  buffer[at++] = raw
  return at
}

/** Writes a signed 64-bit value; answers the position after it. A number must be a safe integer. */
export function putVarlong(buffer: Uint8Array, position: number, value: number | bigint): number {
  if (typeof value === 'number' && value >= -0x40000000 && value < 0x40000000) return putVarint(buffer, position, value)
  let raw = zigzag64(value)
  for (; raw > 0x7fn; raw >>= 7n) buffer[position++] = Number(raw & 0x7fn) | 0x80
  buffer[position++] = Number(raw)
  return position
}

function zigzag64(value: number | bigint): bigint {
  const wide = BigInt(value)
  return BigInt.asUintN(64, (wide << 1n) ^ (wide >> 63n))
}

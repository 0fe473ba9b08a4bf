// Fixed-width integers at a position. Positions are the caller's promise: nothing here checks bounds, so that V8 can inline it.
// Shifts of plain bytes cost 1 to 2 ns; Buffer's methods 3 to 48 ns (performance.md, section 4).

export function int16At(buffer: Uint8Array, position: number): number {
  return ((buffer[position]! << 24) >> 16) | buffer[position + 1]!
}

export function int32At(buffer: Uint8Array, position: number): number {
  return (
    (buffer[position]! << 24) | (buffer[position + 1]! << 16) | (buffer[position + 2]! << 8) | buffer[position + 3]!
  )
}

export function uint32At(buffer: Uint8Array, position: number): number {
  return int32At(buffer, position) >>> 0
}

/**
 * An int64 as the nearest number: exact up to ±2^53, and in the right order beyond, so comparisons hold
 * (two different values may become equal, never swapped). Use `bigint64At` where the value itself counts.
 */
export function int64At(buffer: Uint8Array, position: number): number {
  return int32At(buffer, position) * 4294967296 + (int32At(buffer, position + 4) >>> 0)
}

export function bigint64At(buffer: Uint8Array, position: number): bigint {
  return (BigInt(int32At(buffer, position)) << 32n) | BigInt(int32At(buffer, position + 4) >>> 0)
}

export function putInt16(buffer: Uint8Array, position: number, value: number): void {
  buffer[position] = value >> 8
  buffer[position + 1] = value
}

export function putInt32(buffer: Uint8Array, position: number, value: number): void {
  buffer[position] = value >> 24
  buffer[position + 1] = value >> 16
  buffer[position + 2] = value >> 8
  buffer[position + 3] = value
}

/** Writes an int64. A number must be a safe integer; a bigint keeps its low 64 bits. */
export function putInt64(buffer: Uint8Array, position: number, value: number | bigint): void {
  if (typeof value === 'bigint') {
    putInt32(buffer, position, Number(BigInt.asIntN(32, value >> 32n)))
    putInt32(buffer, position + 4, Number(BigInt.asIntN(32, value)))
    return
  }
  if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is not a safe integer`)
  putInt32(buffer, position, Math.floor(value / 4294967296))
  putInt32(buffer, position + 4, value | 0)
}

/** A signed int32 at a position the caller has checked. */
export function littleInt32At(bytes: Uint8Array, position: number): number {
  return bytes[position]! | (bytes[position + 1]! << 8) | (bytes[position + 2]! << 16) | (bytes[position + 3]! << 24)
}

export function littleUint32At(bytes: Uint8Array, position: number): number {
  return littleInt32At(bytes, position) >>> 0
}

export function putLittleInt32(bytes: Uint8Array, position: number, value: number): void {
  bytes[position] = value
  bytes[position + 1] = value >> 8
  bytes[position + 2] = value >> 16
  bytes[position + 3] = value >> 24
}

import { putInt64 } from '../records/big-endian.ts'

const max = 2n ** 63n - 1n

/**
 * Writes a timestamp that is held as the nearest number. Beyond 2^53 it is a producer's nonsense, but legal: what is written
 * then keeps the order and stays within 64 bits.
 */
export function putNearestInt64(bytes: Uint8Array, position: number, timestamp: number): void {
  if (Number.isSafeInteger(timestamp)) {
    putInt64(bytes, position, timestamp)
    return
  }
  const value = BigInt(Math.trunc(timestamp))
  putInt64(bytes, position, value > max ? max : value < -max ? -max - 1n : value)
}

/** Memory of a caller who is done with one output before the next is made: it is used again while it is large enough, and replaced where it is not. */
export interface OutputRoom {
  bytes: Buffer
}

/** A larger one is not kept for the next output. */
const keptBytesMax = 1024 * 1024

/** `size` bytes to put an output into. */
export function outputOf(size: number, room?: OutputRoom): Buffer {
  if (room !== undefined && room.bytes.length >= size) return room.bytes.subarray(0, size)
  const output = Buffer.allocUnsafe(size)
  if (room !== undefined && size <= keptBytesMax) room.bytes = output
  return output
}

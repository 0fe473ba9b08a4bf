import { littleUint32At } from './little-endian.ts'

const MAGIC = 0xfd2fb528
/** And the 15 behind it. */
const MAGIC_SKIPPABLE = 0x184d2a50
/** No block stands for more than that, and none for more than the window. */
const BLOCK_BYTES_MAX = 128 * 1024
const BlockType = { raw: 0, repeated: 1, compressed: 2 } as const

/** What the headers of a frame say of it (RFC 8878, 3.1.1): claims, but for its size. */
export interface ZstdFrame {
  /** Bytes of the frame, the last of which is there. */
  readonly size: number
  /** Of the content, where the frame says it: what makes a frame in pieces does not know. */
  readonly contentSize: number | null
  readonly windowSize: number
  /** The blocks cannot stand for more. */
  readonly mostBytes: number
}

/** Does `file` begin with a whole frame that is to be skipped? */
export function isSkippable(file: Uint8Array): boolean {
  if (file.length < 8 || (littleUint32At(file, 0) & ~0xf) >>> 0 !== MAGIC_SKIPPABLE) return false
  return littleUint32At(file, 4) <= file.length - 8
}

/** The frame that `file` begins with; null where none does, where it is cut, and where it is one that nobody may read or who has no dictionary. */
export function frameOf(file: Uint8Array): ZstdFrame | null {
  if (file.length < 9 || littleUint32At(file, 0) !== MAGIC) return null
  const descriptor = file[4]!
  const isSingleSegment = (descriptor & 0x20) !== 0
  const hasReservedBits = (descriptor & 0x08) !== 0
  const hasDictionary = (descriptor & 0x03) !== 0
  if (hasReservedBits || hasDictionary) return null
  const sizeAt = isSingleSegment ? 5 : 6
  const sizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6]!
  const blocksAt = sizeAt + sizeBytes
  if (blocksAt > file.length) return null
  const contentSize = contentSizeAt(file, sizeAt, sizeBytes)
  const windowSize = isSingleSegment ? contentSize! : windowSizeOf(file[5]!)
  const blocks = walkBlocks(file, blocksAt, Math.min(windowSize, BLOCK_BYTES_MAX))
  const size = blocks.end + ((descriptor & 0x04) === 0 ? 0 : 4)
  return size > file.length ? null : { size, contentSize, windowSize, mostBytes: blocks.mostBytes }
}

function contentSizeAt(file: Uint8Array, at: number, bytes: number): number | null {
  switch (bytes) {
    case 0:
      return null
    case 1:
      return file[at]!
    case 2:
      return (file[at]! | (file[at + 1]! << 8)) + 256
    case 4:
      return littleUint32At(file, at)
    default:
      return littleUint32At(file, at) + littleUint32At(file, at + 4) * 0x1_0000_0000
  }
}

function windowSizeOf(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3))
  return base + (base / 8) * (descriptor & 7)
}

/** Where the blocks from `start` on end, behind the end of the file where the last one is not there; and the most that they stand for. */
function walkBlocks(file: Uint8Array, start: number, blockBytesMax: number): { end: number; mostBytes: number } {
  let mostBytes = 0
  for (let at = start; at + 3 <= file.length;) {
    const header = file[at]! | (file[at + 1]! << 8) | (file[at + 2]! << 16)
    const type = (header >> 1) & 3
    const size = header >> 3
    if (type > BlockType.compressed || size > blockBytesMax) break
    mostBytes += type === BlockType.compressed ? blockBytesMax : size
    at += 3 + (type === BlockType.repeated ? 1 : size)
    if ((header & 1) !== 0) return { end: at, mostBytes }
  }
  return { end: Infinity, mostBytes }
}

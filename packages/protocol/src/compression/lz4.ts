import { CorruptPayload, payloadTooLarge } from './corrupt-payload.ts'
import { littleInt32At, littleUint32At, putLittleInt32 } from './little-endian.ts'
import { lz4BlockBound, lz4CompressBlock, lz4DecompressBlock } from './lz4-block.ts'
import { xxhash32 } from './xxhash32.ts'

// The LZ4 frame format (KIP-57): magic, descriptor [FLG, BD, content size?, header checksum], blocks [size, bytes, checksum?], end mark.

const MAGIC = 0x184d2204
const BLOCK_SIZE = 65536
/** Set in a block's size when the block is stored as it is. */
const STORED = 0x80000000
/** A sequence cannot expand more than this. */
const MAX_RATIO = 255
const FLG = {
  reserved: 0x03,
  contentChecksum: 0x04,
  contentSize: 0x08,
  blockChecksum: 0x10,
  independent: 0x20,
  version: 0xc0,
} as const
/** Independent blocks, no checksums, no content size, 64 KiB: what Kafka writes. */
const FLG_WRITTEN = 0x60
const BD_WRITTEN = 0x40

/**
 * One frame of independent 64 KiB blocks without checksums, as Kafka's clients write it. Always the fast compression: the levels of
 * compression.lz4.level above that would only make it smaller, and every reader reads this.
 * `brokenHeaderChecksum` is for magic 0: its writers hash magic and descriptor, and old readers expect that (KAFKA-3160).
 */
export function lz4Compress(payload: Uint8Array, options: { brokenHeaderChecksum?: boolean } = {}): Uint8Array {
  const blocks = Math.ceil(payload.length / BLOCK_SIZE)
  const firstBlock = Math.min(BLOCK_SIZE, payload.length)
  // A finished block is never larger than its bytes; only the one being written may be, before it is stored instead.
  const slack = lz4BlockBound(firstBlock) - firstBlock
  const frame = Buffer.allocUnsafe(7 + 4 * blocks + payload.length + slack + 4)
  putLittleInt32(frame, 0, MAGIC)
  frame[4] = FLG_WRITTEN
  frame[5] = BD_WRITTEN
  frame[6] = xxhash32(frame, options.brokenHeaderChecksum === true ? 0 : 4, 6) >>> 8
  let to = 7
  for (let start = 0; start < payload.length; start += BLOCK_SIZE) {
    const end = Math.min(start + BLOCK_SIZE, payload.length)
    const stop = lz4CompressBlock(payload, start, end, frame, to + 4)
    const size = stop - to - 4
    if (size < end - start) {
      putLittleInt32(frame, to, size)
      to = stop
    } else {
      putLittleInt32(frame, to, (end - start) | STORED)
      frame.set(payload.subarray(start, end), to + 4)
      to += 4 + end - start
    }
  }
  putLittleInt32(frame, to, 0)
  return frame.subarray(0, to + 4)
}

/**
 * The content of one frame, at most `maxBytes`; what follows its end mark is ignored, as Kafka's reader ignores it. Block checksums are
 * verified, the content checksum is not (again like Kafka: the batch's CRC covers it). Dependent blocks are refused.
 * `ignoreHeaderChecksum` is for magic 0, whose writers got it wrong (KAFKA-3160). Throws CorruptPayload.
 */
export function lz4Decompress(
  frame: Uint8Array,
  maxBytes: number,
  options: { ignoreHeaderChecksum?: boolean; room?: OutputRoom } = {},
): Uint8Array {
  if (frame.length < 7) throw new CorruptPayload('lz4', 'ends inside the frame header')
  if (littleUint32At(frame, 0) !== MAGIC) throw new CorruptPayload('lz4', 'no LZ4 frame')
  const flags = frame[4]!
  const blockSizeId = frame[5]! >> 4
  if ((flags & FLG.version) !== 0x40) throw new CorruptPayload('lz4', `unsupported frame version ${flags >> 6}`)
  if ((flags & FLG.reserved) !== 0 || (frame[5]! & 0x8f) !== 0) throw new CorruptPayload('lz4', 'reserved bits are set')
  if ((flags & FLG.independent) === 0) throw new CorruptPayload('lz4', 'dependent blocks are not supported')
  if (blockSizeId < 4) throw new CorruptPayload('lz4', `no such block size: ${blockSizeId}`)
  const maxBlockSize = 1 << (8 + 2 * blockSizeId)
  const hasContentSize = (flags & FLG.contentSize) !== 0
  const checksumAt = hasContentSize ? 14 : 6
  if (checksumAt >= frame.length) throw new CorruptPayload('lz4', 'ends inside the frame header')
  if (options.ignoreHeaderChecksum !== true && frame[checksumAt] !== ((xxhash32(frame, 4, checksumAt) >>> 8) & 0xff)) {
    throw new CorruptPayload('lz4', 'wrong header checksum')
  }
  return blocksOf(frame, checksumAt + 1, {
    maxBytes,
    maxBlockSize,
    hasBlockChecksums: (flags & FLG.blockChecksum) !== 0,
    flags,
    room: options.room ?? { bytes: none },
  })
}

/** Memory of a caller who is done with one output before the next is made: it is used again while it is large enough, and replaced where it is not. */
export interface OutputRoom {
  bytes: Buffer
}

const none = Buffer.alloc(0)
/** A larger one is not kept for the next output. */
const roomBytesMax = 1024 * 1024

interface FrameLimits {
  readonly room: OutputRoom
  readonly maxBytes: number
  readonly maxBlockSize: number
  readonly hasBlockChecksums: boolean
  readonly flags: number
}

function blocksOf(
  frame: Uint8Array,
  start: number,
  { maxBytes, maxBlockSize, hasBlockChecksums, flags, room }: FrameLimits,
): Uint8Array {
  let output = room.bytes
  let size = 0
  let position = start
  for (;;) {
    if (position + 4 > frame.length) throw new CorruptPayload('lz4', 'ends without an end mark')
    const word = littleInt32At(frame, position)
    const blockSize = word & 0x7fffffff
    position += 4
    if (blockSize === 0) {
      if ((flags & FLG.contentChecksum) !== 0 && position + 4 > frame.length)
        throw new CorruptPayload('lz4', 'ends inside a checksum')
      if (output.length <= roomBytesMax) room.bytes = output
      return output.subarray(0, size)
    }
    if (blockSize > maxBlockSize)
      throw new CorruptPayload('lz4', `block of ${blockSize} bytes, more than ${maxBlockSize}`)
    const end = position + blockSize
    if (end + (hasBlockChecksums ? 4 : 0) > frame.length) throw new CorruptPayload('lz4', 'ends inside a block')
    if (hasBlockChecksums && littleUint32At(frame, end) !== xxhash32(frame, position, end)) {
      throw new CorruptPayload('lz4', 'wrong block checksum')
    }
    const isStored = word < 0
    const mostBytes = isStored ? blockSize : Math.min(maxBlockSize, blockSize * MAX_RATIO)
    const limit = Math.min(size + mostBytes, maxBytes)
    if (output.length < limit)
      output = grown(output, size, limit, { blockSize, bytesLeft: frame.length - position, maxBytes, mostBytes })
    if (isStored) {
      if (size + blockSize > maxBytes) throw payloadTooLarge('lz4', maxBytes)
      output.set(frame.subarray(position, end), size)
      size += blockSize
    } else {
      const stop = lz4DecompressBlock(frame, position, end, output, size, limit)
      if (stop < 0) {
        if (limit === maxBytes) throw payloadTooLarge('lz4', maxBytes)
        throw new CorruptPayload('lz4', `block of more than ${maxBlockSize} bytes`)
      }
      size = stop
    }
    position = end + (hasBlockChecksums ? 4 : 0)
  }
}

interface GrowthHint {
  readonly blockSize: number
  readonly bytesLeft: number
  readonly mostBytes: number
  readonly maxBytes: number
}

/**
 * `output` with room for `needed` bytes and for the blocks behind, as far as one can guess: as many as fit in what is left of the frame when
 * all are like this one. A wrong guess is at most `mostBytes` per block of this size, which the frame really contains.
 */
function grown(output: Buffer, used: number, needed: number, hint: GrowthHint): Buffer {
  const blocksLeft = Math.floor(hint.bytesLeft / (hint.blockSize + 4))
  const guess = used + Math.min(blocksLeft * hint.mostBytes, Math.max(hint.bytesLeft * 8, used))
  const capacity = Math.min(Math.max(needed, guess), hint.maxBytes) + 8
  const larger = Buffer.allocUnsafe(capacity)
  if (used > 0) larger.set(output.subarray(0, used))
  return larger
}

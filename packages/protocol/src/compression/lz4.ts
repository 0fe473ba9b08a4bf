import { blocks } from './blocks.ts'
import { CorruptPayload, payloadTooLarge } from './corrupt-payload.ts'
import { littleInt32At, littleUint32At, putLittleInt32 } from './little-endian.ts'
import { outputOf } from './output-room.ts'
import type { OutputRoom } from './output-room.ts'
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
  const codec = blocks()
  const count = Math.ceil(payload.length / BLOCK_SIZE)
  const frame = Buffer.allocUnsafe(7 + 4 * count + payload.length + 4)
  putLittleInt32(frame, 0, MAGIC)
  frame[4] = FLG_WRITTEN
  frame[5] = BD_WRITTEN
  frame[6] = xxhash32(frame, options.brokenHeaderChecksum === true ? 0 : 4, 6) >>> 8
  let to = 7
  for (let start = 0; start < payload.length; start += BLOCK_SIZE) {
    const end = Math.min(start + BLOCK_SIZE, payload.length)
    const block = codec.lz4Compress(payload, start, end)
    const isSmaller = block.length < end - start
    const size = isSmaller ? block.length : end - start
    putLittleInt32(frame, to, isSmaller ? size : size | STORED)
    frame.set(isSmaller ? block : payload.subarray(start, end), to + 4)
    to += 4 + size
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
    room: options.room,
  })
}

interface FrameLimits {
  readonly room: OutputRoom | undefined
  readonly maxBytes: number
  readonly maxBlockSize: number
  readonly hasBlockChecksums: boolean
  readonly flags: number
}

function blocksOf(frame: Uint8Array, start: number, limits: FrameLimits): Uint8Array {
  const { room, maxBytes, maxBlockSize, hasBlockChecksums, flags } = limits
  const codec = blocks()
  let output: Buffer = nothing
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
    const bytesLeft = maxBytes - size
    if (isStored && blockSize > bytesLeft) throw payloadTooLarge('lz4', maxBytes)
    const mostBytes = Math.min(maxBlockSize, blockSize * MAX_RATIO, bytesLeft)
    const content = isStored ? frame.subarray(position, end) : codec.lz4Decompress(frame, position, end, mostBytes)
    if (content === null) {
      if (mostBytes === bytesLeft) throw payloadTooLarge('lz4', maxBytes)
      throw new CorruptPayload('lz4', `block of more than ${maxBlockSize} bytes`)
    }
    position = end + (hasBlockChecksums ? 4 : 0)
    const stop = size + content.length
    if (stop > output.length) {
      const rest = sizeOfRest(frame.length - position, content.length / blockSize, stop)
      const larger = outputOf(Math.min(stop + rest, maxBytes), room)
      if (size > 0) larger.set(output.subarray(0, size))
      output = larger
    }
    output.set(content, size)
    size = stop
  }
}

const nothing = Buffer.alloc(0)

/**
 * A guess: what is left of the frame, but for the end mark, expands as a block before it did, and a little more. Beyond eight times it is trusted only
 * as far as the frame has shown that it holds so much: one that promises a lot gets memory as it unpacks.
 */
function sizeOfRest(bytesLeft: number, ratio: number, soFar: number): number {
  const rest = Math.max(0, bytesLeft - 8)
  return Math.ceil(Math.min(rest * ratio * 1.05, Math.max(rest * 8, soFar)))
}

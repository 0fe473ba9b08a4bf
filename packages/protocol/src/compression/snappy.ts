import { int32At, putInt32 } from '../records/big-endian.ts'
import { putUnsignedVarint } from '../records/varint.ts'
import { blocks } from './blocks.ts'
import { CorruptPayload, payloadTooLarge } from './corrupt-payload.ts'
import { outputOf } from './output-room.ts'
import type { OutputRoom } from './output-room.ts'
import { snappyBound, snappyElements, snappyLength } from './snappy-block.ts'

// Kafka's snappy is the framing of the Java library snappy-java (xerial): a header, then [size, int32][raw block] again and again. Other
// clients send one raw block without any framing, which that library reads too.

const HEADER = Buffer.from('82534e41505059000000000100000001', 'hex')
/** The header's first four bytes: no block is that long, so where a block size should stand another stream begins. */
const HEADER_START = int32At(HEADER, 0)
const MAGIC_SIZE = 8
const BLOCK_SIZE = 32768

/** Xerial framing with blocks of 32 KiB, as Kafka's clients write it. */
export function snappyCompress(payload: Uint8Array): Uint8Array {
  const codec = blocks()
  const count = Math.ceil(payload.length / BLOCK_SIZE)
  const blockBytesMax = 4 + LENGTH_BYTES_MAX + snappyBound(Math.min(BLOCK_SIZE, payload.length))
  const stream = Buffer.allocUnsafe(HEADER.length + count * blockBytesMax)
  stream.set(HEADER)
  let to = HEADER.length
  for (let start = 0; start < payload.length; start += BLOCK_SIZE) {
    const end = Math.min(start + BLOCK_SIZE, payload.length)
    const elementsAt = putUnsignedVarint(stream, to + 4, end - start)
    const elements = codec.snappyCompress(payload, start, end)
    stream.set(elements, elementsAt)
    const stop = elementsAt + elements.length
    putInt32(stream, to, stop - to - 4)
    to = stop
  }
  return stream.subarray(0, to)
}

/** Of a block of at most 64 KiB. */
const LENGTH_BYTES_MAX = 3

/**
 * Reads xerial framing, streams of it one after another, and a raw block without framing; at most `maxBytes` bytes. Up to three bytes
 * after the last block are ignored, as by snappy-java. `room` as for `decompress`. Throws CorruptPayload.
 */
export function snappyDecompress(stream: Uint8Array, maxBytes: number, room?: OutputRoom): Uint8Array {
  if (stream.length === 0) throw new CorruptPayload('snappy', 'empty')
  const codec = blocks()
  const isFramed = isHeaderAt(stream, 0)
  const size = isFramed ? sizeOfBlocks(stream, maxBytes) : snappyLength(stream, 0, stream.length)
  if (size > maxBytes) throw payloadTooLarge('snappy', maxBytes)
  const output = outputOf(size, room)
  if (!isFramed) {
    output.set(codec.snappyDecompress(stream, snappyElements.at, stream.length, size))
    return output
  }
  let to = 0
  for (let position = HEADER.length; stream.length - position >= 4;) {
    const blockSize = int32At(stream, position)
    if (blockSize === HEADER_START) {
      position += HEADER.length
      continue
    }
    const stop = position + 4 + blockSize
    const claimed = snappyLength(stream, position + 4, stop)
    output.set(codec.snappyDecompress(stream, snappyElements.at, stop, claimed), to)
    to += claimed
    position = stop
  }
  return output
}

/** The sum of what the blocks claim, each checked against its own size: nothing is allocated before. Checks the framing on the way. */
function sizeOfBlocks(stream: Uint8Array, maxBytes: number): number {
  if (int32At(stream, MAGIC_SIZE) < 1)
    throw new CorruptPayload('snappy', `unsupported framing version ${int32At(stream, MAGIC_SIZE)}`)
  let size = 0
  for (let position = HEADER.length; stream.length - position >= 4;) {
    const blockSize = int32At(stream, position)
    if (blockSize === HEADER_START) {
      if (!isHeaderAt(stream, position)) throw new CorruptPayload('snappy', 'half a header between blocks')
      position += HEADER.length
      continue
    }
    const start = position + 4
    if (blockSize <= 0 || blockSize > stream.length - start)
      throw new CorruptPayload('snappy', `block of ${blockSize} bytes`)
    size += snappyLength(stream, start, start + blockSize)
    if (size > maxBytes) throw payloadTooLarge('snappy', maxBytes)
    position = start + blockSize
  }
  return size
}

function isHeaderAt(stream: Uint8Array, position: number): boolean {
  if (stream.length - position < HEADER.length) return false
  for (let i = 0; i < MAGIC_SIZE; i++) if (stream[position + i] !== HEADER[i]) return false
  return true
}

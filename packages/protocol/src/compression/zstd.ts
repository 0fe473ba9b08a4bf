import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { CorruptPayload, payloadTooLarge } from './corrupt-payload.ts'
import { littleUint32At } from './little-endian.ts'
import { chunkSizeFor, isOutputTooLarge, zlibReason } from './zlib-calls.ts'
import type { Inflated } from './zlib-calls.ts'

const MAGIC = 0xfd2fb528
const DEFAULT_LEVEL = 3
/** Without a content size in the frame: what JSON-like data expands to (performance.md, section 3: 6.1). */
const USUAL_RATIO = 6

/** One frame. `level` is -131072..22, as in compression.zstd.level. */
export function zstdCompress(payload: Uint8Array, level = DEFAULT_LEVEL): Uint8Array {
  return zstdCompressSync(payload, {
    params: { [constants.ZSTD_c_compressionLevel]: level },
    chunkSize: chunkSizeFor(payload.length >> 1),
    pledgedSrcSize: payload.length,
  })
}

/**
 * All frames of `file` one after another, skippable ones included; bytes behind them that are no frame are an error, as for Kafka's reader.
 * At most `maxBytes` bytes; a window of more than 128 MiB is refused (zstd's default). Throws CorruptPayload.
 */
export function zstdDecompress(file: Uint8Array, maxBytes: number): Uint8Array {
  const parts: Uint8Array[] = []
  let total = 0
  let position = 0
  do {
    const { buffer, engine } = oneFrame(file.subarray(position), maxBytes - total, maxBytes)
    if (engine.bytesWritten === 0) throw new CorruptPayload('zstd', 'no progress')
    position += engine.bytesWritten
    total += buffer.length
    parts.push(buffer)
  } while (position < file.length)
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts, total)
}

function oneFrame(file: Uint8Array, bytesLeft: number, maxBytes: number): Inflated {
  const expected = Math.min(contentSize(file) ?? file.length * USUAL_RATIO, bytesLeft)
  try {
    const inflated = zstdDecompressSync(file, {
      info: true,
      maxOutputLength: Math.max(1, bytesLeft),
      chunkSize: chunkSizeFor(expected),
    }) as unknown as Inflated
    if (inflated.buffer.length > bytesLeft) throw payloadTooLarge('zstd', maxBytes)
    return inflated
  } catch (error) {
    if (error instanceof CorruptPayload) throw error
    if (isOutputTooLarge(error)) throw payloadTooLarge('zstd', maxBytes)
    throw new CorruptPayload('zstd', zlibReason(error), { cause: error })
  }
}

/** The frame's content size when it carries one (RFC 8878, 3.1.1.1); a hint, not trusted. */
function contentSize(file: Uint8Array): number | null {
  if (file.length < 18 || littleUint32At(file, 0) !== MAGIC) return null
  const descriptor = file[4]!
  const isSingleSegment = (descriptor & 0x20) !== 0
  const dictionaryIdSize = [0, 1, 2, 4][descriptor & 3]!
  const at = 5 + (isSingleSegment ? 0 : 1) + dictionaryIdSize
  switch (descriptor >> 6) {
    case 0:
      return isSingleSegment ? file[at]! : null
    case 1:
      return (file[at]! | (file[at + 1]! << 8)) + 256
    case 2:
      return littleUint32At(file, at)
    default:
      return littleUint32At(file, at) + littleUint32At(file, at + 4) * 4294967296
  }
}

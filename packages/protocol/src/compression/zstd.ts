import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { CorruptPayload, payloadTooLarge } from './corrupt-payload.ts'
import { outputOf } from './output-room.ts'
import type { OutputRoom } from './output-room.ts'
import { chunkSizeFor, isOutputTooLarge, zlibReason } from './zlib-calls.ts'
import type { Inflated } from './zlib-calls.ts'
import { contextBytesMax, KeptContext, zstdMaking, zstdOpening } from './zlib-context.ts'
import { frameOf, isSkippable } from './zstd-frame.ts'

const DEFAULT_LEVEL = 3
/** Without a content size in the frame: what JSON-like data expands to (performance.md, section 3: 6.1). */
const USUAL_RATIO = 6

/** A context takes memory for the window, and keeps it. */
const contextWindowMax = 8 * 1024 * 1024

const opening = new KeptContext(zstdOpening)
/** By level, 1.3 MB each: few, and one in most processes. */
const making = new Map<number, KeptContext>()
const makingMax = 4

/** One frame. `level` is -131072..22, as in compression.zstd.level. */
export function zstdCompress(payload: Uint8Array, level = DEFAULT_LEVEL): Uint8Array {
  const frame = payload.length <= contextBytesMax ? makingOf(level).runAll(payload) : null
  if (frame !== null) return Buffer.from(frame)
  return zstdCompressSync(payload, {
    params: { [constants.ZSTD_c_compressionLevel]: level },
    chunkSize: chunkSizeFor(payload.length >> 1),
    pledgedSrcSize: payload.length,
  })
}

/**
 * All frames of `file` one after another, skippable ones included; bytes behind them that are no frame are an error, as for Kafka's reader.
 * At most `maxBytes` bytes; a window of more than 128 MiB is refused (zstd's default). `room` as for `decompress`. Throws CorruptPayload.
 */
export function zstdDecompress(file: Uint8Array, maxBytes: number, room?: OutputRoom): Uint8Array {
  const content = ordinaryContent(file, maxBytes, room)
  if (content !== null) return content
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

/**
 * The content of a single small frame, as it is in nearly every batch, by the context that is there already. Null when it is something else or there
 * is something wrong with it: what that is then is said by who takes all frames.
 */
function ordinaryContent(file: Uint8Array, maxBytes: number, room: OutputRoom | undefined): Buffer | null {
  if (opening.isMissing) return null
  const frame = frameOf(file)
  if (frame === null || frame.size !== file.length || frame.windowSize > contextWindowMax) return null
  const most = frame.contentSize ?? frame.mostBytes
  if (most > Math.min(contextBytesMax, frame.mostBytes) || most === 0) return null
  const opened = opening.runAll(file)
  if (opened === null || opened.length > maxBytes) return null
  const content = outputOf(opened.length, room)
  content.set(opened)
  return content
}

function makingOf(level: number): KeptContext {
  let context = making.get(level)
  if (context === undefined) {
    context = new KeptContext(() => zstdMaking(level))
    if (making.size === makingMax) making.clear()
    making.set(level, context)
  }
  return context
}

function oneFrame(file: Uint8Array, bytesLeft: number, maxBytes: number): Inflated {
  const frame = frameOf(file)
  const expected = Math.min(frame?.contentSize ?? file.length * USUAL_RATIO, bytesLeft)
  try {
    const inflated = zstdDecompressSync(file, {
      info: true,
      maxOutputLength: Math.max(1, bytesLeft),
      chunkSize: chunkSizeFor(expected),
    }) as unknown as Inflated
    if (inflated.buffer.length > bytesLeft) throw payloadTooLarge('zstd', maxBytes)
    // Node 22 takes the part of a frame for the whole.
    if (frame === null && !isSkippable(file)) throw new CorruptPayload('zstd', 'ends inside a frame')
    return inflated
  } catch (error) {
    if (error instanceof CorruptPayload) throw error
    if (isOutputTooLarge(error)) throw payloadTooLarge('zstd', maxBytes)
    throw new CorruptPayload('zstd', zlibReason(error), { cause: error })
  }
}

import { constants, createZstdCompress, createZstdDecompress, zstdDecompressSync } from 'node:zlib'

/**
 * A zstd context of node:zlib that is used again. Its synchronous functions make one for each call and throw it away, which costs more than the work
 * on a batch of 16 KB: 28 µs instead of 10 to open it, 52 instead of 28 to make it. For that it takes the stream's handle, which nobody documents; it has been
 * the same in 22, 24 and 26. Where it is not, there is no context, and its callers go on with the documented functions.
 */
export interface ZstdContext {
  /**
   * One frame from `source`, or its content, into `output`; how many bytes. Null when it went wrong, from bytes that are no frame to an output that is
   * too small: then the context is of no use any more.
   */
  run(source: Uint8Array, output: Uint8Array): number | null
}

/** What this file needs of a stream of node:zlib. */
interface Internals {
  readonly _handle?: { onerror?: unknown; readonly writeSync?: unknown } | null
  /** Bytes left of the output and of the input, after each call. */
  readonly _writeState?: Uint32Array
}
type WriteSync = (
  flush: number,
  source: Uint8Array,
  sourceAt: number,
  sourceSize: number,
  output: Uint8Array,
  outputAt: number,
  outputSize: number,
) => void

export function decompressionContext(
  stream: object = createZstdDecompress({ chunkSize: smallestChunk }),
): ZstdContext | null {
  const context = contextOf(stream)
  const output = Buffer.alloc(2 * text.length)
  const size = context?.run(textFrame, output) ?? 0
  return text.equals(output.subarray(0, size)) ? context : null
}

export function compressionContext(level: number): ZstdContext | null {
  const params = { [constants.ZSTD_c_compressionLevel]: level }
  const stream: object = createZstdCompress({ chunkSize: smallestChunk, params })
  const context = contextOf(stream)
  const output = Buffer.alloc(2 * text.length)
  const size = context?.run(text, output) ?? 0
  return size > 0 && text.equals(zstdDecompressSync(output.subarray(0, size))) ? context : null
}

/** Of the stream's own output, which is not used. */
const smallestChunk = 64
/** What a context must do before it is trusted. */
const text = Buffer.from('frame frame frame frame frame')
const textFrame = Buffer.from('28b52ffd201d650000306672616d65200100a94b11', 'hex')

function contextOf(stream: Internals): ZstdContext | null {
  const { _handle: handle, _writeState: state } = stream
  if (typeof handle?.writeSync !== 'function' || state?.length !== 2) return null
  let hasFailed = false
  handle.onerror = () => {
    hasFailed = true
  }
  return {
    run(source, output) {
      if (hasFailed) return null
      const { writeSync } = handle as { writeSync: WriteSync }
      writeSync.call(handle, constants.ZSTD_e_end, source, 0, source.length, output, 0, output.length)
      const [outputLeft = 0, sourceLeft = 0] = state
      hasFailed ||= sourceLeft > 0
      return hasFailed ? null : output.length - outputLeft
    },
  }
}

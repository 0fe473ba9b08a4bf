import {
  constants,
  createInflateRaw,
  createZstdCompress,
  createZstdDecompress,
  deflateRawSync,
  zstdDecompressSync,
} from 'node:zlib'

/**
 * A context of node:zlib that is used again. Its synchronous functions make one for each call and throw it away, which costs more than the work on a
 * batch of 16 KB: 28 µs instead of 10 to open it with zstd, 52 instead of 28 to make it; 38 instead of 14 to open it with gzip. For that it takes the stream's
 * handle, which nobody documents; it has been the same in 22, 24 and 26. Where it is not, there is no context, and its callers go on with the documented
 * functions.
 */
export interface ZlibContext {
  /** Bytes of the source that the last run took. */
  readonly bytesTaken: number
  /**
   * From `source` into `output`, which has to be larger than what comes: how many bytes. Null when it went wrong, from bytes that are no such format to
   * an output that is too small: then the context is of no use any more.
   */
  run(source: Uint8Array, output: Uint8Array): number | null
}

/** What is larger gains little from a context that is there already, and would make it large. */
export const contextBytesMax = 128 * 1024

/** For what comes out of one run of any of them: as large as what `contextBytesMax` may become. */
let output: Buffer | null = null

/** A context that is opened when it is needed first, and anew after it went wrong. */
export class KeptContext {
  readonly #open: () => ZlibContext | null
  /** Null: this Node has none. Undefined: it was not asked, or has to be asked anew. */
  #context: ZlibContext | null | undefined

  constructor(open: () => ZlibContext | null) {
    this.#open = open
  }

  get isMissing(): boolean {
    return this.#context === null
  }

  /**
   * What becomes of `source`, in memory that the next run of any context uses again, and how much of it was taken. Null when this Node has no such
   * context, or it went wrong: the documented functions tell what that is.
   */
  run(source: Uint8Array): { readonly bytes: Buffer; readonly bytesTaken: number } | null {
    if (this.#context === undefined) this.#context = this.#open()
    if (this.#context === null) return null
    output ??= Buffer.allocUnsafe(contextBytesMax + 1024)
    const size = this.#context.run(source, output)
    if (size !== null) return { bytes: output.subarray(0, size), bytesTaken: this.#context.bytesTaken }
    this.#context = undefined
    return null
  }

  /** As `run`; null also when it took a part of `source` only, which should not be: then it is opened anew. */
  runAll(source: Uint8Array): Buffer | null {
    const run = this.run(source)
    if (run === null) return null
    if (run.bytesTaken === source.length) return run.bytes
    this.#context = undefined
    return null
  }
}

/** What this file needs of a stream of node:zlib. */
interface Internals {
  readonly _handle?: { onerror?: unknown; readonly writeSync?: unknown; readonly reset?: unknown } | null
  /** Bytes left of the output and of the input, after each call. */
  readonly _writeState?: Uint32Array
}
interface Handle {
  reset(): void
  writeSync(
    flush: number,
    source: Uint8Array,
    sourceAt: number,
    sourceSize: number,
    output: Uint8Array,
    outputAt: number,
    outputSize: number,
  ): void
}

/** Opens zstd frames, one a run. */
export function zstdOpening(stream: object = createZstdDecompress({ chunkSize: smallestChunk })): ZlibContext | null {
  const context = contextOf(stream, { flush: constants.ZSTD_e_end, isReset: false })
  return context !== null && isText(context, textInZstd) ? context : null
}

/** Makes zstd frames, one a run. */
export function zstdMaking(level: number): ZlibContext | null {
  const params = { [constants.ZSTD_c_compressionLevel]: level }
  const stream: object = createZstdCompress({ chunkSize: smallestChunk, params })
  const context = contextOf(stream, { flush: constants.ZSTD_e_end, isReset: false })
  const output = Buffer.alloc(2 * text.length)
  const size = context?.run(text, output) ?? 0
  return size > 0 && text.equals(zstdDecompressSync(output.subarray(0, size))) ? context : null
}

/** Opens what deflate made, one stream a run, whatever stands behind it. */
export function inflating(stream: object = createInflateRaw({ chunkSize: smallestChunk })): ZlibContext | null {
  const context = contextOf(stream, { flush: constants.Z_FINISH, isReset: true })
  const deflated = deflateRawSync(text)
  if (context === null || !isText(context, Buffer.concat([deflated, text]))) return null
  return context.bytesTaken === deflated.length && isText(context, deflated) ? context : null
}

/** Of the stream's own output, which is not used. */
const smallestChunk = 64
/** What a context must do before it is trusted. */
const text = Buffer.from('frame frame frame frame frame')
const textInZstd = Buffer.from('28b52ffd201d650000306672616d65200100a94b11', 'hex')

function isText(context: ZlibContext, source: Uint8Array): boolean {
  const output = Buffer.alloc(2 * text.length)
  const size = context.run(source, output) ?? 0
  return text.equals(output.subarray(0, size))
}

function contextOf(stream: Internals, use: HandleUse): ZlibContext | null {
  const { _handle: handle, _writeState: state } = stream
  if (typeof handle?.writeSync !== 'function' || typeof handle.reset !== 'function' || state?.length !== 2) return null
  return new HandleContext(handle as unknown as Handle & { onerror: unknown }, state, use)
}

interface HandleUse {
  readonly flush: number
  /** Before each run but the first. A zstd context is ready for the next frame as soon as one has ended, and its reset would make a new one. */
  readonly isReset: boolean
}

class HandleContext implements ZlibContext {
  bytesTaken = 0
  readonly #handle: Handle
  readonly #state: Uint32Array
  readonly #use: HandleUse
  #hasFailed = false
  #isNew = true

  constructor(handle: Handle & { onerror: unknown }, state: Uint32Array, use: HandleUse) {
    handle.onerror = () => {
      this.#hasFailed = true
    }
    this.#handle = handle
    this.#state = state
    this.#use = use
  }

  run(source: Uint8Array, output: Uint8Array): number | null {
    if (this.#hasFailed) return null
    if (this.#use.isReset && !this.#isNew) this.#handle.reset()
    this.#isNew = false
    this.#handle.writeSync(this.#use.flush, source, 0, source.length, output, 0, output.length)
    const [outputLeft = 0, sourceLeft = 0] = this.#state
    this.bytesTaken = source.length - sourceLeft
    // With no room left nobody knows whether it ended.
    if (outputLeft === 0) this.#hasFailed = true
    return this.#hasFailed ? null : output.length - outputLeft
  }
}

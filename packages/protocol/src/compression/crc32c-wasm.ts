import { crc32cModule } from './crc32c-module.ts'

/** CRC-32C of `buffer[start, end)`, unsigned. */
export type Crc32c = (buffer: Uint8Array, start: number, end: number) => number

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer }
  readonly init: () => void
  readonly input: () => number
  readonly chunkSize: () => number
  readonly whole: (size: number) => number
  readonly begin: () => void
  readonly fold: () => void
  readonly finish: (size: number) => number
}

/** What this file needs of the global that @types/node does not declare. */
interface WebAssemblyGlobal {
  validate(bytes: Uint8Array): boolean
  Module: new (bytes: Uint8Array) => object
  Instance: new (module: object) => { readonly exports: unknown }
}

/** Below this copying byte by byte beats a view and a `set` (measured; the copy is most of the work of a small call). */
const COPY_BYTES_BELOW = 48

/**
 * The WebAssembly implementation, or null where the machine has no WebAssembly or no SIMD in it. Compiling takes about a millisecond.
 * The module's memory (128 KiB) is scratch for one call at a time, which is what one thread makes.
 */
export function wasmCrc32c(): Crc32c | null {
  const webAssembly = (globalThis as { WebAssembly?: WebAssemblyGlobal }).WebAssembly
  if (webAssembly === undefined) return null
  const bytes = Buffer.from(crc32cModule, 'base64')
  if (!webAssembly.validate(bytes)) return null
  let exports: Exports
  try {
    exports = new webAssembly.Instance(new webAssembly.Module(bytes)).exports as Exports
  } catch {
    return null // compiling may be forbidden, and V8 reserves address space that a limit may deny: both leave JavaScript
  }
  const { whole, begin, fold, finish } = exports
  exports.init()
  const scratch = new Uint8Array(exports.memory.buffer)
  const input = exports.input()
  const chunkSize = exports.chunkSize()

  return (buffer, start, end) => {
    const size = end - start
    if (size < 2 * chunkSize) {
      if (size < COPY_BYTES_BELOW) for (let i = 0; i < size; i++) scratch[input + i] = buffer[start + i]!
      else scratch.set(buffer.subarray(start, end), input)
      return whole(size) >>> 0
    }
    scratch.set(buffer.subarray(start, start + chunkSize), input)
    begin()
    fold()
    let position = start + chunkSize
    for (; end - position >= 2 * chunkSize; position += chunkSize) {
      scratch.set(buffer.subarray(position, position + chunkSize), input)
      fold()
    }
    scratch.set(buffer.subarray(position, end), input)
    return finish(end - position) >>> 0
  }
}

import { crc32cModule } from './crc32c-module.ts'
import { copyIn, wasmExports } from './wasm-module.ts'

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

/**
 * The WebAssembly implementation, or null where there can be none (wasm-module.ts).
 * The module's memory (128 KiB) is scratch for one call at a time, which is what one thread makes.
 */
export function wasmCrc32c(): Crc32c | null {
  const exports = wasmExports<Exports>(crc32cModule)
  if (exports === null) return null
  const { whole, begin, fold, finish } = exports
  exports.init()
  const scratch = new Uint8Array(exports.memory.buffer)
  const input = exports.input()
  const chunkSize = exports.chunkSize()

  return (buffer, start, end) => {
    const size = end - start
    if (size < 2 * chunkSize) {
      copyIn(scratch, input, buffer, start, end)
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

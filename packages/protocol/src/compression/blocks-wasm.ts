import type { BlockCodec } from './block-codec.ts'
import { javascriptBlocks } from './blocks-javascript.ts'
import { blocksModule } from './blocks-module.ts'
import { CorruptPayload } from './corrupt-payload.ts'
import { lz4BlockBound } from './lz4-block.ts'
import { snappyBound } from './snappy-block.ts'
import { copyIn, wasmExports } from './wasm-module.ts'

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number }
  readonly init: () => void
  readonly input: () => number
  readonly slack: () => number
  readonly lz4Compress: (from: number, end: number, to: number) => number
  readonly lz4Decompress: (from: number, end: number, to: number, limit: number) => number
  readonly snappyCompress: (from: number, end: number, to: number) => number
  readonly snappyDecompress: (from: number, end: number, to: number, limit: number) => number
}

/** The most that a source or a target may take of the module's memory, which never gets smaller: what is larger is JavaScript's. */
const regionBytesMax = 1024 * 1024
const pageBytes = 65536
/** Of the module's answers: see blocks.c. */
const doesNotFit = -1
const lz4Reasons: Readonly<Record<number, string>> = {
  [-2]: 'a block ends inside a sequence',
  [-3]: 'a match points before its block',
}
const snappyReasons: Readonly<Record<number, string>> = {
  [-2]: 'ends inside an element',
  [-3]: 'a copy points before its block',
  [-4]: 'is longer than it claims',
  [-5]: 'is shorter than it claims',
}

/**
 * The WebAssembly implementation, or null where there can be none (wasm-module.ts). Its memory is scratch for one call at a time: 256 KiB for the
 * blocks that most clients write, up to 2.2 MiB where a block was that large.
 */
export function wasmBlocks(): BlockCodec | null {
  const exports = wasmExports<Exports>(blocksModule)
  return exports === null ? null : new WasmBlocks(exports)
}

class WasmBlocks implements BlockCodec {
  readonly #module: Exports
  readonly #input: number
  readonly #slack: number
  #bytes: Uint8Array

  constructor(module: Exports) {
    module.init()
    this.#module = module
    this.#input = module.input()
    this.#slack = module.slack()
    this.#bytes = new Uint8Array(module.memory.buffer)
  }

  lz4Compress(source: Uint8Array, start: number, end: number): Uint8Array {
    const size = end - start
    const target = this.#load(source, start, end, lz4BlockBound(size))
    if (target < 0) return javascriptBlocks.lz4Compress(source, start, end)
    return this.#taken(target, this.#module.lz4Compress(this.#input, this.#input + size, target))
  }

  lz4Decompress(source: Uint8Array, start: number, end: number, most: number): Uint8Array | null {
    const room = Math.min(most, regionBytesMax)
    const target = this.#load(source, start, end, room)
    if (target < 0) return javascriptBlocks.lz4Decompress(source, start, end, most)
    const size = this.#module.lz4Decompress(this.#input, this.#input + end - start, target, target + room)
    if (size >= 0) return this.#taken(target, size)
    if (size !== doesNotFit) throw new CorruptPayload('lz4', lz4Reasons[size]!)
    return room === most ? null : javascriptBlocks.lz4Decompress(source, start, end, most)
  }

  snappyCompress(source: Uint8Array, start: number, end: number): Uint8Array {
    const size = end - start
    const target = this.#load(source, start, end, snappyBound(size))
    if (target < 0) return javascriptBlocks.snappyCompress(source, start, end)
    return this.#taken(target, this.#module.snappyCompress(this.#input, this.#input + size, target))
  }

  snappyDecompress(source: Uint8Array, start: number, end: number, size: number): Uint8Array {
    const target = size > regionBytesMax ? -1 : this.#load(source, start, end, size)
    if (target < 0) return javascriptBlocks.snappyDecompress(source, start, end, size)
    const found = this.#module.snappyDecompress(this.#input, this.#input + end - start, target, target + size)
    if (found < 0) throw new CorruptPayload('snappy', snappyReasons[found]!)
    return this.#taken(target, found)
  }

  /** Copies `source[start, end)` to the module; where a target of `room` bytes lies, -1 where that is more than it may take. */
  #load(source: Uint8Array, start: number, end: number, room: number): number {
    const size = end - start
    if (size > regionBytesMax) return -1
    const target = this.#input + ((size + this.#slack + 15) & ~15)
    const needed = target + room + this.#slack
    if (needed > this.#bytes.length && !this.#grow(needed)) return -1
    copyIn(this.#bytes, this.#input, source, start, end)
    return target
  }

  #grow(needed: number): boolean {
    try {
      this.#module.memory.grow(Math.ceil((needed - this.#bytes.length) / pageBytes))
    } catch {
      return false // the system has no more
    }
    this.#bytes = new Uint8Array(this.#module.memory.buffer)
    return true
  }

  #taken(target: number, size: number): Uint8Array {
    return this.#bytes.subarray(target, target + size)
  }
}

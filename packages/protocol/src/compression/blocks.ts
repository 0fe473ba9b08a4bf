import type { BlockCodec } from './block-codec.ts'
import { javascriptBlocks } from './blocks-javascript.ts'
import { wasmBlocks } from './blocks-wasm.ts'

let implementation: BlockCodec | null = null

/** WebAssembly, or JavaScript (a quarter of the speed and less) where that is missing. Nothing is compiled before the first call. */
export function blocks(): BlockCodec {
  implementation ??= wasmBlocks() ?? javascriptBlocks
  return implementation
}

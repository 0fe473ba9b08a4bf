/** What this file needs of the global that @types/node does not declare. */
interface WebAssemblyGlobal {
  validate(bytes: Uint8Array): boolean
  Module: new (bytes: Uint8Array) => object
  Instance: new (module: object) => { readonly exports: unknown }
}

/**
 * What a module of ours exports, or null where the machine has no WebAssembly or no SIMD in it. `base64` is one of the files that wasm/build.js
 * writes. Compiling takes about a millisecond.
 */
export function wasmExports<Exports>(base64: string): Exports | null {
  const webAssembly = (globalThis as { WebAssembly?: WebAssemblyGlobal }).WebAssembly
  if (webAssembly === undefined) return null
  const bytes = Buffer.from(base64, 'base64')
  if (!webAssembly.validate(bytes)) return null
  try {
    return new webAssembly.Instance(new webAssembly.Module(bytes)).exports as Exports
  } catch {
    return null // compiling may be forbidden, and V8 reserves address space that a limit may deny: both leave JavaScript
  }
}

/** Below this copying byte by byte into a module's memory beats a view and a `set` (measured; the copy is most of the work of a small call). */
const copyBytesBelow = 48

/** Copies `source[start, end)` to `memory` at `at`. */
export function copyIn(memory: Uint8Array, at: number, source: Uint8Array, start: number, end: number): void {
  const size = end - start
  if (size < copyBytesBelow) for (let i = 0; i < size; i++) memory[at + i] = source[start + i]!
  else memory.set(source.subarray(start, end), at)
}

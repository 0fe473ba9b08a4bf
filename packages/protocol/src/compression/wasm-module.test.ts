import { afterEach, describe, expect, test } from '@jest/globals'
import { wasmBlocks } from './blocks-wasm.ts'
import { wasmCrc32c } from './crc32c-wasm.ts'

describe.each<[string, () => unknown]>([
  ['CRC-32C', wasmCrc32c],
  ['blocks', wasmBlocks],
])('%s: where WebAssembly', (_name, implementation) => {
  const global = globalThis as { WebAssembly?: unknown }
  const { WebAssembly } = global
  afterEach(() => {
    global.WebAssembly = WebAssembly
  })
  const denied = class {
    constructor() {
      throw new RangeError('could not allocate memory')
    }
  }

  test.each([
    ['is missing', undefined],
    ['has no SIMD', { validate: () => false }],
    ['may not compile', { validate: () => true, Module: denied, Instance: denied }],
  ])('%s: no WebAssembly implementation, so the caller takes JavaScript', (_what, value) => {
    global.WebAssembly = value
    expect(implementation()).toBe(null)
  })
})

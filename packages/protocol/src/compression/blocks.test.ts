import { afterEach, describe, expect, test } from '@jest/globals'
import { blockTargets } from '../fuzzing/block-targets.fuzz.ts'
import { Chance } from '../fuzzing/chance.fuzz.ts'
import type { BlockCodec } from './block-codec.ts'
import { javascriptBlocks } from './blocks-javascript.ts'
import { wasmBlocks } from './blocks-wasm.ts'
import { randomBytes, seededRandom } from './seeded-random.ts'

const seed = 11

// A longer search with other seeds: npm run fuzz.
test(`WebAssembly and JavaScript: blocks and what is left of them after changes: same bytes, same refusals (700 from seed ${seed})`, () => {
  const [target] = blockTargets
  for (let run = 0; run < 700; run++) target!.attempt(new Chance(seed + run))
})

/** A block of one literal and a match that repeats it. */
function longBlock(codec: 'lz4' | 'snappy', size: number): Buffer {
  if (codec === 'snappy') {
    const copies = Array.from({ length: (size - 1) / 64 }, () => [2 | (63 << 2), 1, 0])
    return Buffer.from([[0, 97], ...copies].flat())
  }
  const length = size - 1 - 5 - 19
  const more = Buffer.alloc(Math.floor(length / 255) + 1, 255)
  more[more.length - 1] = length % 255
  return Buffer.concat([Buffer.from([0x1f, 97, 1, 0]), more, Buffer.from([0x50, ...Buffer.alloc(5, 97)])])
}

describe.each<[string, BlockCodec]>([
  ['WebAssembly', wasmBlocks()!],
  ['JavaScript', javascriptBlocks],
])('blocks in %s', (_name, blocks) => {
  test.each(['lz4', 'snappy'] as const)('%s: a block of some bytes, of 1 MiB and of 4 MiB: opened', codec => {
    for (const size of [65, 64 * 1024 + 1, 1024 * 1024 - 63, 1024 * 1024 + 1, 4 * 1024 * 1024 + 1]) {
      const block = longBlock(codec, size)
      const content = blocks[`${codec}Decompress`](block, 0, block.length, size)
      expect([size, content?.length, content?.every(byte => byte === 97)]).toEqual([size, size, true])
    }
  })

  test('lz4: one byte more than allowed, little and large: null', () => {
    for (const size of [65, 64 * 1024 + 1, 1024 * 1024 + 1, 2 * 1024 * 1024]) {
      const block = longBlock('lz4', size)
      expect(blocks.lz4Decompress(block, 0, block.length, size - 1)).toBe(null)
    }
  })

  test('a source of more than 1 MiB: opened', () => {
    const noise = randomBytes(seededRandom(seed), 1_100_000)
    const more = Buffer.alloc(Math.floor((noise.length - 15) / 255) + 1, 255)
    more[more.length - 1] = (noise.length - 15) % 255
    const block = Buffer.concat([Buffer.from([0xf0]), more, noise])
    expect(noise.equals(blocks.lz4Decompress(block, 0, block.length, 4 << 20)!)).toBe(true)
  })

  test('64 KiB that do not get smaller, and 64 KiB of one byte: there and back', () => {
    for (const plain of [randomBytes(seededRandom(seed), 65_536), Buffer.alloc(65_536, 'x')]) {
      const lz4 = Buffer.from(blocks.lz4Compress(plain, 0, plain.length))
      expect(plain.equals(blocks.lz4Decompress(lz4, 0, lz4.length, plain.length)!)).toBe(true)
      const snappy = Buffer.from(blocks.snappyCompress(plain, 0, plain.length))
      expect(plain.equals(blocks.snappyDecompress(snappy, 0, snappy.length, plain.length))).toBe(true)
    }
  })
})

test('blocks in WebAssembly: after blocks of every size: no more than 2.25 MiB of memory, 256 KiB for those of 64 KiB', () => {
  const blocks = wasmBlocks()!
  const memoryAfter = (size: number): number => {
    const block = longBlock('lz4', size)
    blocks.lz4Decompress(block, 0, block.length, size)
    const noise = Buffer.concat([Buffer.from([0xf0, 1]), randomBytes(seededRandom(1), 16)])
    return blocks.lz4Decompress(noise, 0, noise.length, 16)!.buffer.byteLength
  }
  blocks.lz4Compress(randomBytes(seededRandom(seed), 65_536), 0, 65_536)
  expect(memoryAfter(65_536)).toBeLessThanOrEqual(256 * 1024)
  expect(memoryAfter(4 << 20)).toBeLessThanOrEqual(2.25 * 1024 * 1024)
})

describe('blocks: where WebAssembly', () => {
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

  test('gets no more memory: the block is opened all the same', () => {
    type Module = new (module: object) => { exports: { memory: { buffer: ArrayBuffer } } }
    const { Module, Instance, validate } = WebAssembly as unknown as {
      Module: object
      Instance: Module
      validate: object
    }
    global.WebAssembly = {
      Module,
      validate,
      Instance: class {
        exports: object
        constructor(module: object) {
          const { exports } = new Instance(module)
          const { buffer } = exports.memory
          this.exports = { ...exports, memory: { buffer, grow: () => new denied() } }
        }
      },
    }
    const block = longBlock('lz4', 300_000)
    expect(wasmBlocks()!.lz4Decompress(block, 0, block.length, 300_000)).toHaveLength(300_000)
  })
})

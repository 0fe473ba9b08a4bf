import { constants, deflateRawSync, inflateRawSync, zstdCompressSync } from 'node:zlib'
import { expect, test } from '@jest/globals'
import { Chance } from '../fuzzing/chance.fuzz.ts'
import { mutate } from '../fuzzing/mutate.fuzz.ts'
import { inflating, zstdMaking, zstdOpening } from './zlib-context.ts'

const seed = 9
const text = (size: number): Buffer => Buffer.alloc(size, 'the quick brown fox, 0123456789; ')
const output = Buffer.alloc(100_000)
const sizes = [0, 1, 700, 40_000, 90_000]

test('contexts for zstd: there are some on this Node, and they give what the documented functions give', () => {
  const opening = zstdOpening()!
  for (const level of [-7, 1, 3, 19]) {
    const making = zstdMaking(level)!
    const params = { [constants.ZSTD_c_compressionLevel]: level }
    for (const size of sizes) {
      const frame = Buffer.from(output.subarray(0, making.run(text(size), output)!))
      expect(frame.equals(zstdCompressSync(text(size), { params, pledgedSrcSize: size }))).toBe(true)
      expect(output.subarray(0, opening.run(frame, output)!).equals(text(size))).toBe(true)
      expect(opening.bytesTaken).toBe(frame.length)
    }
  }
})

test('a context for gzip: there is one on this Node, and it tells where the stream ended', () => {
  const context = inflating()!
  for (const size of sizes) {
    const stream = deflateRawSync(text(size))
    const size1 = context.run(Buffer.concat([stream, text(50)]), output)!
    expect([context.bytesTaken, output.subarray(0, size1).equals(text(size))]).toEqual([stream.length, true])
  }
})

test.each([
  ['zstd', zstdOpening, zstdCompressSync(text(500))],
  ['gzip', inflating, deflateRawSync(text(500))],
])(
  'a context for %s: after an output that was too small, or just large enough: of no use any more',
  (_, open, packed) => {
    for (const size of [100, 500]) {
      const context = open()!
      expect(context.run(packed, Buffer.alloc(501))).toBe(500)
      expect(context.run(packed, Buffer.alloc(size))).toBe(null)
      expect(context.run(packed, Buffer.alloc(501))).toBe(null)
    }
  },
)

test(`a context for gzip: streams with something wrong: as inflateRawSync says (500 from seed ${seed})`, () => {
  let context = inflating()!
  let openedCount = 0
  for (let run = 0; run < 500; run++) {
    const chance = new Chance(seed + run)
    const plain = Buffer.concat([chance.bytes(chance.below(300)), text(chance.below(2000))])
    const mutant = mutate(deflateRawSync(plain), chance)
    const size = context.run(mutant, output)
    const expected = inOneCall(mutant)
    if (size === null) {
      expect(expected === null || expected.buffer.length >= output.length).toBe(true)
      context = inflating()!
    } else {
      openedCount++
      expect(output.subarray(0, size).equals(expected!.buffer)).toBe(true)
      expect(context.bytesTaken).toBe(expected!.engine.bytesWritten)
    }
  }
  expect(openedCount).toBeGreaterThan(50)
})

test('a stream of node:zlib whose inside is another than we know: no context', () => {
  const writeSync = (): void => {}
  const reset = writeSync
  const _writeState = new Uint32Array(2)
  for (const open of [zstdOpening, inflating]) {
    for (const stream of [
      {},
      { _handle: null, _writeState },
      { _handle: { writeSync, reset } },
      { _handle: { write: writeSync, reset }, _writeState },
      { _handle: { writeSync }, _writeState },
      { _handle: { writeSync, reset }, _writeState: new Uint32Array(3) },
      // Calls that do nothing.
      { _handle: { writeSync, reset }, _writeState },
      { _handle: { writeSync, reset }, _writeState: Uint32Array.of(7, 0) },
    ])
      expect(open(stream)).toBe(null)
  }
})

interface Inflated {
  readonly buffer: Buffer
  readonly engine: { readonly bytesWritten: number }
}

function inOneCall(stream: Buffer): Inflated | null {
  try {
    return inflateRawSync(stream, { info: true, maxOutputLength: 1 << 20 }) as unknown as Inflated
  } catch {
    return null
  }
}

import { describe, expect, test } from '@jest/globals'
import { crc32, crc32c } from './crc32c.ts'
import { javascriptCrc32c } from './crc32c-javascript.ts'
import { wasmCrc32c } from './crc32c-wasm.ts'
import { randomBytes, seededRandom } from './seeded-random.ts'

/** One bit at a time: slow, and plainly the definition. */
function byDefinition(buffer: Uint8Array): number {
  let crc = -1
  for (const byte of buffer) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return ~crc >>> 0
}

const seed = 20_261_123

describe.each([
  ['WebAssembly', wasmCrc32c()!],
  ['JavaScript', javascriptCrc32c()],
] as const)('CRC-32C in %s', (_name, implementation) => {
  test('the check value of the standard', () => {
    expect(implementation(Buffer.from('123456789'), 0, 9)).toBe(0xe3069283)
    expect(implementation(new Uint8Array(32), 0, 32)).toBe(0x8a9136aa)
    expect(implementation(new Uint8Array(0), 0, 0)).toBe(0)
  })

  test(`every length up to 1300, at odd starts (seed ${seed})`, () => {
    const bytes = randomBytes(seededRandom(seed), 2048)
    for (let size = 0; size <= 1300; size++) {
      const start = size % 17
      expect([size, implementation(bytes, start, start + size)]).toEqual([
        size,
        byDefinition(bytes.subarray(start, start + size)),
      ])
    }
  })

  test(`lengths around every threshold of the folding (seed ${seed})`, () => {
    const bytes = randomBytes(seededRandom(seed + 1), 200_000)
    for (const around of [384, 5275, 5376, 9472, 32_768, 65_536, 98_304, 131_072, 163_840]) {
      for (let size = around - 70; size <= around + 70; size += 7) {
        expect([size, implementation(bytes, 3, 3 + size)]).toEqual([size, byDefinition(bytes.subarray(3, 3 + size))])
      }
    }
  })
})

test(`CRC-32C: WebAssembly and JavaScript: same results on 400 random buffers (seed ${seed})`, () => {
  const random = seededRandom(seed + 2)
  const wasm = wasmCrc32c()!
  const javascript = javascriptCrc32c()
  const bytes = randomBytes(random, 1_500_000)
  for (let i = 0; i < 400; i++) {
    const start = Math.floor(random() * 1000)
    const size = Math.floor(random() ** 3 * 1_400_000)
    const end = start + size
    expect([start, end, wasm(bytes, start, end)]).toEqual([start, end, javascript(bytes, start, end)])
  }
})

test('CRC-32C: after a long message: a short one is not tainted by its bytes', () => {
  const ones = new Uint8Array(300_000).fill(255)
  crc32c(ones)
  for (const size of [0, 1, 100, 384, 1000, 9473, 70_000]) {
    expect(crc32c(new Uint8Array(size))).toBe(byDefinition(new Uint8Array(size)))
    crc32c(ones)
  }
})

test('CRC-32C: range outside the buffer: RangeError', () => {
  const buffer = new Uint8Array(10)
  expect(() => crc32c(buffer, 0, 11)).toThrow(RangeError)
  expect(() => crc32c(buffer, -1, 5)).toThrow(RangeError)
  expect(() => crc32c(buffer, 6, 5)).toThrow(RangeError)
})

test('CRC-32C: one flipped bit anywhere in 100 kB: another result', () => {
  const bytes = randomBytes(seededRandom(seed + 3), 100_000)
  const before = crc32c(bytes)
  for (let bit = 0; bit < 800_000; bit += 7919) {
    bytes[bit >> 3]! ^= 1 << (bit & 7)
    expect(crc32c(bytes)).not.toBe(before)
    bytes[bit >> 3]! ^= 1 << (bit & 7)
  }
  expect(crc32c(bytes)).toBe(before)
})

test('CRC-32: a slice: as the standard says', () => {
  expect(crc32(Buffer.from('..123456789..'), 2, 11)).toBe(0xcbf43926)
})

import { constants, createZstdCompress, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { describe, expect, test } from '@jest/globals'
import { Chance } from '../fuzzing/chance.fuzz.ts'
import { mutate } from '../fuzzing/mutate.fuzz.ts'
import { CorruptPayload } from './corrupt-payload.ts'
import { frameOf } from './zstd-frame.ts'
import { zstdCompress, zstdDecompress } from './zstd.ts'

const seed = 5
const limit = 1 << 20
const text = (size: number): Buffer => Buffer.alloc(size, 'the quick brown fox, 0123456789; ')

/** As Java's clients write it: the size is not known when the frame begins. */
async function streamed(plain: Buffer, params: Record<number, number> = {}): Promise<Buffer> {
  const stream = createZstdCompress({ params })
  // An end that knows of the last bytes would put an empty frame behind them.
  await new Promise<void>(resolve => stream.write(plain, () => resolve()))
  stream.end()
  return Buffer.concat(await stream.toArray())
}

describe('zstd frames: headers', () => {
  test.each([1, 255, 256, 700, 70_000, 200_000, 900_000])('%s bytes in one piece: size and bound', size => {
    const frame = frameOf(zstdCompressSync(text(size), { pledgedSrcSize: size }))
    expect(frame).toMatchObject({ contentSize: size })
    expect(frame!.mostBytes).toBeGreaterThanOrEqual(size)
    expect(frame!.mostBytes).toBeLessThanOrEqual(Math.ceil(size / 131_072) * 131_072)
  })

  test('in pieces, with a checksum and a small window: no size, a bound', async () => {
    const params = { [constants.ZSTD_c_checksumFlag]: 1, [constants.ZSTD_c_windowLog]: 12 }
    const frame = frameOf(await streamed(text(20_000), params))
    expect(frame).toMatchObject({ contentSize: null, windowSize: 4096 })
    expect(frame!.mostBytes).toBeGreaterThanOrEqual(20_000)
    expect(frame!.mostBytes).toBeLessThanOrEqual(24_576)
  })

  test('two frames, one with a byte behind it: the first', () => {
    const frame = zstdCompressSync(text(3000))
    for (const rest of [frame, Buffer.alloc(1), Buffer.alloc(0)])
      expect(frameOf(Buffer.concat([frame, rest]))).toMatchObject({ size: frame.length, contentSize: 3000 })
  })

  test('a skippable one, one cut anywhere, reserved bits, a dictionary: none', () => {
    const frame = zstdCompressSync(text(3000))
    const others = [Buffer.from('502a4d18030000000102030000', 'hex')]
    for (let size = 0; size < frame.length; size++) others.push(frame.subarray(0, size))
    for (const bit of [1, 2, 8]) {
      const changed = Buffer.from(frame)
      changed[4]! |= bit
      others.push(changed)
    }
    expect(others.filter(bytes => frameOf(bytes) !== null)).toEqual([])
  })
})

test(`zstd: frames with something wrong: as node:zlib says, and sound ones in between (400 from seed ${seed})`, async () => {
  for (let run = 0; run < 400; run++) {
    const chance = new Chance(seed + run)
    const plain = Buffer.concat([chance.bytes(chance.below(300)), text(chance.below(chance.is(0.2) ? 140_000 : 2000))])
    const frame = chance.is(0.5) ? Buffer.from(zstdCompress(plain)) : await streamed(plain)
    expect(plain.equals(zstdDecompress(frame, plain.length))).toBe(true)
    for (let left = 4; left > 0; left--) {
      const mutant = mutate(frame, chance)
      const opened = outcome(() => zstdDecompress(mutant, limit))
      const { buffer, consumed } = inOneCall(mutant)
      // Node 22 takes the part of a frame for the whole.
      const isPart = frameOf(mutant) === null
      if (opened === null) expect(buffer === null || consumed < mutant.length || isPart).toBe(true)
      else if (consumed === mutant.length) expect(opened.equals(buffer!)).toBe(true)
    }
  }
})

test('zstd: more than allowed, whatever the frame says of it: refused as too large', async () => {
  for (const frame of [zstdCompress(text(5000)), await streamed(text(5000)), zstdCompress(text(300_000))]) {
    expect(() => zstdDecompress(frame, 4999)).toThrow(expect.objectContaining({ tooLarge: true }))
  }
})

function outcome(work: () => Uint8Array): Buffer | null {
  try {
    return Buffer.from(work())
  } catch (error) {
    if (error instanceof CorruptPayload) return null
    throw error
  }
}

/** The first frame, by the documented function. */
function inOneCall(file: Buffer): { buffer: Buffer | null; consumed: number } {
  try {
    const { buffer, engine } = zstdDecompressSync(file, { info: true }) as unknown as {
      buffer: Buffer
      engine: { bytesWritten: number }
    }
    return { buffer, consumed: engine.bytesWritten }
  } catch {
    return { buffer: null, consumed: 0 }
  }
}

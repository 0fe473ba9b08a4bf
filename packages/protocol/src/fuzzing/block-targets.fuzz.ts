import { javascriptBlocks } from '../compression/blocks-javascript.ts'
import { wasmBlocks } from '../compression/blocks-wasm.ts'
import type { BlockCodec } from '../compression/block-codec.ts'
import { CorruptPayload } from '../compression/corrupt-payload.ts'
import type { Chance } from './chance.fuzz.ts'
import { mutate } from './mutate.fuzz.ts'
import { mustEqual, type Target } from './target.fuzz.ts'

/** LZ4 and snappy blocks in WebAssembly and in JavaScript: the same bytes, and the same refusals of what is no block. */
export const blockTargets: readonly Target[] = [{ name: 'blocks', attempt: attemptBlocks }]

let wasm: BlockCodec | null = null

function attemptBlocks(chance: Chance): void {
  wasm ??= wasmBlocks()
  if (wasm === null) throw new Error('no WebAssembly with SIMD here')
  const around = chance.below(40)
  const plain = textOf(chance)
  const source = Buffer.concat([chance.bytes(around), plain, chance.bytes(around)])
  for (const codec of ['lz4', 'snappy'] as const) {
    const packed = Buffer.from(wasm[`${codec}Compress`](source, around, around + plain.length))
    mustEqual(
      Buffer.from(javascriptBlocks[`${codec}Compress`](source, around, around + plain.length)).equals(packed),
      true,
      `${codec} in JavaScript gives what WebAssembly gives`,
    )
    mustEqual(outcome(wasm, codec, packed, plain.length), plain, `${codec}, opened`)
    mustEqual(outcome(javascriptBlocks, codec, packed, plain.length), plain, `${codec}, opened`)
    for (let left = 6; left > 0; left--) {
      const mutant = mutate(packed, chance)
      const size = chance.is(0.5) ? plain.length : chance.below(2 * plain.length)
      const expected = outcome(javascriptBlocks, codec, mutant, size)
      mustEqual(
        outcome(wasm, codec, mutant, size),
        expected,
        `${codec} block ${mutant.toString('hex')}, at most ${size}`,
      )
    }
  }
}

/** Runs, repetitions of what was `distance` bytes before, and noise: matches and literals of every length. */
function textOf(chance: Chance): Buffer {
  const bytes = Buffer.alloc(chance.below(chance.is(0.1) ? 65_537 : 700))
  for (let at = 0; at < bytes.length;) {
    const count = Math.min(bytes.length - at, 1 + chance.below(chance.is(0.1) ? 1000 : 30))
    const distance = 1 + chance.below(chance.is(0.5) ? 20 : at + 1)
    if (distance > at || chance.is(0.3)) bytes.set(chance.bytes(count), at)
    else for (let i = at; i < at + count; i++) bytes[i] = bytes[i - distance]!
    at += count
  }
  return bytes
}

/** The bytes, or why not. */
function outcome(blocks: BlockCodec, codec: 'lz4' | 'snappy', block: Buffer, size: number): Buffer | string {
  try {
    const bytes = blocks[`${codec}Decompress`](block, 0, block.length, size)
    return bytes === null ? 'does not fit' : Buffer.from(bytes)
  } catch (error) {
    if (error instanceof CorruptPayload) return error.message
    throw error
  }
}

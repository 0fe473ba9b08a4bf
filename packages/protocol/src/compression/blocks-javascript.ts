import type { BlockCodec } from './block-codec.ts'
import { lz4BlockBound, lz4CompressBlock, lz4DecompressBlock } from './lz4-block.ts'
import { snappyBound, snappyCompressBlock, snappyDecompressBlock } from './snappy-block.ts'

/** Copies of eight bytes at a time may write so many too far. */
const slack = 8
/** What the blocks that most clients write take; a larger one gets memory of its own. */
const keptBytes = 96 * 1024

/** Kept from the first call on. */
let kept: Buffer | null = null

/** Blocks where there is no WebAssembly, and those that are too large for its memory. */
export const javascriptBlocks: BlockCodec = {
  lz4Compress(source, start, end) {
    const target = targetOf(lz4BlockBound(end - start))
    return target.subarray(0, lz4CompressBlock(source, start, end, target, 0))
  },
  lz4Decompress(source, start, end, most) {
    const target = targetOf(most + slack)
    const size = lz4DecompressBlock(source, start, end, target, 0, most)
    return size < 0 ? null : target.subarray(0, size)
  },
  snappyCompress(source, start, end) {
    const target = targetOf(snappyBound(end - start))
    return target.subarray(0, snappyCompressBlock(source, start, end, target, 0))
  },
  snappyDecompress(source, start, end, size) {
    const target = targetOf(size + slack)
    return target.subarray(0, snappyDecompressBlock(source, start, end, target, 0, size))
  },
}

function targetOf(size: number): Buffer {
  if (size > keptBytes) return Buffer.allocUnsafe(size)
  return (kept ??= Buffer.allocUnsafe(keptBytes))
}

/**
 * LZ4 and snappy blocks: what frames are made of. Both implementations give the same bytes and the same errors. Bytes that are answered lie in memory
 * that the next call of any of these uses again.
 */
export interface BlockCodec {
  /** `source[start, end)`, at most 64 KiB, as one block; up to `size + size / 255 + 16` bytes. */
  lz4Compress(source: Uint8Array, start: number, end: number): Uint8Array
  /** What the block `source[start, end)` stands for, null when that is more than `most` bytes. Throws CorruptPayload. */
  lz4Decompress(source: Uint8Array, start: number, end: number, most: number): Uint8Array | null
  /** `source[start, end)`, at most 64 KiB, as the elements of one block, without its length; up to `32 + size + size / 6` bytes. */
  snappyCompress(source: Uint8Array, start: number, end: number): Uint8Array
  /** What the elements `source[start, end)` of a block that claims `size` bytes stand for. Throws CorruptPayload. */
  snappyDecompress(source: Uint8Array, start: number, end: number, size: number): Uint8Array
}

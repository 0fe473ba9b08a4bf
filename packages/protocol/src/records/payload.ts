import { Codec, decompress, knownCodecName } from '../compression/codec.ts'
import type { OutputRoom } from '../compression/output-room.ts'
import { batchSizeAt, BATCH_HEADER_SIZE, codecAt } from './record-batch.ts'

/**
 * The records of the magic 2 batch at `position` as bytes: a view when they are not compressed, else decompressed, at most `maxBytes` of them.
 * The batch must lie wholly in `batch`. Throws CorruptPayload: unknown codec, undecodable bytes, or too many (`tooLarge`).
 * `room` as for `decompress`.
 */
export function openPayload(batch: Uint8Array, position: number, maxBytes: number, room?: OutputRoom): Uint8Array {
  const compressed = batch.subarray(position + BATCH_HEADER_SIZE, position + batchSizeAt(batch, position))
  const codec = codecAt(batch, position)
  return codec === Codec.none ? compressed : decompress(knownCodecName(codec), compressed, maxBytes, room)
}

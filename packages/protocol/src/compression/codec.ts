import { CorruptPayload } from './corrupt-payload.ts'
import { gunzip, gzip } from './gzip.ts'
import { lz4Compress, lz4Decompress } from './lz4.ts'
import type { OutputRoom } from './output-room.ts'
import { snappyCompress, snappyDecompress } from './snappy.ts'
import { zstdCompress, zstdDecompress } from './zstd.ts'

/** Codec ids as they stand in the low three bits of a batch's attributes. */
export const Codec = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const
export type CodecName = keyof typeof Codec
export type CodecId = (typeof Codec)[CodecName]

const names: readonly CodecName[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

/** The name of a codec id, null for the ids 5 to 7 that nobody has defined. */
export function codecName(id: number): CodecName | null {
  return names[id] ?? null
}

/** The name of a codec id as it was read from a batch. Throws CorruptPayload for an id that nobody has defined. */
export function knownCodecName(id: number): CodecName {
  const name = names[id]
  if (name === undefined) throw new CorruptPayload(`codec ${id}`, 'no such codec')
  return name
}

/**
 * `payload` in the framing that Kafka's own clients write. `level` is that of compression.gzip.level (1..9, -1 default),
 * compression.lz4.level (1..17, accepted; there is one speed) or compression.zstd.level (-131072..22); other codecs have none.
 * `none` answers the payload itself, not a copy.
 */
export function compress(codec: CodecName, payload: Uint8Array, level?: number): Uint8Array {
  switch (codec) {
    case 'none':
      return payload
    case 'gzip':
      return gzip(payload, level)
    case 'snappy':
      return snappyCompress(payload)
    case 'lz4':
      return lz4Compress(payload)
    case 'zstd':
      return zstdCompress(payload, level)
  }
}

/**
 * The bytes behind `payload`, at most `maxBytes` of them: the bound holds before anything is allocated, whatever lengths the payload
 * claims. Reads what Kafka 3.9 reads, other clients' framings included. `none` answers the payload itself, not a copy.
 * Throws CorruptPayload, with `tooLarge` when the bound is the reason. The output may lie in `room`, for callers who need it no longer than until
 * they come with that room again.
 */
export function decompress(codec: CodecName, payload: Uint8Array, maxBytes: number, room?: OutputRoom): Uint8Array {
  switch (codec) {
    case 'none':
      if (payload.length > maxBytes)
        throw new CorruptPayload('none', `${payload.length} bytes, more than ${maxBytes}`, { tooLarge: true })
      return payload
    case 'gzip':
      return gunzip(payload, maxBytes)
    case 'snappy':
      return snappyDecompress(payload, maxBytes, room)
    case 'lz4':
      return lz4Decompress(payload, maxBytes, room === undefined ? {} : { room })
    case 'zstd':
      return zstdDecompress(payload, maxBytes, room)
  }
}

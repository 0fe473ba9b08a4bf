// Every codec on JSON events, with node:zlib's gzip of the same run as the measure, and beside the way that it goes where it cannot go its own:
// lz4 and snappy in JavaScript, zstd with a context of node:zlib for each call.
import { gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { javascriptBlocks } from '@millrace/protocol/compression/blocks-javascript'
import { compress, decompress } from '@millrace/protocol/compression/codec'
import { sampleEvents } from './sample-events.ts'
import { nanosecondsPerCall } from './timing.ts'

interface Way {
  readonly compress: (plain: Buffer) => Uint8Array
  readonly decompress: (packed: Uint8Array, size: number) => Uint8Array | null
}
const blockBytes = 65536
const otherWays: Partial<Record<string, Way>> = {
  lz4: {
    compress: plain => javascriptBlocks.lz4Compress(plain, 0, plain.length),
    decompress: (packed, size) => javascriptBlocks.lz4Decompress(packed, 0, packed.length, size),
  },
  snappy: {
    compress: plain => javascriptBlocks.snappyCompress(plain, 0, plain.length),
    decompress: (packed, size) => javascriptBlocks.snappyDecompress(packed, 0, packed.length, size),
  },
  zstd: { compress: zstdCompressSync, decompress: packed => zstdDecompressSync(packed) },
}

const headings = ['smaller', 'compress MB/s', 'x zlib', 'x other way', 'decompress MB/s', 'x zlib', 'x other way']
console.log(`${'bytes'.padEnd(8)} ${'codec'.padEnd(8)} ${headings.join('  ')}`)
for (const size of [1024, 16 * 1024, blockBytes, 1024 * 1024]) {
  const plain = sampleEvents(size)
  const zipped = gzipSync(plain)
  const zlibIn = nanosecondsPerCall(() => gzipSync(plain))
  const zlibOut = nanosecondsPerCall(() => gunzipSync(zipped))
  for (const codec of ['gzip', 'snappy', 'lz4', 'zstd'] as const) {
    const packed = compress(codec, plain)
    if (Buffer.compare(decompress(codec, packed, size), plain) !== 0) throw new Error(`${codec} gives other bytes back`)
    const into = nanosecondsPerCall(() => compress(codec, plain))
    const out = nanosecondsPerCall(() => decompress(codec, packed, size))
    const other = size > blockBytes && codec !== 'zstd' ? undefined : otherWays[codec]
    const otherPacked = other === undefined ? packed : Buffer.from(other.compress(plain))
    const otherIn = other === undefined ? NaN : nanosecondsPerCall(() => other.compress(plain))
    const otherOut = other === undefined ? NaN : nanosecondsPerCall(() => other.decompress(otherPacked, size))
    const factor = (theirs: number, ours: number): string => (Number.isNaN(theirs) ? '-' : (theirs / ours).toFixed(1))
    const columns = [
      (size / packed.length).toFixed(1),
      ...[((size / into) * 1000).toFixed(0), factor(zlibIn, into), factor(otherIn, into)],
      ...[((size / out) * 1000).toFixed(0), factor(zlibOut, out), factor(otherOut, out)],
    ]
    console.log(
      String(size).padEnd(8),
      codec.padEnd(8),
      columns.map((text, i) => text.padStart(headings[i]!.length)).join('  '),
    )
  }
}

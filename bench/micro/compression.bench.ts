// Every codec on JSON events, with node:zlib's gzip of the same run as the measure.
import { gunzipSync, gzipSync } from 'node:zlib'
import { compress, decompress } from '@millrace/protocol/compression/codec'
import { sampleEvents } from './sample-events.ts'
import { nanosecondsPerCall } from './timing.ts'

console.log('bytes    codec     smaller  compress MB/s  x zlib  decompress MB/s  x zlib')
for (const size of [1024, 16 * 1024, 1024 * 1024]) {
  const plain = sampleEvents(size)
  const zipped = gzipSync(plain)
  const zlibIn = nanosecondsPerCall(() => gzipSync(plain))
  const zlibOut = nanosecondsPerCall(() => gunzipSync(zipped))
  for (const codec of ['gzip', 'snappy', 'lz4', 'zstd'] as const) {
    const packed = compress(codec, plain)
    if (Buffer.compare(decompress(codec, packed, size), plain) !== 0) throw new Error(`${codec} gives other bytes back`)
    const into = nanosecondsPerCall(() => compress(codec, plain))
    const out = nanosecondsPerCall(() => decompress(codec, packed, size))
    const columns = [
      (size / packed.length).toFixed(1),
      ((size / into) * 1000).toFixed(0),
      (zlibIn / into).toFixed(1),
      ((size / out) * 1000).toFixed(0),
      (zlibOut / out).toFixed(1),
    ]
    console.log(
      String(size).padEnd(8),
      codec.padEnd(8),
      columns.map((text, i) => text.padStart([7, 14, 7, 16, 7][i]!)).join(' '),
    )
  }
}

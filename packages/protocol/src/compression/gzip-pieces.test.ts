import { expect, test } from '@jest/globals'
import { gunzipSync } from 'node:zlib'
import { gunzip, gzip } from './gzip.ts'
import { GzipPieces } from './gzip-pieces.ts'

const kib = 1024
const text = Buffer.from(
  Array.from({ length: 30_000 }, (_, n) => `{"id":${(n * 7919) % 10_007},"name":"n${n % 97}"}`).join(),
)

test.each([1, 100, 32 * kib - 1, 32 * kib, 32 * kib + 1, 64 * kib, 65 * kib, text.length])(
  'gzip in pieces: %d bytes: one member that every reader takes, hardly larger than one made at once',
  size => {
    const payload = text.subarray(0, size)
    const pieces = new GzipPieces(payload)
    let done = 0
    while (!pieces.isDone) done += pieces.next()
    expect(done).toBe(size)
    const file = pieces.result()
    expect(gunzipSync(file).equals(payload)).toBe(true)
    expect(Buffer.compare(gunzip(file, size), payload)).toBe(0)
    const pieceCount = Math.ceil(size / (32 * kib))
    expect(file.length).toBeLessThan(gzip(payload).length * 1.01 + 20 * pieceCount)
  },
)

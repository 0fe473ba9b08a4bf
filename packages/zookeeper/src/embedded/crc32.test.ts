import { crc32 as reference } from 'node:zlib'
import { expect, test } from '@jest/globals'
import { crc32 } from './crc32.ts'

test('crc32: as zlib counts it', () => {
  for (const text of ['', 'a', '123456789', 'millrace '.repeat(1000)])
    expect(crc32(Buffer.from(text))).toBe(reference(text))
})

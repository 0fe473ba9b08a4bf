import type { Crc32c } from './crc32c-wasm.ts'

/** Slicing by 16 in plain JavaScript: what runs where WebAssembly or its SIMD is missing. Builds its 16 KiB of tables when called. */
export function javascriptCrc32c(): Crc32c {
  const tables = new Int32Array(16 * 256)
  for (let i = 0; i < 256; i++) {
    let crc = i
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
    tables[i] = crc
  }
  for (let i = 256; i < tables.length; i++) {
    const before = tables[i - 256]!
    tables[i] = (before >>> 8) ^ tables[before & 255]!
  }

  return (buffer, start, end) => {
    const t = tables
    let crc = -1
    let p = start
    for (const lastOf16 = end - 16; p <= lastOf16; p += 16) {
      crc =
        t[3840 + (buffer[p]! ^ (crc & 255))]! ^
        t[3584 + (buffer[p + 1]! ^ ((crc >>> 8) & 255))]! ^
        t[3328 + (buffer[p + 2]! ^ ((crc >>> 16) & 255))]! ^
        t[3072 + (buffer[p + 3]! ^ (crc >>> 24))]! ^
        t[2816 + buffer[p + 4]!]! ^
        t[2560 + buffer[p + 5]!]! ^
        t[2304 + buffer[p + 6]!]! ^
        t[2048 + buffer[p + 7]!]! ^
        t[1792 + buffer[p + 8]!]! ^
        t[1536 + buffer[p + 9]!]! ^
        t[1280 + buffer[p + 10]!]! ^
        t[1024 + buffer[p + 11]!]! ^
        t[768 + buffer[p + 12]!]! ^
        t[512 + buffer[p + 13]!]! ^
        t[256 + buffer[p + 14]!]! ^
        t[buffer[p + 15]!]!
    }
    for (; p < end; p++) crc = (crc >>> 8) ^ t[(crc ^ buffer[p]!) & 255]!
    return ~crc >>> 0
  }
}

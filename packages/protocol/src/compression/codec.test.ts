import { gunzipSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { describe, expect, test } from '@jest/globals'
import { codecName, compress, decompress, knownCodecName } from './codec.ts'
import { CorruptPayload } from './corrupt-payload.ts'
import { lz4Compress, lz4Decompress } from './lz4.ts'
import { randomBytes, seededRandom } from './seeded-random.ts'
import { xxhash32 } from './xxhash32.ts'

const codecs = ['gzip', 'snappy', 'lz4', 'zstd'] as const
const LIMIT = 1 << 22
const seed = 77

/** Text, noise, runs and repetitions in turns: literals and matches of every length and distance. */
function mixture(random: () => number, size: number): Buffer {
  const bytes = Buffer.alloc(size)
  for (let at = 0; at < size;) {
    const count = Math.min(size - at, 1 + Math.floor(random() ** 4 * 5000))
    const kind = random()
    if (kind < 0.25) bytes.fill(random() * 256, at, at + count)
    else if (kind < 0.5 || at === 0) bytes.set(randomBytes(random, count), at)
    else {
      const distance = 1 + Math.floor(random() ** 3 * at)
      for (let i = 0; i < count; i++) bytes[at + i] = bytes[at + i - distance]!
    }
    at += count
  }
  return bytes
}

/** The CorruptPayload that `work` throws; anything else fails the test. */
function corruption(work: () => unknown): CorruptPayload {
  try {
    work()
  } catch (error) {
    if (error instanceof CorruptPayload) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

describe.each(codecs)('%s', codec => {
  test(`round trip: sizes around every block size (seed ${seed})`, () => {
    const random = seededRandom(seed)
    const sizes = [
      0, 1, 4, 11, 12, 13, 15, 16, 64, 65, 255, 1000, 32_767, 32_768, 32_769, 65_535, 65_536, 65_537, 200_000,
    ]
    for (const size of sizes) {
      const bytes = mixture(random, size)
      expect([size, Buffer.compare(decompress(codec, compress(codec, bytes), size), bytes)]).toEqual([size, 0])
    }
  })

  test(`round trip: 150 random mixtures (seed ${seed})`, () => {
    const random = seededRandom(seed + 1)
    for (let i = 0; i < 150; i++) {
      const bytes = mixture(random, Math.floor(random() ** 3 * 150_000))
      expect([i, Buffer.compare(decompress(codec, compress(codec, bytes), bytes.length), bytes)]).toEqual([i, 0])
    }
  })

  test('a view into a larger buffer: neither read nor written around it', () => {
    const whole = Buffer.alloc(5000, 'abcdefg hijk')
    const before = Buffer.from(whole)
    const packed = compress(codec, whole.subarray(1001, 4001))
    expect(whole.equals(before)).toBe(true)
    const around = Buffer.concat([Buffer.alloc(9, 1), packed, Buffer.alloc(9, 2)])
    const unpacked = decompress(codec, around.subarray(9, 9 + packed.length), 3000)
    expect(Buffer.compare(unpacked, whole.subarray(1001, 4001))).toBe(0)
  })

  test('incompressible bytes: hardly larger', () => {
    const noise = randomBytes(seededRandom(seed), 100_000)
    expect(compress(codec, noise).length).toBeLessThan(100_400)
  })

  test('exactly maxBytes: decompressed; one less: refused as too large', () => {
    const bytes = Buffer.alloc(100_000, 'payload ')
    const packed = compress(codec, bytes)
    expect(decompress(codec, packed, 100_000)).toHaveLength(100_000)
    expect(corruption(() => decompress(codec, packed, 99_999))).toMatchObject({ codec, tooLarge: true })
  })

  test('cut anywhere: CorruptPayload that names the codec', () => {
    const packed = compress(codec, Buffer.alloc(3000, 'some text, '))
    for (let size = 0; size < packed.length; size++) {
      // snappy-java ignores up to three bytes behind its last block, so a header alone is an empty stream.
      if (codec === 'snappy' && size >= 16 && size < 20) continue
      expect(corruption(() => decompress(codec, packed.subarray(0, size), LIMIT))).toMatchObject({
        codec,
        tooLarge: false,
      })
    }
  })

  test('noise: CorruptPayload', () => {
    const random = seededRandom(seed + 2)
    for (let i = 0; i < 200; i++) {
      const noise = randomBytes(random, Math.floor(random() * 100))
      noise[0] = 0xff
      expect(corruption(() => decompress(codec, noise, LIMIT)).codec).toBe(codec)
    }
  })
})

test('a bomb of 64 MB in each codec, 64 kB allowed: refused, and no such memory taken', () => {
  for (const codec of codecs) {
    const bomb = compress(codec, Buffer.alloc(64 << 20))
    const before = process.memoryUsage().arrayBuffers
    expect(corruption(() => decompress(codec, bomb, 65_536)).tooLarge).toBe(true)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 << 20)
  }
})

test('snappy: a block that claims 4 GB, raw and framed: refused before anything is allocated', () => {
  const claim = Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 0x00, 0x61])
  expect(corruption(() => decompress('snappy', claim, 2 ** 33)).reason).toBe('claims an impossible length')
  const framed = Buffer.concat([Buffer.from('82534e4150505900000000010000000100000007', 'hex'), claim])
  expect(corruption(() => decompress('snappy', framed, 2 ** 33)).reason).toBe('claims an impossible length')
})

test('none: the payload itself, within the bound', () => {
  const bytes = Buffer.from('abc')
  expect(compress('none', bytes)).toBe(bytes)
  expect(decompress('none', bytes, 3)).toBe(bytes)
  expect(corruption(() => decompress('none', bytes, 2)).tooLarge).toBe(true)
})

test('codec ids: names, and none for 5 to 7', () => {
  expect([0, 1, 2, 3, 4, 5, 6, 7].map(codecName)).toEqual(['none', 'gzip', 'snappy', 'lz4', 'zstd', null, null, null])
  expect(knownCodecName(3)).toBe('lz4')
  expect(corruption(() => knownCodecName(5)).message).toBe('codec 5 payload: no such codec')
})

describe('gzip, as Java reads it', () => {
  const text = Buffer.from('the quick brown fox')

  test('its own output: zlib reads it, at every level', () => {
    for (const level of [-1, 1, 6, 9]) expect(gunzipSync(compress('gzip', text, level)).equals(text)).toBe(true)
  })

  test('two members: both; a third that is broken: refused', () => {
    const two = Buffer.concat([gzipSync(text), gzipSync(text)])
    expect(decompress('gzip', two, 100).toString()).toBe(text.toString().repeat(2))
    const broken = Buffer.concat([two, gzipSync(text).subarray(0, 25)])
    expect(corruption(() => decompress('gzip', broken, 100)).codec).toBe('gzip')
  })

  test('bytes behind that are no member: ignored', () => {
    const garbage = Buffer.concat([gzipSync(text), Buffer.alloc(40, 1)])
    expect(decompress('gzip', garbage, 100)).toEqual(text)
  })

  test('file name, comment, extra field and header checksum: skipped', () => {
    const plain = gzipSync(text)
    const fields = Buffer.concat([Buffer.from([3, 0, 9, 9, 9]), Buffer.from('name\0comment\0')])
    const header = Buffer.concat([plain.subarray(0, 3), Buffer.from([4 | 8 | 16]), plain.subarray(4, 10), fields])
    expect(decompress('gzip', Buffer.concat([header, plain.subarray(10)]), 100)).toEqual(text)
  })

  test('a wrong checksum or size in the trailer: refused', () => {
    for (const at of [8, 4]) {
      const file = gzipSync(text)
      file[file.length - at]! ^= 1
      expect(corruption(() => decompress('gzip', file, 100)).codec).toBe('gzip')
    }
  })
})

describe('lz4 frames', () => {
  const text = Buffer.alloc(70_000, 'frame of two blocks ')

  test('xxHash32: the reference values', () => {
    expect(xxhash32(Buffer.from(''))).toBe(0x02cc5d05)
    expect(xxhash32(Buffer.from('abc'))).toBe(0x32d153ff)
    expect(xxhash32(Buffer.from('Nobody inspects the spammish repetition'))).toBe(0xe2293b2f)
  })

  test('a header checksum of magic 0: refused, unless it is to be ignored', () => {
    const old = lz4Compress(text, { brokenHeaderChecksum: true })
    expect(corruption(() => lz4Decompress(old, LIMIT)).reason).toBe('wrong header checksum')
    expect(Buffer.compare(lz4Decompress(old, LIMIT, { ignoreHeaderChecksum: true }), text)).toBe(0)
  })

  test('the header Kafka writes', () => {
    expect(Buffer.from(lz4Compress(text).subarray(0, 7)).toString('hex')).toBe('04224d18604082')
  })

  test.each([
    ['dependent blocks', 4, 0x40],
    ['version 2', 4, 0xa0],
    ['a reserved flag', 4, 0x62],
    ['a reserved bit of the block size', 5, 0x41],
    ['block size 3', 5, 0x30],
  ])('%s: refused', (_what, at, value) => {
    const frame = Buffer.from(lz4Compress(text))
    frame[at] = value
    frame[6] = xxhash32(frame, 4, 6) >>> 8
    expect(corruption(() => lz4Decompress(frame, LIMIT)).codec).toBe('lz4')
  })

  test('a block that unpacks to more than the frame allows: refused', () => {
    const large = Buffer.from(lz4Compress(Buffer.alloc(65_536)))
    // 255 more zeros: a longer run in the same block.
    const block = large.subarray(11, large.length - 4)
    const longer = Buffer.concat([block.subarray(0, 6), Buffer.from([255]), block.subarray(6)])
    const frame = Buffer.concat([large.subarray(0, 7), Buffer.alloc(4), longer, Buffer.alloc(4)])
    frame.writeInt32LE(longer.length, 7)
    expect(corruption(() => lz4Decompress(frame, LIMIT)).tooLarge).toBe(false)
  })

  test('block checksums: right accepted, wrong refused', () => {
    const plain = lz4Compress(Buffer.from('checksummed checksummed checksummed'))
    const frame = Buffer.concat([plain.subarray(0, plain.length - 4), Buffer.alloc(8)])
    frame[4] = 0x70
    frame[6] = xxhash32(frame, 4, 6) >>> 8
    frame.writeUInt32LE(xxhash32(plain, 11, plain.length - 4), plain.length - 4)
    expect(lz4Decompress(frame, LIMIT).toString()).toBe('checksummed checksummed checksummed')
    frame[plain.length - 4]! ^= 1
    expect(corruption(() => lz4Decompress(frame, LIMIT)).reason).toBe('wrong block checksum')
  })
})

describe('snappy, as snappy-java reads it', () => {
  test('two streams behind each other: both', () => {
    const stream = compress('snappy', Buffer.from('abc'))
    expect(Buffer.from(decompress('snappy', Buffer.concat([stream, stream]), 10)).toString()).toBe('abcabc')
  })

  test('up to three bytes behind the last block: ignored; four: refused', () => {
    const stream = compress('snappy', Buffer.from('abc'))
    expect(decompress('snappy', Buffer.concat([stream, Buffer.alloc(3, 7)]), 10)).toHaveLength(3)
    expect(corruption(() => decompress('snappy', Buffer.concat([stream, Buffer.alloc(4, 7)]), 10)).codec).toBe('snappy')
  })

  test('a raw block with every kind of element', () => {
    // literal "abcdefgh", copy of 4 at distance 8 (one byte), copy of 5 at distance 4 (two bytes), copy of 3 at distance 1 (four bytes)
    const elements = [20, (8 - 1) << 2, ...Buffer.from('abcdefgh'), 1, 8, 2 | (4 << 2), 4, 0, 3 | (2 << 2), 1, 0, 0, 0]
    expect(decompress('snappy', Buffer.from(elements), 20).toString()).toBe('abcdefghabcdabcdaaaa')
  })

  test('a copy from before the block: refused', () => {
    expect(corruption(() => decompress('snappy', Buffer.from([5, 0, 97, 1, 2]), 20)).reason).toContain(
      'before its block',
    )
  })
})

describe('zstd', () => {
  const text = Buffer.from('zstandard '.repeat(50))

  test('levels from -131072 to 22: read back', () => {
    for (const level of [-131072, -5, 1, 3, 19, 22])
      expect(decompress('zstd', compress('zstd', text, level), 500)).toEqual(text)
  })

  test('skippable and several frames: read; garbage behind: refused', () => {
    const skippable = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3])
    const frame = zstdCompressSync(text)
    expect(decompress('zstd', Buffer.concat([skippable, frame, frame]), 1000)).toHaveLength(1000)
    expect(corruption(() => decompress('zstd', Buffer.concat([frame, Buffer.from([1, 2, 3])]), 1000)).codec).toBe(
      'zstd',
    )
  })
})

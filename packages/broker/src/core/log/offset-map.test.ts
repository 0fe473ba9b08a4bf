import { expect, test } from '@jest/globals'
import { SeededRandom } from '@millrace/testing/world/seeded-random'
import { KeyHash } from './key-hash.ts'
import { OffsetMap, offsetMapEntryBytes } from './offset-map.ts'

const secret = Buffer.from('0123456789abcdef')

test.each([1, 2, 3])('offset map: random keys of all lengths: as a Map of their text (seed %d)', seed => {
  const random = new SeededRandom(seed)
  const map = new OffsetMap({ bytesMax: 5000 * offsetMapEntryBytes, loadFactor: 0.9, keysMax: 4000, secret })
  const model = new Map<string, number>()
  const bytes = Buffer.from(random.bytes(3000))
  for (let offset = 2 ** 40; offset < 2 ** 40 + 8000; offset++) {
    const start = random.below(1000)
    const end = start + random.below(40)
    const key = bytes.toString('latin1', start, end)
    expect(map.get(bytes, start, end)).toBe(model.get(key) ?? -1)
    if (map.isFull) break
    map.put(bytes, start, end, offset)
    model.set(key, offset)
    expect([map.size, map.latestOffset]).toEqual([model.size, offset])
  }
  expect(map.isFull).toBe(model.size === 4500)
})

test.each([1, 63, 64, 65, 500])(
  'offset map: keys put soon, %d at a time: as if each was put at once, until it is full',
  most => {
    const random = new SeededRandom(most)
    const options = { bytesMax: 1000 * offsetMapEntryBytes, loadFactor: 0.9, keysMax: 1000, secret }
    const map = new OffsetMap(options)
    const model = new OffsetMap(options)
    let hasRoom = true
    for (let offset = 0; hasRoom && offset < 100_000;) {
      for (let count = 0; hasRoom && count < most; count++, offset++) {
        const key = Buffer.from(`k${random.below(1200)}`)
        if (!model.isFull) model.put(key, 0, key.length, offset)
        hasRoom = map.putSoon(key, 0, key.length, offset)
      }
      hasRoom = map.putWaiting() && hasRoom
      expect([map.size, map.latestOffset]).toEqual([model.size, model.latestOffset])
    }
    expect(map.isFull).toBe(true)
    for (let index = 0; index < 1200; index++) {
      const key = Buffer.from(`k${index}`)
      expect(map.get(key, 0, key.length)).toBe(model.get(key, 0, key.length))
    }
  },
)

test('offset map: full: at the load factor of what its bytes hold; says so and keeps what it has', () => {
  const map = new OffsetMap({ bytesMax: 600, loadFactor: 0.9, keysMax: 1e9, secret })
  for (let key = 0; key < 22; key++) {
    expect(map.isFull).toBe(false)
    map.put(Buffer.from([key]), 0, 1, key)
  }
  expect([map.isFull, map.size, map.utilization, map.bytes]).toEqual([true, 22, 1, 600])
  for (let key = 0; key < 25; key++) expect(map.get(Buffer.from([key]), 0, 1)).toBe(key < 22 ? key : -1)
  expect(() => map.put(Buffer.from([1]), 0, 1, 5)).toThrow('a full map takes no key')
})

test.each([
  ['a bit for each offset', 1_000_000],
  ['too many offsets to have a bit each', 16_000],
])('offset map: %s: latest is what nothing was put behind, also below the first offset', (_, bytesMax) => {
  const random = new SeededRandom(5)
  const firstOffset = 2 ** 40 - 3
  const count = 20_000
  const map = new OffsetMap({ bytesMax, loadFactor: 0.9, keysMax: count, secret, firstOffset })
  const model = new Map<string, number>()
  const put: { key: Buffer; offset: number }[] = []
  for (let offset = firstOffset; offset < firstOffset + count; offset += 1 + random.below(2)) {
    const key = Buffer.from(`k${random.below(500)}`)
    map.put(key, 0, key.length, offset)
    model.set(key.toString(), offset)
    put.push({ key, offset })
  }
  for (const { key, offset } of put) {
    expect(map.isLatest(key, 0, key.length, offset)).toBe(model.get(key.toString()) === offset)
  }
  const unknown = Buffer.from('unknown')
  const { key } = put[0]!
  expect(map.isLatest(key, 0, key.length, firstOffset - 1)).toBe(false)
  expect(map.isLatest(unknown, 0, unknown.length, firstOffset - 1)).toBe(true)
})

test.each([
  ['in steps, before its keys are put', true],
  ['in one go, by whoever did not say how many keys come', false],
])('offset map: more keys than a small table holds: grows %s, and forgets nothing', (_, isAnnounced) => {
  const random = new SeededRandom(11)
  const keysMax = 300_000
  const bytesMax = 12_000_000
  const map = new OffsetMap({ bytesMax, loadFactor: 0.9, keysMax, secret, firstOffset: 0 })
  const offsets = new Map<number, number>()
  const key = Buffer.alloc(4)
  const sizes = new Set<number>()
  let steps = 0
  for (let offset = 0; offset < keysMax;) {
    const count = 1 + random.below(3000)
    if (isAnnounced) {
      while (map.grow(count)) steps++
      sizes.add(map.bytes)
    }
    for (let index = 0; index < count && offset < keysMax; index++, offset++) {
      const value = random.below(250_000)
      key.writeInt32LE(value)
      if (!map.putSoon(key, 0, 4, offset)) throw new Error(`no room at ${offset}`)
      offsets.set(value, offset)
    }
    expect(map.putWaiting()).toBe(true)
    // Room that was made is there: nothing grows while keys are put.
    if (isAnnounced) expect(sizes).toContain(map.bytes)
  }
  expect([map.size, map.latestOffset]).toEqual([offsets.size, keysMax - 1])
  // 32 Ki slots, four times as many, and then as many as the keys may need.
  if (isAnnounced) expect([sizes.size, steps]).toEqual([3, 8 + 32])
  expect(map.bytes).toBeLessThanOrEqual(bytesMax)
  for (let value = 0; value < 250_000; value++) {
    key.writeInt32LE(value)
    if (map.get(key, 0, 4) !== (offsets.get(value) ?? -1)) throw new Error(`key ${value}`)
  }
  let latest = 0
  for (let offset = 0; offset < keysMax; offset++) if (!map.isReplaced(offset)) latest++
  expect(latest).toBe(offsets.size)
  for (let run = 0; run < 20_000; run++) {
    const first = random.below(keysMax + 10) - 5
    const last = first + random.below(20) - 2
    let isEach = first >= 0 && last >= first && last < keysMax
    for (let each = first; isEach && each <= last; each++) isEach = map.isReplaced(each)
    if (map.areReplaced(first, last) !== isEach) throw new Error(`${first} to ${last}`)
  }
})

test('offset map: keys put amid its growth: it is finished first', () => {
  const map = new OffsetMap({ bytesMax: 24_000_000, loadFactor: 0.9, keysMax: 900_000, secret })
  const key = Buffer.alloc(4)
  for (let value = 0; value < 20_000; value++) map.put(key, 0, key.writeInt32LE(value), value)
  expect(map.grow(10_000)).toBe(true)
  for (let value = 20_000; value < 40_000; value++) map.put(key, 0, key.writeInt32LE(value), value)
  expect(map.size).toBe(40_000)
  for (let value = 0; value < 40_000; value++) {
    if (map.get(key, 0, key.writeInt32LE(value)) !== value) throw new Error(`key ${value}`)
  }
})

test('offset map: few keys: takes little memory, however much it may have; gives it back', () => {
  const map = new OffsetMap({ bytesMax: 128 * 1024 * 1024, loadFactor: 0.9, keysMax: 1000, secret })
  expect(map.bytes).toBeLessThan(40_000)
  map.put(Buffer.from('a'), 0, 1, 0)
  expect(map.get(Buffer.from('a'), 0, 1)).toBe(0)
  map.release()
  expect(map.bytes).toBe(0)
})

/** HalfSipHash-1-3 as its authors describe it, 64 bits: by the book and slowly. */
function halfSipHash(key: readonly [number, number], message: Uint8Array): [number, number] {
  const v: [number, number, number, number] = [key[0], key[1] ^ 0xee, key[0] ^ 0x6c796765, key[1] ^ 0x74656462]
  const rotated = (value: number, by: number): number => (value << by) | (value >>> (32 - by))
  const round = (): void => {
    v[0] = (v[0] + v[1]) | 0
    v[1] = rotated(v[1], 5) ^ v[0]
    v[0] = rotated(v[0], 16)
    v[2] = (v[2] + v[3]) | 0
    v[3] = rotated(v[3], 8) ^ v[2]
    v[0] = (v[0] + v[3]) | 0
    v[3] = rotated(v[3], 7) ^ v[0]
    v[2] = (v[2] + v[1]) | 0
    v[1] = rotated(v[1], 13) ^ v[2]
    v[2] = rotated(v[2], 16)
  }
  const padded = Buffer.alloc(Math.floor(message.length / 4) * 4 + 4)
  padded.set(message)
  padded[padded.length - 1] = message.length
  for (let at = 0; at < padded.length; at += 4) {
    const word = padded.readInt32LE(at)
    v[3] ^= word
    round()
    v[0] ^= word
  }
  v[2] ^= 0xee
  for (let count = 0; count < 3; count++) round()
  const first = v[1] ^ v[3]
  v[1] ^= 0xdd
  for (let count = 0; count < 3; count++) round()
  return [first, v[1] ^ v[3]]
}

test('key hash: two HalfSipHash-1-3 under different keys, for every length', () => {
  const hash = new KeyHash(secret)
  const bytes = Buffer.from(new SeededRandom(5).bytes(200))
  for (let length = 0; length < 100; length++) {
    hash.hash(bytes, 3, 3 + length)
    const message = bytes.subarray(3, 3 + length)
    const [first, second] = halfSipHash([secret.readInt32LE(0), secret.readInt32LE(4)], message)
    const [third, fourth] = halfSipHash([secret.readInt32LE(8), secret.readInt32LE(12)], message)
    expect([hash.h0, hash.h2, hash.h1, hash.h3]).toEqual([first, second, third, fourth])
  }
})

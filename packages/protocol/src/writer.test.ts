import { expect, test } from '@jest/globals'
import { Reader } from './reader.ts'
import { ZERO_UUID } from './schema.ts'
import { UnencodableMessage } from './unencodable-message.ts'
import { SLICE_FROM_BYTES, Writer } from './writer.ts'

test('writer and reader: every kind of value: comes back', () => {
  const writer = new Writer()
  const uuid = 'A4BiWw9sQeC0G8sl8KnblQ'
  writer.bool(true)
  writer.int8(-128)
  writer.int16(-32_768)
  writer.uint16(65_535)
  writer.int32(-(2 ** 31))
  writer.uint32(2 ** 32 - 1)
  writer.int64(Number.MIN_SAFE_INTEGER)
  writer.int64(Number.MAX_SAFE_INTEGER)
  writer.bigint64(-(2n ** 63n))
  writer.float64(-0.1)
  for (const value of [0, 127, 128, 16_383, 16_384, 2 ** 32 - 1]) writer.uvarint(value)
  writer.uuid(uuid)
  writer.uuid(ZERO_UUID)
  const reader = new Reader(writer.finish())
  expect(reader.bool()).toBe(true)
  expect(reader.int8()).toBe(-128)
  expect(reader.int16()).toBe(-32_768)
  expect(reader.uint16()).toBe(65_535)
  expect(reader.int32()).toBe(-(2 ** 31))
  expect(reader.uint32()).toBe(2 ** 32 - 1)
  expect(reader.int64()).toBe(Number.MIN_SAFE_INTEGER)
  expect(reader.int64()).toBe(Number.MAX_SAFE_INTEGER)
  expect(reader.bigint64()).toBe(-(2n ** 63n))
  expect(reader.float64()).toBe(-0.1)
  for (const value of [0, 127, 128, 16_383, 16_384, 2 ** 32 - 1]) expect(reader.uvarint()).toBe(value)
  expect(reader.uuid()).toBe(uuid)
  expect(reader.uuid()).toBe(ZERO_UUID)
  expect(reader.remaining).toBe(0)
})

const texts = [
  '',
  'orders',
  'é',
  'x'.repeat(24),
  'x'.repeat(42),
  '日'.repeat(42),
  'x'.repeat(43),
  '😀-topic',
  '日'.repeat(10_922),
]

test.each(texts.map(text => [text.length, text]))(
  'writer and reader: text of %d units: comes back in all four forms',
  (_, text) => {
    const writer = new Writer()
    writer.string(text as string)
    writer.nullableString(text as string)
    writer.compactString(text as string)
    writer.compactNullableString(text as string)
    const reader = new Reader(writer.finish())
    expect(reader.string()).toBe(text)
    expect(reader.nullableString()).toBe(text)
    expect(reader.compactString()).toBe(text)
    expect(reader.compactNullableString()).toBe(text)
    expect(reader.remaining).toBe(0)
  },
)

test('nearestInt64: exact up to 2^53, the nearest number beyond, both ends of the range', () => {
  const writer = new Writer()
  const values = [0, -1, Number.MIN_SAFE_INTEGER, 2 ** 53, -(2 ** 60), 2 ** 63, -(2 ** 63)]
  for (const value of values) writer.nearestInt64(value)
  const bytes = writer.finish()
  const reader = new Reader(bytes)
  for (const value of values) expect(reader.nearestInt64()).toBe(value)
  expect(bytes.readBigInt64BE(5 * 8)).toBe(2n ** 63n - 1n)
  for (const value of [2 ** 64, -(2 ** 64), 0.5, Infinity, NaN]) {
    expect(() => writer.nearestInt64(value)).toThrow(UnencodableMessage)
  }
})

test('writer: numbers that do not fit: UnencodableMessage', () => {
  const writer = new Writer()
  expect(() => writer.int8(128)).toThrow(UnencodableMessage)
  expect(() => writer.int16(32_768)).toThrow(UnencodableMessage)
  expect(() => writer.uint16(-1)).toThrow(UnencodableMessage)
  expect(() => writer.int32(2 ** 31)).toThrow(UnencodableMessage)
  expect(() => writer.uint32(-1)).toThrow(UnencodableMessage)
  expect(() => writer.int64(2 ** 53)).toThrow(UnencodableMessage)
  expect(() => writer.bigint64(2n ** 63n)).toThrow(UnencodableMessage)
  expect(() => writer.uvarint(-1)).toThrow(UnencodableMessage)
  expect(() => writer.uuid('too-short')).toThrow(UnencodableMessage)
  expect(() => writer.uuid('!'.repeat(22))).toThrow(UnencodableMessage)
  expect(() => writer.bool(1 as unknown as boolean)).toThrow(UnencodableMessage)
  expect(() => writer.int32(undefined as unknown as number)).toThrow(UnencodableMessage)
  expect(() => writer.string('日'.repeat(10_923))).toThrow(UnencodableMessage)
  expect(() => writer.compactString('日'.repeat(10_923))).toThrow(UnencodableMessage)
})

test('writer: large byte fields: parts hold them as they are, small ones are copied', () => {
  const large = Buffer.alloc(SLICE_FROM_BYTES, 1)
  const small = Buffer.alloc(SLICE_FROM_BYTES - 1, 2)
  const writer = new Writer()
  writer.bytes(small)
  writer.bytes(large)
  writer.compactBytes(large)
  writer.int8(3)
  const { size } = writer
  const parts = writer.finishParts()
  expect(parts).toHaveLength(5)
  expect(parts[1]).toBe(large)
  expect(parts[3]).toBe(large)
  const whole = Buffer.concat(parts)
  expect(whole.length).toBe(size)
  const reader = new Reader(whole)
  expect(reader.bytes()).toEqual(small)
  expect(reader.bytes()).toEqual(large)
  expect(reader.compactBytes()).toEqual(large)
  expect(reader.int8()).toBe(3)
})

test('writer: message that ends in a large field: no empty part', () => {
  const writer = new Writer()
  writer.bytes(Buffer.alloc(SLICE_FROM_BYTES))
  expect(writer.finishParts().map(part => part.length)).toEqual([4, SLICE_FROM_BYTES])
})

test('writer: nothing written: one empty piece', () => {
  expect(new Writer().finish()).toEqual(Buffer.alloc(0))
})

test('writer: two at a time, and one after the other: their bytes do not meet', () => {
  const finished: Buffer[] = []
  let open = new Writer()
  open.int32(0)
  for (let index = 1; index <= 3000; index++) {
    const next = new Writer()
    next.int32(index)
    for (let filler = 0; filler < index % 50; filler++) open.int32(index - 1)
    finished.push(open.finish())
    open = next
  }
  for (const [index, bytes] of finished.entries()) {
    const reader = new Reader(bytes)
    while (reader.remaining > 0) expect(reader.int32()).toBe(index)
  }
})

test('writer: growing inside a tagged field with a large content: size and bytes are right', () => {
  const content = Buffer.alloc(100_000, 5)
  const writer = new Writer()
  writer.int8(1)
  const begun = writer.beginTag(7)
  writer.bytes(content)
  writer.endTag(begun)
  writer.int8(2)
  const reader = new Reader(writer.finish())
  expect(reader.int8()).toBe(1)
  expect(reader.tag()).toBe(7)
  const end = reader.tagEnd()
  expect(reader.bytes()).toEqual(content)
  reader.atTagEnd(end)
  expect(reader.int8()).toBe(2)
  expect(reader.remaining).toBe(0)
})

import { expect, test } from '@jest/globals'
import { MalformedMessage } from './malformed-message.ts'
import { Reader } from './reader.ts'

const reader = (hex: string): Reader => new Reader(Buffer.from(hex, 'hex'))

test.each([
  ['bool', '', (r: Reader) => r.bool()],
  ['int16', '00', (r: Reader) => r.int16()],
  ['int32', '000000', (r: Reader) => r.int32()],
  ['int64', '00000000000000', (r: Reader) => r.int64()],
  ['bigint64', '00000000000000', (r: Reader) => r.bigint64()],
  ['float64', '00', (r: Reader) => r.float64()],
  ['uuid', '00', (r: Reader) => r.uuid()],
  ['uvarint', '80', (r: Reader) => r.uvarint()],
  ['uvarint of 6 bytes', '808080808000', (r: Reader) => r.uvarint()],
  ['uvarint of 33 bits', 'ffffffff1f', (r: Reader) => r.uvarint()],
  ['string', '000261', (r: Reader) => r.string()],
  ['string of length -2', 'fffe', (r: Reader) => r.nullableString()],
  ['null string', 'ffff', (r: Reader) => r.string()],
  ['compact string', '0361', (r: Reader) => r.compactString()],
  ['null compact string', '00', (r: Reader) => r.compactString()],
  ['compact string of 4 GB', 'ffffffff0f', (r: Reader) => r.compactNullableString()],
  ['bytes', '0000000161626364', (r: Reader) => (r.bytes(), r.bytes())],
  ['bytes of length -2', 'fffffffe', (r: Reader) => r.nullableBytes()],
  ['compact bytes', '0361', (r: Reader) => r.compactNullableBytes()],
  ['count', '0000000300000000', (r: Reader) => r.count(2)],
  ['count of -2', 'fffffffe', (r: Reader) => r.count(1)],
  ['compact count', '0561', (r: Reader) => r.compactCount(1)],
  ['tag', '05', (r: Reader) => r.tagEnd()],
  ['slice', '0000', (r: Reader) => r.slice(3)],
  ['negative slice', '0000', (r: Reader) => r.slice(-1)],
  ['skip', '0000', (r: Reader) => r.skip(3)],
])('reader: %s that does not fit: MalformedMessage', (_, hex, read) => {
  expect(() => read(reader(hex))).toThrow(MalformedMessage)
})

test('reader: part of a buffer: ends where the part ends', () => {
  const bytes = Buffer.from('0001000200030004', 'hex')
  const part = new Reader(bytes, 2, 5)
  expect(part.int16()).toBe(2)
  expect(part.remaining).toBe(1)
  expect(() => part.int16()).toThrow(MalformedMessage)
  expect(() => new Reader(bytes, 0, 9)).toThrow(RangeError)
  expect(() => new Reader(bytes, 5, 4)).toThrow(RangeError)
})

test('reader: buffer inside a larger one: offsets count from its own start', () => {
  const inner = Buffer.from('ffff000000070001', 'hex').subarray(2)
  expect(new Reader(inner).int32()).toBe(7)
  expect(new Reader(inner, 4).int16()).toBe(1)
})

test('reader: string of more than 32767 bytes: MalformedMessage, as in Java', () => {
  const bytes = Buffer.concat([Buffer.from('818002', 'hex'), Buffer.alloc(32_768, 97)])
  expect(() => new Reader(bytes).compactString()).toThrow('at most 32767')
})

test('reader: longer varints than needed: accepted, as in Java', () => {
  expect(reader('8000').uvarint()).toBe(0)
})

test('reader: text that is not UTF-8: U+FFFD', () => {
  expect(reader('0001ff').string()).toBe('\ufffd')
})

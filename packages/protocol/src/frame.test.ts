import { expect, test } from '@jest/globals'
import { framed, frameSize } from './frame.ts'
import { MalformedMessage } from './malformed-message.ts'

test('frame: parts: their size first, the parts as they are', () => {
  const parts = [Buffer.from('ab'), Buffer.from('cde')]
  const written = framed(parts)
  expect(Buffer.concat(written)).toEqual(Buffer.from('\0\0\0\x05abcde'))
  expect(written[2]).toBe(parts[1])
  expect(frameSize(Buffer.concat(written), 0, 5)).toBe(5)
})

test.each([
  ['larger than allowed', '00000006'],
  ['negative', 'ffffffff'],
  ['HTTP', Buffer.from('GET ').toString('hex')],
  ['cut', '000000'],
])('frame: %s: MalformedMessage', (_, hex) => {
  expect(() => frameSize(Buffer.from(hex, 'hex'), 0, 5)).toThrow(MalformedMessage)
})

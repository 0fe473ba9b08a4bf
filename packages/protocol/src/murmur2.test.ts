import { expect, test } from '@jest/globals'
import { coordinatorPartition, javaAbs, javaHash } from './java-hash.ts'
import { murmur2, partitionOfKey } from './murmur2.ts'

// Values of Kafka's UtilsTest; test/golden has hundreds more.
test.each([
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
])('murmur2: %s', (key, hash) => {
  expect(murmur2(Buffer.from(key))).toBe(hash)
})

test('partitionOfKey: negative hash: its sign bit is masked', () => {
  expect(partitionOfKey(Buffer.from('21'), 7)).toBe((-973932308 & 0x7fffffff) % 7)
})

test('javaHash: text beyond the basic plane: by UTF-16 units, wrapping at 32 bits', () => {
  expect(javaHash('')).toBe(0)
  expect(javaHash('hello')).toBe(99162322)
  expect(javaHash('😀')).toBe(1772899)
  expect(javaHash('polygenelubricants')).toBe(-(2 ** 31))
})

test('coordinatorPartition: hash of -2^31: partition 0', () => {
  expect(javaAbs(-(2 ** 31))).toBe(0)
  expect(coordinatorPartition('polygenelubricants', 50)).toBe(0)
})

import { expect, test } from '@jest/globals'
import { NodeRandom } from './random.ts'

test('random: bytes: as many as asked, and others each time', () => {
  const random = new NodeRandom()
  expect(random.bytes(0)).toHaveLength(0)
  const drawn = Array.from({ length: 100 }, () => Buffer.from(random.bytes(16)).toString('hex'))
  expect(new Set(drawn).size).toBe(100)
  expect(random.bytes(100_000)).toHaveLength(100_000)
})

test('random: small draws and large in turn: nothing comes twice, and nothing is left unset', () => {
  const random = new NodeRandom()
  const drawn: string[] = []
  for (let i = 0; i < 1000; i++) {
    drawn.push(Buffer.from(random.bytes(i % 5 === 0 ? 65 : 16)).toString('hex').slice(0, 32), random.uint32().toString()) // prettier-ignore
  }
  const long = drawn.filter(text => text.length === 32)
  expect(long).toHaveLength(1000)
  expect(new Set(long).size).toBe(1000)
  expect(long.filter(text => text.includes('0000000000'))).toEqual([])
})

test('random: uint32: every bit is set about half of the time', () => {
  const random = new NodeRandom()
  const count = 20_000
  const ones = new Array<number>(32).fill(0)
  for (let i = 0; i < count; i++) {
    const value = random.uint32()
    expect(value >>> 0).toBe(value)
    for (let bit = 0; bit < 32; bit++) ones[bit]! += (value >>> bit) & 1
  }
  // Ten standard deviations (70) on either side: a fair coin does not fail this in the life of the universe.
  for (const each of ones) expect(Math.abs(each - count / 2)).toBeLessThan(710)
})

import { expect, test } from '@jest/globals'
import { SeededRandom } from '@millrace/testing/world/seeded-random'
import { recentText } from './recent-text.ts'

test('recent text: whatever came before, the text is what the bytes say', () => {
  const random = new SeededRandom(5)
  const letters = ['a', 'b', '\0', '\x7f', '\x80', 'ä', '€', '𝄞', '']
  for (let round = 0; round < 20_000; round++) {
    let text = ''
    for (let count = random.below(30); count > 0; count--) text += letters[random.below(letters.length)]!
    const before = random.below(5)
    const bytes = Buffer.concat([Buffer.alloc(before, 'x'), Buffer.from(text), Buffer.from('yz')])
    expect(recentText(bytes, before, bytes.length - 2)).toBe(text)
  }
})

test('recent text: bytes that are no UTF-8: read as Buffer reads them', () => {
  const bytes = Buffer.from('61ff62c3', 'hex')
  expect(recentText(bytes, 0, 4)).toBe(bytes.toString())
})

import { expect, test } from '@jest/globals'
import { SeededRandom } from '@millrace/testing/world/seeded-random'
import { recentUuid, writeRecentUuid } from './recent-uuid.ts'

test('recent ids: whatever came before, text and bytes say the same (seed 5)', () => {
  const random = new SeededRandom(5)
  // A thousand ids for 256 places, some of them alike but for one bit.
  const ids = Array.from({ length: 500 }, () => Buffer.from(Array.from({ length: 16 }, () => random.below(256))))
  for (const id of [...ids]) {
    const alike = Buffer.from(id)
    alike[random.below(16)]! ^= 1 << random.below(8)
    ids.push(alike)
  }
  const frame = Buffer.alloc(40)
  for (let round = 0; round < 20_000; round++) {
    const id = ids[random.below(ids.length)]!
    const at = random.below(20)
    frame.fill(0xee)
    id.copy(frame, at)
    const text = recentUuid(frame, at)
    expect(text).toBe(id.toString('base64url'))
    frame.fill(0xee)
    expect(writeRecentUuid(text, frame, at)).toBe(true)
    expect(frame.subarray(at, at + 16).equals(id)).toBe(true)
    expect([frame[at - 1] ?? 0xee, frame[at + 16]]).toEqual([0xee, 0xee])
  }
})

test.each(['', 'A4BiWw9sQeC0G8sl8Knbl', 'A4BiWw9sQeC0G8sl8KnblQQ', '!'.repeat(22)])(
  'what is no id (%p): refused',
  text => {
    expect(writeRecentUuid(text, Buffer.alloc(16), 0)).toBe(false)
  },
)

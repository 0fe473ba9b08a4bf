import { expect, test } from '@jest/globals'
import { SeededRandom } from '@millrace/testing/world/seeded-random'
import { ParkedRequests } from './parked-requests.ts'

test('parked requests: some wait for long, many come and go: each is found once, under a token of its own', () => {
  const random = new SeededRandom(3)
  const parked = new ParkedRequests<string>()
  const waiting = new Map<number, string>()
  const used = new Set<number>()
  for (let round = 0; round < 50_000; round++) {
    // Up to 500 wait at a time, then nearly none, and so on.
    const most = round % 20_000 < 10_000 ? 500 : 3
    if (waiting.size < most && random.below(5) < 3) {
      const token = parked.park(`request ${round}`)
      expect(used.has(token)).toBe(false)
      used.add(token)
      waiting.set(token, `request ${round}`)
      continue
    }
    const tokens = [...waiting.keys()]
    // Mostly the youngest: the others wait for long.
    const token = tokens[random.below(4) > 0 ? tokens.length - 1 : random.below(tokens.length)]
    if (token === undefined) continue
    expect(parked.take(token)).toBe(waiting.get(token))
    waiting.delete(token)
    expect([parked.take(token), parked.count]).toEqual([null, waiting.size])
  }
})

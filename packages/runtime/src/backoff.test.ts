import { SeededRandom } from '@millrace/testing/world/seeded-random'
import { describe, expect, test } from '@jest/globals'
import { Backoff } from './backoff.ts'

describe('backoff', () => {
  test('without jitter: doubles up to the maximum, begins anew after a success', () => {
    const backoff = new Backoff({ initialMs: 50, maxMs: 300, jitter: 0, random: new SeededRandom(1) })
    expect(Array.from({ length: 5 }, () => backoff.nextDelayMs())).toEqual([50, 100, 200, 300, 300])
    expect(backoff.failures).toBe(5)
    backoff.reset()
    expect(backoff.nextDelayMs()).toBe(50)
  })

  test('with jitter: stays within a fifth of the step, below the maximum, and varies', () => {
    const seed = 20
    const random = new SeededRandom(seed)
    const firsts = Array.from({ length: 1000 }, () => new Backoff({ initialMs: 100, maxMs: 110, random }).nextDelayMs())
    expect(Math.min(...firsts)).toBeGreaterThanOrEqual(80)
    expect(Math.min(...firsts)).toBeLessThan(85)
    expect(Math.max(...firsts)).toBe(110)
  })

  test('ten thousand failures: the delay stays a number', () => {
    const backoff = new Backoff({ initialMs: 1, maxMs: 1000, jitter: 0, random: new SeededRandom(1) })
    for (let i = 0; i < 10_000; i++) backoff.nextDelayMs()
    expect(backoff.nextDelayMs()).toBe(1000)
  })
})

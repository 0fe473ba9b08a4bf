import { describe, expect, test } from '@jest/globals'
import { nodeWorld } from './world.ts'

const { clock, timers, random } = nodeWorld()

describe('timers', () => {
  test('after: never early, also when the turn lasted long before', async () => {
    for (const delayMs of [0, 0.4, 1, 2.5, 7]) {
      const beginMs = clock.monotonicMs()
      while (clock.monotonicMs() < beginMs + 5);
      const askedMs = clock.monotonicMs()
      await new Promise<void>(resolve => timers.after(delayMs, resolve))
      expect(clock.monotonicMs() - askedMs).toBeGreaterThanOrEqual(delayMs)
    }
  })

  test('cancelled, twice and after it ran: nothing happens', async () => {
    let ran = 0
    const cancelled = timers.after(0, () => ran++)
    cancelled.cancel()
    cancelled.cancel()
    const done = await new Promise<{ cancel(): void }>(resolve => {
      const timer = timers.after(1, () => resolve(timer))
    })
    done.cancel()
    expect(ran).toBe(0)
  })

  test('a delay beyond 2^31 ms: does not fire at once, as setTimeout would', async () => {
    let ran = false
    const timer = timers.after(2 ** 40, () => (ran = true))
    await new Promise<void>(resolve => timers.after(20, resolve))
    expect(ran).toBe(false)
    timer.cancel()
  })

  test('every: until cancelled, also by itself', async () => {
    let count = 0
    await new Promise<void>(resolve => {
      const timer = timers.every(1, () => {
        if (++count === 3) {
          timer.cancel()
          resolve()
        }
      })
    })
    await new Promise<void>(resolve => timers.after(10, resolve))
    expect(count).toBe(3)
  })

  test('soon: in order; what a callback asks for comes after; a promise resolved by one is served before the next turn', async () => {
    const log: string[] = []
    await new Promise<void>(resolve => {
      timers.soon(() => {
        log.push('one')
        timers.soon(() => {
          log.push('four')
          resolve()
        })
        void Promise.resolve().then(() => log.push('three'))
      })
      timers.soon(() => log.push('two'))
      log.push('zero')
    })
    expect(log).toEqual(['zero', 'one', 'two', 'three', 'four'])
  })

  test('ten thousand timers added and cancelled: none fires', async () => {
    let ran = 0
    const many = Array.from({ length: 10_000 }, (_, index) => timers.after(1 + (index % 50), () => ran++))
    for (const timer of many) timer.cancel()
    await new Promise<void>(resolve => timers.after(60, resolve))
    expect(ran).toBe(0)
  })
})

describe('random', () => {
  test('uint32: spread over the whole range, and over several blocks', () => {
    const numbers = Array.from({ length: 4096 }, () => random.uint32())
    expect(numbers.every(number => Number.isInteger(number) && number >= 0 && number < 2 ** 32)).toBe(true)
    expect(new Set(numbers).size).toBeGreaterThan(4000)
    for (let quarter = 0; quarter < 4; quarter++) {
      expect(numbers.filter(number => Math.floor(number / 2 ** 30) === quarter).length).toBeGreaterThan(800)
    }
  })

  test('bytes: as many as asked, not twice the same', () => {
    expect(random.bytes(16).length).toBe(16)
    expect(Buffer.from(random.bytes(16)).equals(random.bytes(16))).toBe(false)
  })
})

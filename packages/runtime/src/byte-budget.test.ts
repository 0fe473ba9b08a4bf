import { SeededRandom } from '@millrace/testing/world/seeded-random'
import { describe, expect, test } from '@jest/globals'
import { ByteBudget } from './byte-budget.ts'

describe('byte budget', () => {
  test('no room: waiters are told in order as room comes', () => {
    const budget = new ByteBudget(100)
    const log: string[] = []
    expect(budget.tryTake(90)).toBe(true)
    expect(budget.tryTake(20)).toBe(false)
    budget.whenTaken(50, () => log.push('fifty'))
    budget.whenTaken(5, () => log.push('five'))
    expect(log).toEqual([])
    // Five would fit, but fifty came first: small requests must not starve large ones.
    expect(budget.tryTake(1)).toBe(false)
    budget.give(40)
    expect(log).toEqual(['fifty'])
    budget.give(50)
    expect(log).toEqual(['fifty', 'five'])
    expect(budget.usedBytes).toBe(55)
  })

  test('more than the whole limit: granted when nothing else is in use', () => {
    const budget = new ByteBudget(100)
    const log: string[] = []
    budget.take(10)
    budget.whenTaken(1000, () => log.push('all'))
    budget.give(10)
    expect([log, budget.usedBytes]).toEqual([['all'], 1000])
  })

  test('cancelled: takes nothing, and lets the next one pass', () => {
    const budget = new ByteBudget(100)
    const log: string[] = []
    budget.take(60)
    const cancel = budget.whenTaken(80, () => log.push('eighty'))
    budget.whenTaken(40, () => log.push('forty'))
    cancel()
    expect([log, budget.usedBytes, budget.waiting]).toEqual([['forty'], 100, 0])
    cancel()
  })

  test('a waiter that asks again when told: keeps the order and the limit (seed 3)', () => {
    const random = new SeededRandom(3)
    const budget = new ByteBudget(1000)
    const granted: number[] = []
    const held: number[] = []
    for (let id = 0; id < 2000; id++) {
      const bytes = 1 + random.below(300)
      budget.whenTaken(bytes, () => {
        granted.push(id)
        held.push(bytes)
        expect(budget.usedBytes).toBeLessThanOrEqual(1000)
      })
      if (held.length > 0 && random.below(2) === 0) budget.give(held.shift()!)
    }
    while (held.length > 0) budget.give(held.shift()!)
    expect(granted).toEqual(Array.from({ length: 2000 }, (_, id) => id))
    expect(budget.usedBytes).toBe(0)
  })
})

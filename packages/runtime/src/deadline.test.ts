import { SeededRandom } from '@millrace/testing/world/seeded-random'
import { VirtualTime } from '@millrace/testing/world/virtual-time'
import { describe, expect, test } from '@jest/globals'
import { Deadlines } from './deadline.ts'

function setUp(): { time: VirtualTime; deadlines: Deadlines; log: string[] } {
  const time = new VirtualTime()
  return { time, deadlines: new Deadlines({ clock: time, timers: time }), log: [] }
}

describe('deadlines', () => {
  test('several: run in the order of their moments, equal ones as they were added', () => {
    const { time, deadlines, log } = setUp()
    for (const [name, ms] of [
      ['c', 30],
      ['a', 10],
      ['d', 30],
      ['b', 20],
    ] as const)
      deadlines.after(ms, () => log.push(name))
    time.advance(9)
    expect(log).toEqual([])
    time.advance(11)
    expect(log).toEqual(['a', 'b'])
    time.advance(10)
    expect(log).toEqual(['a', 'b', 'c', 'd'])
    expect([deadlines.count, time.pending]).toEqual([0, 0])
  })

  test('cancelled: does not run, also when an earlier one of the same moment cancels it', () => {
    const { time, deadlines, log } = setUp()
    deadlines.after(10, () => second.cancel())
    const second = deadlines.after(10, () => log.push('second'))
    const third = deadlines.after(10, () => log.push('third'))
    time.advance(10)
    expect(log).toEqual(['third'])
    expect([second.isPending, third.isPending]).toEqual([false, false])
    third.cancel()
  })

  test('one timer, however many wait', () => {
    const { time, deadlines } = setUp()
    for (let i = 0; i < 1000; i++) deadlines.after(1000 - i, () => {})
    expect(time.pending).toBe(1)
  })

  test('a callback that asks for 0 ms again: does not run twice in one pass', () => {
    const { time, deadlines, log } = setUp()
    const again = (): void => {
      log.push('ran')
      if (log.length < 3) deadlines.after(0, again)
    }
    deadlines.after(0, again)
    time.advance(0)
    expect(log.length).toBe(3)
    expect(deadlines.count).toBe(0)
  })

  test('a callback throws: the others still run', () => {
    const { time, deadlines, log } = setUp()
    deadlines.after(5, () => {
      throw new Error('mine')
    })
    deadlines.after(5, () => log.push('next'))
    expect(() => time.advance(5)).toThrow('mine')
    time.advance(1)
    expect(log).toEqual(['next'])
  })

  test('close: nothing runs any more, no timer is left', () => {
    const { time, deadlines, log } = setUp()
    const one = deadlines.after(5, () => log.push('ran'))
    deadlines.close()
    time.advance(10)
    expect([log, time.pending, one.isPending]).toEqual([[], 0, false])
    one.cancel()
  })

  test('random adds and cancels: every survivor runs once, at its moment, in order (seed 42)', () => {
    const random = new SeededRandom(42)
    const { time, deadlines } = setUp()
    const ran: number[] = []
    const survivors: { atMs: number; id: number }[] = []
    const open = new Map<number, { cancel(): void; atMs: number }>()
    for (let id = 0; id < 5000; id++) {
      const atMs = random.below(1000)
      const deadline = deadlines.at(atMs, () => {
        expect(time.monotonicMs()).toBe(atMs)
        ran.push(id)
      })
      open.set(id, { cancel: () => deadline.cancel(), atMs })
      if (random.below(3) === 0) {
        const victim = [...open.keys()][random.below(open.size)]!
        open.get(victim)!.cancel()
        open.delete(victim)
      }
    }
    for (const [id, { atMs }] of open) survivors.push({ atMs, id })
    survivors.sort((a, b) => a.atMs - b.atMs || a.id - b.id)
    time.advance(1000)
    expect(ran).toEqual(survivors.map(({ id }) => id))
  })
})

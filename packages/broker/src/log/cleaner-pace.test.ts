import { describe, expect, test } from '@jest/globals'
import type { Clock } from '@millrace/runtime/ports'
import { VirtualTime } from '@millrace/testing/world/virtual-time'
import { CleanerPace } from './cleaner-pace.ts'
import { CleanerThrottle } from './cleaner-throttle.ts'

/** Virtual time in which work takes some: `busyMs` passes when it is told to. */
class WorkingClock implements Clock {
  extraMs = 0
  readonly time: VirtualTime
  constructor(time: VirtualTime) {
    this.time = time
  }
  wallMs(): number {
    return this.time.wallMs()
  }
  monotonicMs(): number {
    return this.time.monotonicMs() + this.extraMs
  }
}

describe('cleaner pace', () => {
  /** Bytes worked through in a slice when 16 KiB take 0.1 ms. */
  function slice(pace: CleanerPace, clock: WorkingClock): number {
    for (let bytes = 16_384; ; bytes += 16_384) {
      clock.extraMs += 0.1
      if (pace.spend(16_384)) return bytes
    }
  }

  test('a slice ends after a quarter of a millisecond', async () => {
    const clock = new WorkingClock(new VirtualTime())
    const pace = new CleanerPace(clock, clock.time)
    const next = pace.next()
    await clock.time.run()
    await next
    expect(slice(pace, clock)).toBe(3 * 16_384)
  })

  test('nobody else works: the next slice is in the next turn; others do: after three slices of rest', async () => {
    const clock = new WorkingClock(new VirtualTime())
    const pace = new CleanerPace(clock, clock.time)
    let begun = 0
    const ask = (): void => void pace.next().then(() => begun++)
    ask()
    await clock.time.run()
    expect(begun).toBe(1)
    ask()
    clock.extraMs += 0.5 // a request, before the turn ends
    await clock.time.run()
    expect(begun).toBe(1)
    await clock.time.run(1)
    expect(begun).toBe(2)
  })

  test('several compactions: one slice each, in turn; stopped: nobody waits', async () => {
    const clock = new WorkingClock(new VirtualTime())
    const pace = new CleanerPace(clock, clock.time)
    const order: string[] = []
    for (const name of ['a', 'b']) void pace.next().then(() => order.push(name))
    clock.extraMs += 0.5
    await clock.time.run(0)
    expect(order).toEqual([])
    pace.stop()
    await clock.time.run(0)
    expect(order).toEqual(['a', 'b'])
    await pace.next()
  })
})

describe('cleaner throttle', () => {
  test('as many bytes per second, first come first served; a new limit holds at once, or within a second', async () => {
    const time = new VirtualTime()
    let limit = 1000
    const throttle = new CleanerThrottle(time, time, () => limit)
    const done: string[] = []
    for (const [name, bytes] of [
      ['a', 2000],
      ['b', 1000],
      ['c', 10_000],
    ] as const)
      void throttle.take(bytes).then(() => done.push(name))
    await time.run(1900)
    expect(done).toEqual([])
    await time.run(200)
    expect(done).toEqual(['a'])
    await time.run(1000)
    expect(done).toEqual(['a', 'b'])
    limit = 100_000
    await time.run(1100)
    expect(done).toEqual(['a', 'b', 'c'])
  })

  test('idle time is not saved up', async () => {
    const time = new VirtualTime()
    const throttle = new CleanerThrottle(time, time, () => 1000)
    await time.run(60_000)
    let isDone = false
    void throttle.take(5000).then(() => (isDone = true))
    await time.run(4900)
    expect(isDone).toBe(false)
    await time.run(200)
    expect(isDone).toBe(true)
  })
})

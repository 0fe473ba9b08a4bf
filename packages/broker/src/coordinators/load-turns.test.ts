import { expect, test } from '@jest/globals'
import type { Timers } from '@millrace/runtime/ports'
import { VirtualTime } from '@millrace/testing/world/virtual-time'
import { LoadTurns } from './load-turns.ts'

test('load turns: three loads of two slices: one slice per turn, in turns', async () => {
  const soon: (() => void)[] = []
  const timers: Timers = Object.assign(new VirtualTime(), { soon: (run: () => void) => void soon.push(run) })
  const turns = new LoadTurns(timers)
  const slices: string[] = []
  for (const name of ['a', 'b', 'c']) {
    void (async () => {
      for (const slice of [1, 2]) {
        await turns.next()
        slices.push(`${name}${slice}`)
      }
    })()
  }
  const perTurn: number[] = []
  while (soon.length > 0) {
    const before = slices.length
    for (const run of soon.splice(0)) run()
    for (let hop = 0; hop < 10; hop++) await Promise.resolve()
    perTurn.push(slices.length - before)
  }
  expect(slices).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'c2'])
  expect(Math.max(...perTurn)).toBe(1)
})

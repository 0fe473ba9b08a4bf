import { expect, test } from '@jest/globals'
import { Handover } from './handover.ts'

function takeAll(handover: Handover<number>): number[] {
  const taken: number[] = []
  for (let count = handover.begin(); count > 0; count--) taken.push(handover.next())
  return taken
}

test('handover: in order, again and again; what is added meanwhile waits for the next time', () => {
  const handover = new Handover<number>()
  for (let round = 0; round < 5; round++) {
    for (let item = 0; item < round * 7; item++) handover.add(item)
    expect(handover.size).toBe(round * 7)
    const taken: number[] = []
    for (let count = handover.begin(); count > 0; count--) {
      const item = handover.next()
      taken.push(item)
      if (item === 3) handover.add(100)
    }
    expect(taken).toEqual(Array.from({ length: round * 7 }, (_, item) => item))
    expect(takeAll(handover)).toEqual(taken.includes(3) ? [100] : [])
  }
})

test('handover: stopped in between: the rest comes first, before what was added meanwhile', () => {
  const handover = new Handover<number>()
  for (const item of [1, 2, 3, 4]) handover.add(item)
  expect(handover.begin()).toBe(4)
  expect([handover.next(), handover.next()]).toEqual([1, 2])
  handover.add(5)
  handover.putBack()
  expect(handover.size).toBe(3)
  expect(takeAll(handover)).toEqual([3, 4, 5])
  handover.putBack()
  expect(handover.size).toBe(0)
})

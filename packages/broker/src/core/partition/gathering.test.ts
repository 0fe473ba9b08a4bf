import { describe, expect, test } from '@jest/globals'
import { Gathering, GatheringMark } from './gathering.ts'

/** `count` producers on a busy broker, all answered: all of them are away. */
function answered(count: number): { gathering: Gathering; mark: GatheringMark } {
  const gathering = new Gathering()
  const mark = new GatheringMark()
  for (let done = 0; done < 16; done += count) {
    append(gathering, count)
    gathering.onSent(mark, 'at-once')
    for (let i = 0; i < count; i++) gathering.onAnswered()
  }
  return { gathering, mark }
}

function append(gathering: Gathering, count: number, bytes = 100, nowMs = 1_000): void {
  for (let i = 0; i < count; i++) gathering.onAppended(bytes, nowMs)
}

describe('gathering', () => {
  test('nobody has produced: no wait', () => {
    expect(new Gathering().isWorthWaiting(new GatheringMark())).toBe(false)
  })

  test('three producers: no wait', () => {
    const { gathering, mark } = answered(3)
    append(gathering, 1)
    expect(gathering.isWorthWaiting(mark)).toBe(false)
  })

  test('twenty producers that were answered together: wait for fifteen of them', () => {
    const { gathering, mark } = answered(20)
    append(gathering, 14)
    expect(gathering.isWorthWaiting(mark)).toBe(true)
    append(gathering, 1)
    expect(gathering.isWorthWaiting(mark)).toBe(false)
  })

  test('sixteen requests in more than 8 ms: no wait, however many producers; at once again when they are quicker', () => {
    const { gathering, mark } = answered(20)
    for (let count = 1; count <= 16; count++) append(gathering, 1, 100, 1_008 + count * 0.6)
    gathering.onSent(mark, 'at-once')
    append(gathering, 1, 100, 1_018)
    expect(gathering.isWorthWaiting(mark)).toBe(false)
    // A few that were held up and come together do not count for more.
    append(gathering, 4, 100, 1_030)
    expect(gathering.isWorthWaiting(mark)).toBe(false)
    gathering.onSent(mark, 'at-once')
    append(gathering, 13, 100, 1_031)
    expect(gathering.isWorthWaiting(mark)).toBe(true)
  })

  test('one of two followers is sent what was gathered: the other is asked for by its own mark', () => {
    const { gathering, mark } = answered(20)
    const other = new GatheringMark()
    gathering.onSent(other, 'at-once')
    append(gathering, 15)
    gathering.onSent(mark, 'enough')
    append(gathering, 2)
    expect([gathering.isWorthWaiting(mark), gathering.isWorthWaiting(other)]).toEqual([true, false])
  })

  test('records that one follower has, and the other has not: those who wait for it count, so the first waits, too', () => {
    const { gathering, mark } = answered(20)
    append(gathering, 16)
    gathering.onSent(mark, 'enough')
    append(gathering, 4)
    // All twenty wait to be answered: nobody is away, and yet sixteen will be back as soon as the other follower has asked.
    expect(gathering.isWorthWaiting(mark)).toBe(true)
  })

  test('few large requests: sent at once from 32 KiB on', () => {
    const { gathering, mark } = answered(20)
    append(gathering, 3, 10_000)
    expect(gathering.isWorthWaiting(mark)).toBe(true)
    append(gathering, 1, 10_000)
    expect(gathering.isWorthWaiting(mark)).toBe(false)
  })

  test('time is over: those who did not come back count no longer', () => {
    const { gathering, mark } = answered(20)
    append(gathering, 2)
    gathering.onSent(mark, 'late')
    for (let i = 0; i < 2; i++) gathering.onAnswered()
    for (let answers = 0; answers < 10; answers++) gathering.onSent(mark, 'at-once')
    append(gathering, 1)
    expect(gathering.isWorthWaiting(mark)).toBe(false)
  })

  test('in vain again and again: tried after 2, 4, 8 … 128 answers; enough once: soon again', () => {
    const gathering = new Gathering()
    const mark = new GatheringMark()
    append(gathering, 20)
    gathering.onSent(mark, 'at-once')
    const answersUntilTried = (): number => {
      let answers = 0
      for (; !gathering.isWorthWaiting(mark); answers++) gathering.onSent(mark, 'at-once')
      return answers
    }
    const afterMiss = (): number => {
      gathering.onSent(mark, 'late')
      return answersUntilTried()
    }
    expect(Array.from({ length: 9 }, afterMiss)).toEqual([2, 4, 8, 16, 32, 64, 128, 128, 128])
    gathering.onSent(mark, 'enough')
    expect(afterMiss()).toBe(2)
  })
})

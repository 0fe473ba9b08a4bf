import { expect, test } from '@jest/globals'
import { ErrorCode } from '@millrace/protocol/errors'
import { CommitWaiters, type CommitListener } from './commit-waiters.ts'

class Recorder implements CommitListener {
  readonly told: [token: number, errorCode: number][] = []
  onCommitted(token: number, errorCode: ErrorCode): void {
    this.told.push([token, errorCode])
  }
}

test('advance: those at or below the offset, in order; the rest keep waiting', () => {
  const waiters = new CommitWaiters()
  const listener = new Recorder()
  for (const [endOffset, token] of [
    [3, 0],
    [5, 1],
    [5, 2],
    [9, 3],
  ] as const)
    waiters.until(endOffset, listener, token)
  waiters.advance(5, ErrorCode.NONE)
  expect(listener.told).toEqual([
    [0, 0],
    [1, 0],
    [2, 0],
  ])
  expect(waiters.count).toBe(1)
})

test('a duplicate asks for an offset that others are past: told in its place', () => {
  const waiters = new CommitWaiters()
  const listener = new Recorder()
  for (const [endOffset, token] of [
    [5, 0],
    [9, 1],
    [4, 2],
    [5, 3],
  ] as const)
    waiters.until(endOffset, listener, token)
  waiters.advance(5, ErrorCode.NONE)
  expect(listener.told).toEqual([
    [2, 0],
    [0, 0],
    [3, 0],
  ])
})

test('failAll: everybody hears the error, nobody is left', () => {
  const waiters = new CommitWaiters()
  const listener = new Recorder()
  waiters.until(1, listener, 0)
  waiters.until(2, listener, 1)
  waiters.failAll(ErrorCode.KAFKA_STORAGE_ERROR)
  expect(listener.told).toEqual([
    [0, ErrorCode.KAFKA_STORAGE_ERROR],
    [1, ErrorCode.KAFKA_STORAGE_ERROR],
  ])
  expect(waiters.count).toBe(0)
})

test('cancel: that listener hears nothing more', () => {
  const waiters = new CommitWaiters()
  const [gone, stays] = [new Recorder(), new Recorder()]
  waiters.until(1, gone, 0)
  waiters.until(2, stays, 0)
  waiters.until(3, gone, 1)
  waiters.cancel(gone)
  waiters.advance(9, ErrorCode.NONE)
  expect(gone.told).toEqual([])
  expect(stays.told).toEqual([[0, ErrorCode.NONE]])
})

test('random waits and advances: each is told once, as soon as and not before its offset is there (seeds 1-200)', () => {
  for (let seed = 1; seed <= 200; seed++) {
    let state = seed
    const below = (end: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return (state >>> 8) % end
    }
    const waiters = new CommitWaiters()
    const listener = new Recorder()
    const expected = new Map<number, number>()
    let committed = 0
    for (let token = 0; token < 500; token++) {
      const endOffset = committed + 1 + below(20)
      waiters.until(endOffset, listener, token)
      expected.set(token, endOffset)
      if (below(3) > 0) continue
      committed += below(12)
      waiters.advance(committed, ErrorCode.NONE)
      const due = [...expected].filter(([, offset]) => offset <= committed).map(([waiting]) => waiting)
      const told = listener.told.splice(0).map(([heard]) => heard)
      if (told.sort((a, b) => a - b).join() !== due.join())
        throw new Error(`seed ${seed}: told ${told.join()}, due ${due.join()}`)
      for (const waiting of due) expected.delete(waiting)
    }
  }
})

import { expect, test } from '@jest/globals'
import { FlushQueue } from './flush-queue.ts'

test('flush queue: more than it may run at once: the others wait, all are run in order', async () => {
  const queue = new FlushQueue(2)
  const began: number[] = []
  const ends: (() => void)[] = []
  const flushes = [0, 1, 2, 3].map(index =>
    queue.run(() => {
      began.push(index)
      return new Promise<void>(resolve => ends.push(resolve))
    }),
  )
  expect([began, queue.waiting]).toEqual([[0, 1], 2])
  ends[0]!()
  await flushes[0]
  await Promise.resolve()
  expect([began, queue.waiting]).toEqual([[0, 1, 2], 1])
  ends[1]!()
  ends[2]!()
  await Promise.all(flushes.slice(0, 3))
  await Promise.resolve()
  ends[3]!()
  await Promise.all(flushes)
  expect([began, queue.waiting]).toEqual([[0, 1, 2, 3], 0])
})

test('flush queue: one fails: its caller hears of it, the next one runs', async () => {
  const queue = new FlushQueue(1)
  const failed = queue.run(() => Promise.reject(new Error('disk')))
  const next = queue.run(() => Promise.resolve('done'))
  await expect(failed).rejects.toThrow('disk')
  expect(await next).toBe('done')
})

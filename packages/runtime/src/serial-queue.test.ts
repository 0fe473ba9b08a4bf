import { describe, expect, test } from '@jest/globals'
import { QueueClosed, QueueFull, SerialQueue } from './serial-queue.ts'

function gate(): { open: () => void; opened: Promise<void> } {
  let open!: () => void
  const opened = new Promise<void>(resolve => {
    open = resolve
  })
  return { open, opened }
}

describe('serial queue', () => {
  test('tasks: run one at a time in order, also after one that fails', async () => {
    const queue = new SerialQueue(10)
    const log: string[] = []
    const first = gate()
    const one = queue.run(async () => {
      log.push('one begins')
      await first.opened
      log.push('one ends')
      return 1
    })
    const two = queue.run(() => {
      log.push('two')
      throw new Error('two failed')
    })
    const three = queue.run(() => log.push('three'))
    expect(log).toEqual([])
    first.open()
    await expect(one).resolves.toBe(1)
    await expect(two).rejects.toThrow('two failed')
    await three
    expect(log).toEqual(['one begins', 'one ends', 'two', 'three'])
    expect(queue.count).toBe(0)
  })

  test('full: the next task is refused and the others run', async () => {
    const queue = new SerialQueue(1)
    const one = queue.run(() => 1)
    await expect(queue.run(() => 2)).rejects.toBeInstanceOf(QueueFull)
    await expect(one).resolves.toBe(1)
    await queue.drained()
    await expect(queue.run(() => 3)).resolves.toBe(3)
  })

  test('close: waits for the running task, rejects the waiting ones and all later ones', async () => {
    const queue = new SerialQueue(10)
    const first = gate()
    const begun = gate()
    let hasEnded = false
    const one = queue.run(async () => {
      begun.open()
      await first.opened
      hasEnded = true
    })
    const two = queue.run(() => 2)
    await begun.opened
    const closed = queue.close()
    await expect(two).rejects.toBeInstanceOf(QueueClosed)
    expect(hasEnded).toBe(false)
    first.open()
    await closed
    expect(hasEnded).toBe(true)
    await one
    await expect(queue.run(() => 3)).rejects.toBeInstanceOf(QueueClosed)
  })
})

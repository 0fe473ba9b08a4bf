import { describe, expect, test } from '@jest/globals'
import { nodeWorld } from '@millrace/runtime/node/world'
import { DeliveryQueue } from './delivery-queue.ts'

describe('delivery queue', () => {
  test('answer, call, answer: what awaits the first answer runs before the call, the call before the second', async () => {
    const queue = new DeliveryQueue(nodeWorld().timers)
    const order: string[] = []
    const first = Promise.withResolvers<void>()
    const second = Promise.withResolvers<void>()
    const readers = [first, second].map(async ({ promise }, index) => {
      await promise
      // A caller some functions away.
      for (let hop = 0; hop < 10; hop++) await Promise.resolve()
      order.push(`answer ${index + 1}`)
    })
    queue.answer(first.resolve)
    queue.call(() => order.push('call'))
    queue.answer(second.resolve)
    expect(order).toEqual([])
    await Promise.all(readers)
    expect(order).toEqual(['answer 1', 'call', 'answer 2'])
  })

  test('pushed from inside a call: comes after what was there', async () => {
    const queue = new DeliveryQueue(nodeWorld().timers)
    const order: string[] = []
    const end = Promise.withResolvers<void>()
    queue.call(() => {
      order.push('outer')
      queue.call(() => {
        order.push('inner')
        end.resolve()
      })
    })
    queue.call(() => order.push('next'))
    await end.promise
    expect(order).toEqual(['outer', 'next', 'inner'])
  })
})

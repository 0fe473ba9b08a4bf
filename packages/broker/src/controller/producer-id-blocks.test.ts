import { expect, test } from '@jest/globals'
import type { AllocateProducerIdsResponse } from '@millrace/protocol/messages/67-allocate-producer-ids'
import { silentLogger } from '@millrace/runtime/logger'
import { VirtualTime } from '@millrace/testing/world/virtual-time'
import { ProducerIdBlocks, ProducerIdsUnavailable } from './producer-id-blocks.ts'

/** A controller that answers what `script` says, one entry per request; then blocks of 1000, one after the other. */
class Blocks {
  readonly time = new VirtualTime()
  asked = 0
  start = 0
  script: (number | Error)[] = []
  readonly ids = new ProducerIdBlocks({
    client: { request: () => this.#answer() as Promise<never> },
    brokerId: 1,
    brokerEpoch: () => 7,
    timers: this.time,
    logger: silentLogger,
  })

  async take(count: number): Promise<number[]> {
    const all = Promise.all(Array.from({ length: count }, () => this.ids.next()))
    all.catch(() => {})
    await this.time.run(0)
    return all
  }

  #answer(): Promise<AllocateProducerIdsResponse> {
    this.asked++
    const next = this.script.shift()
    if (next instanceof Error) return Promise.reject(next)
    if (next !== undefined) {
      return Promise.resolve({ throttleTimeMs: 0, errorCode: next, producerIdStart: 0, producerIdLen: 0 })
    }
    const producerIdStart = this.start
    this.start += 1000
    return Promise.resolve({ throttleTimeMs: 0, errorCode: 0, producerIdStart, producerIdLen: 1000 })
  }
}

test('producer ids: in order, each once, over several blocks', async () => {
  const blocks = new Blocks()
  const ids = await blocks.take(3500)
  expect(ids).toEqual(Array.from({ length: 3500 }, (_, index) => index))
})

test('producer ids: the next block is asked for when nine tenths are used, once', async () => {
  const blocks = new Blocks()
  await blocks.take(899)
  expect(blocks.asked).toBe(1)
  await blocks.take(1)
  expect(blocks.asked).toBe(2)
  await blocks.take(100)
  expect(blocks.asked).toBe(2)
  expect(await blocks.take(1)).toEqual([1000])
})

test('producer ids: the controller refuses or is gone: asked again, who waits gets an id', async () => {
  const blocks = new Blocks()
  blocks.script = [41, new Error('connection lost'), 77]
  const waiting = blocks.ids.next()
  await blocks.time.run(200)
  expect(await waiting).toBe(0)
  expect(blocks.asked).toBe(4)
})

test('producer ids: none for two seconds: unavailable', async () => {
  const blocks = new Blocks()
  blocks.script = Array.from({ length: 1000 }, () => 41)
  const waiting = expect(blocks.ids.next()).rejects.toBeInstanceOf(ProducerIdsUnavailable)
  await blocks.time.run(2_100)
  await waiting
})

test('producer ids: closed: who waits is told, nothing is asked any more', async () => {
  const blocks = new Blocks()
  blocks.script = [41]
  const waiting = expect(blocks.ids.next()).rejects.toBeInstanceOf(ProducerIdsUnavailable)
  await blocks.time.run(0)
  blocks.ids.close()
  await waiting
  await blocks.time.run(1_000)
  expect(blocks.asked).toBe(1)
  await expect(blocks.ids.next()).rejects.toBeInstanceOf(ProducerIdsUnavailable)
})

import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { nodeWorld } from '@millrace/runtime/node/world'
import type { FrameConnection, FrameReceiver, Listener } from '@millrace/runtime/ports'
import { CutTransport } from './cut-transport.ts'
import { NetworkCuts } from './network-cuts.ts'

const world = nodeWorld()
const { timers } = world
let cuts: NetworkCuts
let transport: CutTransport
let listener: Listener
/** What each side was told, in order. */
let at1: string[]
let at2: string[]
let accepted: FrameConnection | null

/** Broker 2 listens; broker 1 connects. */
beforeEach(async () => {
  cuts = new NetworkCuts()
  transport = new CutTransport({ brokerId: 1, cuts, transport: world.transport, timers })
  at1 = []
  at2 = []
  accepted = null
  listener = await world.transport.listen({
    ...{ host: '127.0.0.1', port: 0, maxFrameBytes: 1000 },
    accept: connection => {
      accepted = connection
      return noting(at2)
    },
  })
  cuts.brokerAt.set(listener.port, 2)
})
afterEach(async () => {
  cuts.heal()
  accepted?.destroy()
  await listener.close()
})

const noting = (into: string[]): FrameReceiver => ({
  onFrame: ({ buffer, start, end }) => void into.push(buffer.toString('latin1', start, end)),
  onClosed: error => void into.push(error === null ? 'closed' : 'broken'),
})
const connect = (timeoutMs = 1000): Promise<FrameConnection> =>
  transport.connect({ host: '127.0.0.1', port: listener.port, timeoutMs, maxFrameBytes: 1000, receiver: noting(at1) })
const frame = (text: string): Uint8Array[] => [Buffer.from([0, 0, 0, text.length]), Buffer.from(text)]
const after = (ms: number): Promise<void> => new Promise(resolve => void timers.after(ms, resolve))
async function until(condition: () => boolean): Promise<void> {
  const endMs = world.clock.monotonicMs() + 5000
  while (!condition()) {
    if (world.clock.monotonicMs() > endMs)
      throw new Error(`not so: ${condition.toString()}: ${at1.join()} | ${at2.join()}`)
    await after(2)
  }
}
/** Time enough for what is not cut off to arrive on loopback. */
const quietMs = 60

test('a cut from 1 to 2: what 1 sends is held back and comes in order when it heals; what 2 sends arrives', async () => {
  const connection = await connect()
  connection.send(frame('a'))
  await until(() => at2.length === 1)
  cuts.cut(1, 2)
  connection.send(frame('b'))
  connection.send(frame('c'))
  accepted!.send(frame('x'))
  await until(() => at1.length === 1)
  await after(quietMs)
  expect({ at1, at2, queuedBytes: connection.queuedBytes }).toEqual({ at1: ['x'], at2: ['a'], queuedBytes: 10 })
  cuts.heal()
  await until(() => at2.length === 3)
  expect(at2).toEqual(['a', 'b', 'c'])
  connection.destroy()
})

test('a cut from 2 to 1: what 2 sends, and its end, are not heard until it heals', async () => {
  const connection = await connect()
  await until(() => accepted !== null)
  cuts.cut(2, 1)
  connection.send(frame('a'))
  await until(() => at2.length > 0)
  accepted!.send(frame('x'))
  accepted!.close()
  await after(quietMs)
  expect({ at1, at2 }).toEqual({ at1: [], at2: ['a'] })
  cuts.heal()
  await until(() => at1.length === 2)
  expect(at1).toEqual(['x', 'closed'])
})

test('1 ends the connection while it is cut off: over for 1 at once, for 2 when it heals', async () => {
  const connection = await connect()
  await until(() => accepted !== null)
  cuts.cutBoth(1, 2)
  connection.destroy()
  expect({ at1, isClosed: connection.isClosed }).toEqual({ at1: ['closed'], isClosed: true })
  await after(quietMs)
  expect(at2).toEqual([])
  cuts.heal()
  await until(() => at2.length === 1)
})

test('connecting through a cut of either direction: TIMEOUT; when it heals in time: connected', async () => {
  for (const [from, to] of [
    [1, 2],
    [2, 1],
  ] as const) {
    cuts.cut(from, to)
    await expect(connect(40)).rejects.toMatchObject({ code: 'TIMEOUT' })
    const connecting = connect(5000)
    await after(quietMs)
    cuts.heal()
    ;(await connecting).destroy()
  }
})

test('connecting through a cut and giving up: ABORTED', async () => {
  cuts.cut(1, 2)
  const giveUp = new AbortController()
  const options = {
    host: '127.0.0.1',
    port: listener.port,
    timeoutMs: 5000,
    maxFrameBytes: 1000,
    receiver: noting(at1),
  }
  const connecting = transport.connect({ ...options, signal: giveUp.signal })
  giveUp.abort()
  await expect(connecting).rejects.toMatchObject({ code: 'ABORTED' })
})

test('a port that is no broker’s: never cut', async () => {
  cuts.brokerAt.clear()
  cuts.cutBoth(1, 2)
  const connection = await connect()
  connection.send(frame('a'))
  await until(() => at2.length === 1)
  connection.destroy()
})

import { TinyBroker } from '@millrace/testing/world/tiny-broker'
import { SeededRandom } from '@millrace/testing/world/seeded-random'
import { VirtualNetwork } from '@millrace/testing/world/virtual-network'
import { VirtualTime } from '@millrace/testing/world/virtual-time'
import { heartbeatRequest, heartbeatResponse } from '@millrace/protocol/messages/12-heartbeat'
import { emptyOf } from '@millrace/protocol/schema'
import { describe, expect, test } from '@jest/globals'
import { ReconnectingConnection, type ReconnectingOptions } from './reconnecting-connection.ts'

interface Setting {
  readonly time: VirtualTime
  readonly network: VirtualNetwork
  readonly broker: TinyBroker
  readonly connectionTo: (port: number, options?: Partial<ReconnectingOptions>) => ReconnectingConnection
  readonly connectedAtMs: number[]
}

async function setUp(): Promise<Setting> {
  const time = new VirtualTime()
  const network = new VirtualNetwork(time)
  const broker = new TinyBroker()
  await broker.listen(network)
  broker.onRequest = header => broker.answer(header, heartbeatResponse, emptyOf(heartbeatResponse))
  const connectedAtMs: number[] = []
  const connectionTo = (port: number, options: Partial<ReconnectingOptions> = {}): ReconnectingConnection =>
    new ReconnectingConnection(
      {
        host: '127.0.0.1',
        port,
        clientId: 'me',
        versions: 'negotiate',
        connectTimeoutMs: 1000,
        requestTimeoutMs: 5000,
        backoffInitialMs: 100,
        backoffMaxMs: 1000,
        whileDown: 'wait',
        onConnected: () => connectedAtMs.push(time.monotonicMs()),
        ...options,
      },
      { transport: network, clock: time, timers: time, random: new SeededRandom(1) },
    )
  return { time, network, broker, connectionTo, connectedAtMs }
}

function watch<T>(promise: Promise<T>): { value?: T; error?: Error } {
  const state: { value?: T; error?: Error } = {}
  promise.then(
    value => (state.value = value),
    (error: Error) => (state.error = error),
  )
  return state
}

function beat(connection: ReconnectingConnection, timeoutMs?: number): { value?: unknown; error?: Error } {
  return watch(
    connection.request(
      heartbeatRequest,
      heartbeatResponse,
      emptyOf(heartbeatRequest),
      timeoutMs === undefined ? {} : { timeoutMs },
    ),
  )
}

describe('reconnecting connection', () => {
  test('first request: connects once for all that wait', async () => {
    const { time, broker, connectionTo, connectedAtMs } = await setUp()
    const connection = connectionTo(broker.port)
    expect(time.pending).toBe(0)
    const states = [beat(connection), beat(connection), beat(connection)]
    await time.run(20)
    expect(states.every(({ value }) => value !== undefined)).toBe(true)
    expect(connectedAtMs.length).toBe(1)
    expect(broker.headers.map(({ apiKey }) => apiKey)).toEqual([18, 12, 12, 12])
    await Promise.all([connection.close(), time.run(20)])
    expect(time.pending).toBe(0)
  })

  test('broker comes later: the request waits through growing back-offs and is sent once', async () => {
    const { time, network, connectionTo, broker } = await setUp()
    const { port } = broker
    await broker.close()
    const connection = connectionTo(port)
    const state = beat(connection)
    await time.run(1000)
    expect(state).toEqual({})
    expect(connection.lastError).toMatchObject({ code: 'ECONNREFUSED' })
    const later = new TinyBroker()
    later.onRequest = header => later.answer(header, heartbeatResponse, emptyOf(heartbeatResponse))
    await later.listen(network, port)
    await time.run(1300)
    expect(state.value).toBeDefined()
    expect(later.headers.map(({ apiKey }) => apiKey)).toEqual([18, 12])
    expect(connection.lastError).toBeNull()
    await Promise.all([connection.close(), time.run(20)])
  })

  test('broker never comes: timed out, not sent, with the cause; attempts stop when nobody waits', async () => {
    const { time, connectionTo, broker } = await setUp()
    await broker.close()
    const connection = connectionTo(broker.port)
    const state = beat(connection, 700)
    await time.run(699)
    expect(state).toEqual({})
    await time.run(1)
    expect(state.error).toMatchObject({ name: 'RequestTimedOut', outcome: 'not-sent', cause: { code: 'ECONNREFUSED' } })
    await time.run(5000)
    expect(time.pending).toBe(0)
    await connection.close()
  })

  test('whileDown fail: refused with the attempt, at once during back-off, tried again afterwards', async () => {
    const { time, connectionTo, broker, network } = await setUp()
    await broker.close()
    const connection = connectionTo(broker.port, { whileDown: 'fail' })
    const first = beat(connection)
    await time.run(10)
    expect(first.error).toMatchObject({ name: 'ConnectionLost', outcome: 'not-sent', cause: { code: 'ECONNREFUSED' } })
    const second = beat(connection)
    await time.run(0)
    expect(second.error).toMatchObject({ name: 'ConnectionLost', outcome: 'not-sent' })
    await broker.listen(network, broker.port)
    await time.run(200)
    const third = beat(connection)
    await time.run(20)
    expect(third.value).toBeDefined()
    await Promise.all([connection.close(), time.run(20)])
  })

  test('connection lost: what was under way fails, the next request goes over a new one after the back-off', async () => {
    const { time, connectionTo, broker, connectedAtMs } = await setUp()
    const connection = connectionTo(broker.port)
    beat(connection)
    await time.run(20)
    const answer = broker.onRequest
    broker.onRequest = () => {}
    const lost = beat(connection)
    await time.run(5)
    broker.onRequest = answer
    broker.connection!.destroy()
    await time.run(5)
    const lostAtMs = time.monotonicMs()
    expect(lost.error).toMatchObject({ name: 'ConnectionLost', outcome: 'unknown' })
    expect(connection.isConnected).toBe(false)
    const next = beat(connection)
    await time.run(70)
    expect(next).toEqual({})
    await time.run(100)
    expect(next.value).toBeDefined()
    expect(connectedAtMs[1]! - lostAtMs).toBeGreaterThanOrEqual(75)
    await Promise.all([connection.close(), time.run(20)])
  })

  test('broker that accepts and hangs up: called less and less often', async () => {
    const { time, connectionTo, broker, connectedAtMs } = await setUp()
    const connection = connectionTo(broker.port, { versions: 'fixed' })
    broker.onRequest = () => broker.connection!.destroy()
    for (let round = 0; round < 60; round++) {
      beat(connection, 50)
      await time.run(100)
    }
    const gaps = connectedAtMs.slice(1).map((atMs, index) => atMs - connectedAtMs[index]!)
    expect(gaps.length).toBeGreaterThan(4)
    expect(gaps.at(-1)).toBeGreaterThan(800)
    await Promise.all([connection.close(), time.run(2000)])
  })

  test('closed: while connecting, during back-off, while in use: what waits fails, nothing is left', async () => {
    for (const moment of ['connecting', 'back-off', 'in use'] as const) {
      const { time, connectionTo, broker, network } = await setUp()
      if (moment === 'connecting') network.silent.add(`127.0.0.1:${broker.port}`)
      if (moment === 'back-off') await broker.close()
      const connection = connectionTo(broker.port)
      if (moment === 'in use') broker.onRequest = () => {}
      const state = beat(connection)
      await time.run(20)
      const closed = watch(connection.close())
      await time.run(20)
      expect({ moment, closed: 'value' in closed, error: state.error?.name }).toEqual({
        moment,
        closed: true,
        error: 'ConnectionLost',
      })
      const after = beat(connection)
      await time.run(5)
      expect(after.error).toMatchObject({ name: 'ConnectionLost', outcome: 'not-sent' })
      expect({ moment, pending: time.pending }).toEqual({ moment, pending: 0 })
    }
  })
})

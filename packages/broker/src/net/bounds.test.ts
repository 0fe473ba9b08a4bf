import { afterEach, expect, test } from '@jest/globals'
import type { World } from '@millrace/runtime/ports'
import {
  Client,
  Fetch,
  Held,
  Metadata,
  Produce,
  echo,
  endServers,
  limits,
  request,
  serve,
  text,
  world,
  type Behaviour,
} from '@millrace/testing/net/request-server'

afterEach(endServers)

test('connections per address: one too many is refused, room returns when one leaves', async () => {
  const { port, server, logger } = await serve({ [Metadata]: echo }, { limits: { ...limits, connectionsPerIpMax: 2 } })
  const clients = [await Client.connect(port), await Client.connect(port)]
  for (const [index, client] of clients.entries()) client.send(request(Metadata, index, ''))
  for (const client of clients) await client.answered(1)
  const third = await Client.connect(port)
  await third.closed()
  expect(logger.lines.map(({ message }) => message)).toContain('connection refused')
  expect(server.connectionCount).toBe(2)
  clients[0]!.connection.close()
  await clients[0]!.closed()
  const fourth = await Client.connect(port)
  fourth.send(request(Metadata, 9, 'in'))
  expect(await fourth.answered(1)).toEqual([[9, 'in']])
})

test('connections per address: an override beats the general limit', async () => {
  const { port } = await serve(
    { [Metadata]: echo },
    { limits: { ...limits, connectionsPerIpMax: 0, connectionsPerIpOverrides: new Map([['127.0.0.1', 1]]) } },
  )
  const first = await Client.connect(port)
  first.send(request(Metadata, 1, 'in'))
  await first.answered(1)
  const second = await Client.connect(port)
  await second.closed()
})

test('connections of the broker: refused above the limit', async () => {
  const { port } = await serve({ [Metadata]: echo }, { limits: { ...limits, connectionsMax: 1 } })
  const first = await Client.connect(port)
  first.send(request(Metadata, 1, 'in'))
  await first.answered(1)
  const second = await Client.connect(port)
  await second.closed()
})

test('connections of one listener: refused above its own limit', async () => {
  const listeners = ['CLIENT', 'INTERNAL'].map(name => ({ name, host: '127.0.0.1', port: 0 }))
  const ofListener = (name: string) => ({
    connectionsMax: name === 'CLIENT' ? 1 : Infinity,
    connectionCreationRate: Infinity,
  })
  const { server, port } = await serve({ [Metadata]: echo }, { listeners, limits: { ...limits, ofListener } })
  const talk = async (to: number): Promise<Client> => {
    const client = await Client.connect(to)
    client.send(request(Metadata, 1, 'in'))
    await client.answered(1)
    return client
  }
  const first = await talk(port)
  await talk(server.boundListeners[1]!.port)
  await talk(server.boundListeners[1]!.port)
  await (await Client.connect(port)).closed()
  first.connection.destroy()
  while (server.connectionCount > 2) await new Promise(resolve => setImmediate(resolve))
  await talk(port)
})

test('connections of the broker: full, and a broker calls on its own listener: the idlest client goes', async () => {
  const { server, port } = await serve(
    { [Metadata]: echo },
    {
      listeners: [
        { name: 'CLIENT', host: '127.0.0.1', port: 0 },
        { name: 'INTERNAL', host: '127.0.0.1', port: 0 },
      ],
      interBrokerListener: 'INTERNAL',
      limits: { ...limits, connectionsMax: 1 },
    },
  )
  const client = await Client.connect(port)
  client.send(request(Metadata, 1, 'in'))
  await client.answered(1)
  const internalPort = server.boundListeners[1]!.port
  const broker = await Client.connect(internalPort)
  broker.send(request(Metadata, 1, 'in'))
  expect(await broker.answered(1)).toEqual([[1, 'in']])
  await client.closed()
})

test.each(['broker', 'listener'])(
  'max.connection.creation.rate of the %s: beyond it a connection waits before it is read from',
  async of => {
    const delayed: { delayMs: number; run: () => void }[] = []
    const slowWorld: World = {
      ...world,
      timers: {
        after: (delayMs, run) => {
          delayed.push({ delayMs, run })
          return { cancel: () => {} }
        },
        every: () => ({ cancel: () => {} }),
        soon: run => world.timers.soon(run),
      },
    }
    const { port } = await serve(
      { [Metadata]: echo },
      {
        world: slowWorld,
        limits:
          of === 'broker'
            ? { ...limits, connectionCreationRate: 1 }
            : { ...limits, ofListener: () => ({ connectionsMax: Infinity, connectionCreationRate: 1 }) },
      },
    )
    const first = await Client.connect(port)
    first.send(request(Metadata, 1, 'a'))
    await first.answered(1)
    const second = await Client.connect(port)
    second.send(request(Metadata, 2, 'b'))
    for (let index = 2; index < 10; index++) {
      first.send(request(Metadata, index, 'a'))
      await first.answered(index)
    }
    expect(second.answers).toEqual([])
    expect(delayed.map(({ delayMs }) => delayMs > 900 && delayMs <= 1000)).toEqual([true])
    delayed[0]!.run()
    expect(await second.answered(1)).toEqual([[2, 'b']])
  },
)

test('idle connections: closed after connections.max.idle.ms, not while a request is under way', async () => {
  const held = new Held(false)
  const { port } = await serve({ [Metadata]: held }, { limits: { ...limits, idleMaxMs: 40 } })
  const busy = await Client.connect(port)
  busy.send(request(Metadata, 1, 'long'))
  await held.untilStarted(1)
  const idle = await Client.connect(port)
  await idle.closed()
  expect(busy.isClosed).toBe(false)
  held.letGo('long')
  expect(await busy.answered(1)).toEqual([[1, 'long']])
  await busy.closed()
})

test('bytes queued per broker: reading stops above the bound, nothing is dropped', async () => {
  const held = new Held(true)
  const { port, server } = await serve({ [Produce]: held }, { queuedRequestBytesMax: 300_000 })
  const client = await Client.connect(port)
  const bodies = Array.from({ length: 40 }, (_, index) => `${index}`.padEnd(100_000, '.'))
  client.send(...bodies.map((body, index) => request(Produce, index, body)))
  await held.untilStarted(3)
  // What the system has in its buffers may come in one more read; far from all of it may.
  expect(server.queuedRequestBytes).toBeLessThan(1_000_000)
  let next = 0
  const feed = async (): Promise<void> => {
    while (next < bodies.length) {
      await held.untilStarted(next + 1)
      held.letGo(bodies[next++]!)
    }
  }
  await feed()
  expect((await client.answered(40)).map(([id]) => id)).toEqual(bodies.map((_, index) => index))
  expect(server.queuedRequestBytes).toBe(0)
})

test('requests that wait: reading stops above queued.max.requests, nothing is dropped', async () => {
  const held = new Held(false)
  const { port, server } = await serve({ [Produce]: held, [Metadata]: echo }, { queuedRequestsMax: 5 })
  const clients = await Promise.all(Array.from({ length: 4 }, () => Client.connect(port)))
  // More than one read brings: whatever a read brings is taken at once.
  const bodies = (index: number): string[] =>
    Array.from({ length: 12 }, (_, each) => `${index}/${each}`.padEnd(200_000))
  for (const [index, client] of clients.entries()) {
    client.send(...bodies(index).map((body, each) => request(Produce, each, body)))
  }
  await held.untilStarted(4)
  while (server.queuedRequests < 5) await new Promise(resolve => setImmediate(resolve))
  const other = await Client.connect(port)
  for (let count = 1; count <= 100; count++) {
    other.send(request(Metadata, count, 'x'))
    await other.answered(count)
  }
  expect(server.queuedRequests).toBeLessThanOrEqual(5 + 4)
  for (let next = 0; next < 48; next++) {
    await held.untilStarted(next + 1)
    held.letGo(held.started[next]!)
  }
  for (const [index, client] of clients.entries()) {
    expect(await client.answered(12)).toEqual(bodies(index).map((body, each) => [each, body]))
  }
  expect(server.queuedRequests).toBe(0)
})

test('a slow reader: its next requests wait until it has read', async () => {
  const big = 'x'.repeat(8 * 1024 * 1024)
  let started = 0
  const generous: Behaviour = {
    run: (_body, context) => {
      started++
      return text(context, big)
    },
  }
  const { port } = await serve({ [Fetch]: generous, [Metadata]: echo }, { queuedResponseBytesMax: 64 * 1024 })
  const client = await Client.connect(port)
  client.connection.pause()
  client.send(...Array.from({ length: 10 }, (_, index) => request(Fetch, index, '')))
  const other = await Client.connect(port)
  // Other connections are served meanwhile; each round trip gives the slow one a turn of the loop.
  for (let index = 0; index < 20; index++) {
    other.send(request(Metadata, index, ''))
    await other.answered(index + 1)
  }
  expect(started).toBeLessThan(10)
  client.connection.resume()
  expect((await client.answered(10)).map(([id]) => id)).toEqual(Array.from({ length: 10 }, (_, index) => index))
  expect(started).toBe(10)
})

import { afterEach, describe, expect, test } from '@jest/globals'
import { silentLogger } from '@millrace/runtime/logger'
import { nodeWorld } from '@millrace/runtime/node/world'
import type { Coordination } from '@millrace/zookeeper/coordination'
import { listen } from '@millrace/zookeeper/contract/expectations.contract'
import { ensembleCoordination } from '@millrace/zookeeper/zookeeper/ensemble-coordination'
import { GuardedConnection } from '@millrace/zookeeper/zookeeper/guarded-connection'
import { existsCall } from '@millrace/zookeeper/zookeeper/calls'
import { closeType, createType, emptyStat, existsType, ScriptedServer } from './scripted-server.ts'
import type { ScriptedConnection, ScriptedRequest } from './scripted-server.ts'

const world = nodeWorld()
const cleanUp: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const step of cleanUp.splice(0).toReversed()) await step()
})

/** `script` hears of creates; the rest is answered as a server would, the end of a session if so wanted. */
async function serverThat(
  script: (request: ScriptedRequest) => void,
  { answersClose = true }: { readonly answersClose?: boolean } = {},
): Promise<ScriptedServer> {
  const server = await ScriptedServer.start(request => {
    const { xid, type, connection } = request
    if (type === existsType) connection.reply(xid, 0, emptyStat)
    else if (type === closeType && answersClose) connection.end(xid)
    else script(request)
  })
  cleanUp.push(() => server.stop())
  return server
}

async function connectedTo(
  server: ScriptedServer,
  sessionTimeoutMs = 4000,
  requestsInFlightMax = 1000,
): Promise<Coordination> {
  const coordination = ensembleCoordination({
    ...{ servers: server.address, sessionTimeoutMs, connectionTimeoutMs: 5000, world, logger: silentLogger },
    requestsInFlightMax,
  })
  cleanUp.push(() => coordination.close())
  await coordination.connect()
  return coordination
}

describe('ensemble coordination, against a server that misbehaves', () => {
  test('many reads at once, a server of before 3.6: it closes the connection, from then on they are read one by one', async () => {
    const types: number[] = []
    const [multiRead, getData] = [22, 4]
    const server = await serverThat(({ xid, type, connection }) => {
      types.push(type)
      if (type === multiRead) {
        connection.reply(xid, -6)
        connection.hangUp()
      } else connection.reply(xid, -101)
    })
    const zk = await connectedTo(server)
    const paths = Array.from({ length: 20 }, (_, index) => `/${index}`)
    await expect(zk.getMany(paths)).rejects.toMatchObject({ code: 'NOT_CONNECTED' })
    while (!zk.isConnected) await new Promise(resolve => setTimeout(resolve, 5))
    expect(await zk.getMany(paths)).toEqual(paths.map(() => null))
    expect(new Set(types.slice(1))).toEqual(new Set([getData]))
    expect(types[0]).toBe(multiRead)
  })

  test.each([
    [-118, 'session moved'],
    [-125, 'quota exceeded'],
    [-127, 'throttled'],
    [-4242, 'no such code'],
  ])('error code %i (%s): rejects with OTHER, the client goes on', async code => {
    const server = await serverThat(({ xid, connection }) => connection.reply(xid, code))
    const zk = await connectedTo(server)
    await expect(zk.create('/a', null)).rejects.toMatchObject({
      code: 'OTHER',
      path: '/a',
      message: expect.stringContaining(String(code)),
    })
    expect(await zk.exists('/a')).not.toBeNull()
    expect(server.sessionCount).toBe(1)
  })

  test('answers out of order: the waiting calls fail, a new connection is made', async () => {
    const server = await serverThat(({ xid, type, connection }) => {
      if (type === createType) connection.reply(xid + 1, 0)
    })
    const zk = await connectedTo(server)
    const sessions = listen(zk)
    await expect(zk.create('/a', null)).rejects.toMatchObject({ code: 'UNKNOWN_OUTCOME' })
    expect(await sessions.take(2)).toEqual([
      { type: 'suspended', generation: 1 },
      { type: 'resumed', generation: 1 },
    ])
    expect(await zk.exists('/a')).not.toBeNull()
  })

  test.each([
    ['an impossible length', Buffer.from('7fffffff', 'hex')],
    ['a negative length', Buffer.from('fffffff0', 'hex')],
    ['a frame too short for a header', Buffer.from('0000000200ff', 'hex')],
    ['an answer that nobody waits for', Buffer.concat([Buffer.from('00000010', 'hex'), Buffer.alloc(16, 1)])],
    ['a watch event cut short', Buffer.from('00000014ffffffff00000000000000000000000000000003', 'hex')],
  ])('%s: a new connection is made, nothing throws', async (_what, bytes) => {
    const server = await serverThat(({ connection }) => connection.sendRaw(bytes))
    const zk = await connectedTo(server)
    const sessions = listen(zk)
    await expect(zk.create('/a', null)).rejects.toMatchObject({ code: 'UNKNOWN_OUTCOME' })
    await sessions.until(event => event.type === 'resumed')
    expect(await zk.exists('/a')).not.toBeNull()
  })

  test('a stream of watch events and nothing to send: pings go out all the same', async () => {
    let connection: ScriptedConnection | null = null
    const server = await serverThat(request => {
      connection = request.connection
      request.connection.reply(request.xid, -110)
    })
    const zk = await connectedTo(server, 300)
    const sessions = listen(zk)
    await expect(zk.create('/a', null)).rejects.toMatchObject({ code: 'NODE_EXISTS' })
    const enough = Promise.withResolvers<void>()
    const storm = world.timers.every(5, () => {
      connection?.reply(
        -1,
        0,
        Buffer.concat([Buffer.from('0000000300000003', 'hex'), Buffer.from('000000022f61', 'hex')]),
      )
      if (server.pingCount >= 5) enough.resolve()
    })
    await enough.promise
    storm.cancel()
    expect(sessions.all()).toEqual([])
  })

  test('event loop stands still for longer than the session: a write afterwards does not leave', async () => {
    const seen: number[] = []
    const server = await serverThat(({ xid, type, connection }) => {
      seen.push(type)
      connection.reply(xid, -110)
    })
    const zk = await connectedTo(server, 300)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400)
    await expect(zk.create('/a', null)).rejects.toMatchObject({ code: 'SESSION_EXPIRED' })
    await listen(zk).until(event => event.type === 'established')
    await expect(zk.create('/a', null)).rejects.toMatchObject({ code: 'NODE_EXISTS' })
    expect(seen).toEqual([createType])
  })

  test('close: the server never answers it: resolves all the same', async () => {
    const asked: number[] = []
    const server = await serverThat(({ type }) => void asked.push(type), { answersClose: false })
    const zk = await connectedTo(server, 500)
    await zk.close()
    expect(asked).toEqual([closeType])
  })

  test('close: calls that wait for an answer: settle', async () => {
    const server = await serverThat(() => {}, { answersClose: false })
    const zk = await connectedTo(server, 500)
    const waiting = expect(zk.create('/a', null)).rejects.toMatchObject({
      code: expect.stringMatching(/SESSION_EXPIRED|UNKNOWN_OUTCOME/),
    })
    await zk.close()
    await waiting
  })

  describe('requests in flight: three at most', () => {
    /** Holds creates back until the test answers them. */
    async function holding() {
      const held: ScriptedRequest[] = []
      const arrivals: (() => void)[] = []
      const server = await serverThat(request => {
        held.push(request)
        for (const tell of arrivals.splice(0)) tell()
      })
      const zk = await connectedTo(server, 4000, 3)
      const calls = Array.from({ length: 8 }, (_, i) => zk.create(`/${i}`, null))
      for (const call of calls) call.catch(() => {})
      const arrived = async (count: number): Promise<void> => {
        while (held.length < count) await new Promise<void>(resolve => arrivals.push(resolve))
      }
      return { zk, held, calls, arrived }
    }

    test('each answer lets the next one go, in order', async () => {
      const { held, calls, arrived } = await holding()
      for (let next = 0; next < calls.length; next++) {
        await arrived(Math.min(next + 3, calls.length))
        expect(held).toHaveLength(Math.min(next + 3, calls.length))
        held[next]!.connection.reply(held[next]!.xid, -110)
        await expect(calls[next]).rejects.toMatchObject({ code: 'NODE_EXISTS', path: `/${next}` })
      }
    })

    test('the connection is lost: those that waited were never sent', async () => {
      const { held, calls, arrived } = await holding()
      await arrived(3)
      held[0]!.connection.sendRaw(Buffer.from('7fffffff', 'hex'))
      const codes = await Promise.all(calls.map(call => call.catch((error: { code: string }) => error.code)))
      expect(codes).toEqual([...Array<string>(3).fill('UNKNOWN_OUTCOME'), ...Array<string>(5).fill('NOT_CONNECTED')])
    })

    test('close: those that wait are sent before it', async () => {
      const { zk, held, arrived } = await holding()
      await arrived(3)
      const closed = zk.close()
      await arrived(8)
      expect(held).toHaveLength(8)
      await closed
    })
  })

  test('xid: at the end of the 31 bits: begins again, calls are answered', async () => {
    const xids: number[] = []
    const server = await ScriptedServer.start(({ xid, connection }) => {
      xids.push(xid)
      connection.reply(xid, 0, emptyStat)
    })
    cleanUp.push(() => server.stop())
    const [host, port] = server.address.split(':') as [string, string]
    const confirmed = Promise.withResolvers<void>()
    const connection = new GuardedConnection({
      ...{
        world,
        logger: silentLogger,
        servers: [{ host, port: Number(port) }],
        sessionTimeoutMs: 4000,
        session: null,
        auth: [],
        inFlightMax: 10,
      },
      watchedPaths: () => [],
      events: { onConnected: confirmed.resolve, onDisconnected: () => {}, onWatchEvent: () => {}, onEnded: () => {} },
    })
    cleanUp.push(async () => connection.abandon())
    connection.connect()
    await confirmed.promise
    connection.xid = 2 ** 31 - 2 ** 16 - 2
    const answers = Array.from(
      { length: 4 },
      () => new Promise(resolve => connection.call(existsCall('/', false), resolve)),
    )
    expect(await Promise.all(answers)).toEqual([null, null, null, null])
    expect(xids).toEqual([2 ** 31 - 2 ** 16 - 2, 2 ** 31 - 2 ** 16 - 1, 1, 2])
  })
})

import { afterEach, describe, expect, test } from '@jest/globals'
import type { Logger, LogFields } from '@millrace/runtime/logger'
import { nodeWorld } from '@millrace/runtime/node/world'
import type { Frame, FrameConnection, FrameReceiver, World } from '@millrace/runtime/ports'
import { Dispatcher } from '../api/dispatch.ts'
import {
  answersLater,
  CloseConnection,
  noAnswer,
  type Answer,
  type Handler,
  type RequestContext,
} from '../api/handler.ts'
import { BindFailed, RequestServer, type ConnectionLimits, type RequestServerOptions } from './listener.ts'

const world: World = nodeWorld()
const running: { close(): Promise<void> | void }[] = []

afterEach(async () => {
  for (const each of running.splice(0).reverse()) await each.close()
})

/** Remembers lines instead of writing them. */
class LogRecorder implements Logger {
  readonly lines: { level: string; message: string; fields: LogFields | undefined }[] = []
  readonly isDebug = true
  error = (message: string, fields?: LogFields): void => this.add('error', message, fields)
  warn = (message: string, fields?: LogFields): void => this.add('warn', message, fields)
  info = (message: string, fields?: LogFields): void => this.add('info', message, fields)
  debug = (message: string, fields?: LogFields): void => this.add('debug', message, fields)
  child(): Logger {
    return this
  }
  private add(level: string, message: string, fields: LogFields | undefined): void {
    this.lines.push({ level, message, fields })
  }
}

/** A handler of the test: its API key, and what it does with a body that is plain text. */
interface Behaviour {
  readonly isPipelined?: boolean
  readonly retainFrom?: number
  run(text: string, context: RequestContext, bytes: Buffer): Answer | Promise<Answer> | typeof answersLater
}

const Produce = 0
const Fetch = 1
const Metadata = 3

function handlersOf(behaviours: Readonly<Record<number, Behaviour>>): ReadonlyMap<number, Handler<object>> {
  return new Map(
    Object.entries(behaviours).map(([key, behaviour]) => [
      Number(key),
      {
        apiKey: Number(key),
        name: `api ${key}`,
        versions: [0, 2],
        flexibleSince: Infinity,
        servedFrom: 0,
        retainFrom: behaviour.retainFrom ?? Infinity,
        isPipelined: behaviour.isPipelined ?? false,
        run: ({ buffer, position, end }, context) =>
          behaviour.run(buffer.toString('latin1', position, end), context, buffer.subarray(position, end)),
      } satisfies Handler<object>,
    ]),
  )
}

/** A response frame: correlation id and text. */
function text(context: RequestContext, body: string): Answer {
  const frame = Buffer.alloc(8 + body.length)
  frame.writeInt32BE(4 + body.length, 0)
  frame.writeInt32BE(context.correlationId, 4)
  frame.write(body, 8, 'latin1')
  return { kind: 'parts', parts: [frame] }
}

function request(apiKey: number, correlationId: number, body: string, version = 0): Buffer {
  const frame = Buffer.alloc(4 + 10 + body.length)
  frame.writeInt32BE(10 + body.length, 0)
  frame.writeInt16BE(apiKey, 4)
  frame.writeInt16BE(version, 6)
  frame.writeInt32BE(correlationId, 8)
  frame.writeInt16BE(-1, 12)
  frame.write(body, 14, 'latin1')
  return frame
}

class Client implements FrameReceiver {
  readonly answers: [correlationId: number, body: string][] = []
  isClosed = false
  connection!: FrameConnection
  private waiting: { condition: () => boolean; resolve: () => void }[] = []

  static async connect(port: number): Promise<Client> {
    const client = new Client()
    client.connection = await world.transport.connect({
      host: '127.0.0.1',
      port,
      timeoutMs: 5000,
      maxFrameBytes: 64 * 1024 * 1024,
      receiver: client,
    })
    running.push({ close: () => client.connection.destroy() })
    return client
  }

  send(...frames: Buffer[]): void {
    this.connection.send([Buffer.concat(frames)])
  }
  onFrame({ buffer, start, end }: Frame): void {
    this.answers.push([buffer.readInt32BE(start), buffer.toString('latin1', start + 4, end)])
    this.check()
  }
  onClosed(): void {
    this.isClosed = true
    this.check()
  }
  until(condition: () => boolean): Promise<void> {
    return new Promise(resolve => {
      this.waiting.push({ condition, resolve })
      this.check()
    })
  }
  async answered(count: number): Promise<typeof this.answers> {
    await this.until(() => this.answers.length >= count)
    return this.answers
  }
  async closed(): Promise<void> {
    await this.until(() => this.isClosed)
  }
  private check(): void {
    const ready = this.waiting.filter(({ condition }) => condition())
    this.waiting = this.waiting.filter(each => !ready.includes(each))
    for (const { resolve } of ready) resolve()
  }
}

const limits: ConnectionLimits = {
  connectionsMax: 0x7fffffff,
  connectionsPerIpMax: 0x7fffffff,
  connectionsPerIpOverrides: new Map(),
  connectionCreationRate: 0x7fffffff,
  ofListener: () => ({ connectionsMax: Infinity, connectionCreationRate: Infinity }),
  idleMaxMs: 600_000,
}

async function serve(
  behaviours: Readonly<Record<number, Behaviour>>,
  options: Partial<RequestServerOptions> & { isHeld?: boolean } = {},
): Promise<{ server: RequestServer; port: number; logger: LogRecorder; violations: Error[] }> {
  const logger = new LogRecorder()
  const violations: Error[] = []
  const dispatcher = new Dispatcher<object>({
    handlers: handlersOf(behaviours),
    services: {},
    logger,
    onInvariantViolation: error => violations.push(error),
  })
  const server = new RequestServer({
    world,
    logger,
    listeners: [{ name: 'PLAINTEXT', host: '127.0.0.1', port: 0 }],
    interBrokerListener: 'PLAINTEXT',
    dispatcher,
    limits,
    requestBytesMax: 32 * 1024 * 1024,
    queuedRequestBytesMax: -1,
    queuedRequestsMax: 500,
    ...options,
  })
  const [bound] = await server.bind()
  running.push({ close: () => server.abandon() })
  if (options.isHeld !== true) server.startProcessing()
  return { server, port: bound!.port, logger, violations }
}

const echo: Behaviour = { run: (body, context) => text(context, body) }

/** A handler whose answers wait until the test lets them go. */
class Held implements Behaviour {
  readonly isPipelined: boolean
  readonly retainFrom = 0
  readonly started: string[] = []
  private readonly contexts: { body: string; context: RequestContext }[] = []
  private onStart: (() => void) | null = null

  constructor(isPipelined: boolean) {
    this.isPipelined = isPipelined
  }
  run(body: string, context: RequestContext): typeof answersLater {
    this.started.push(body)
    this.contexts.push({ body, context })
    this.onStart?.()
    return answersLater
  }
  letGo(body: string): void {
    const { context } = this.contexts.find(each => each.body === body)!
    context.answer(text(context, body))
  }
  async untilStarted(count: number): Promise<void> {
    while (this.started.length < count) await new Promise<void>(resolve => (this.onStart = resolve))
  }
}

describe('order', () => {
  test('answers: pipelined requests finish backwards: they leave in request order', async () => {
    const held = new Held(true)
    const { port } = await serve({ [Produce]: held })
    const client = await Client.connect(port)
    client.send(request(Produce, 1, 'a'), request(Produce, 2, 'b'), request(Produce, 3, 'c'))
    await held.untilStarted(3)
    for (const body of ['c', 'b', 'a']) held.letGo(body)
    expect(await client.answered(3)).toEqual([
      [1, 'a'],
      [2, 'b'],
      [3, 'c'],
    ])
  })

  test('start: a serial request behind a pipelined one that waits: starts when that is answered', async () => {
    const held = new Held(true)
    const seen: string[] = []
    const fetch: Behaviour = {
      run: (body, context) => {
        seen.push(body)
        return text(context, body)
      },
    }
    const { port } = await serve({ [Produce]: held, [Fetch]: fetch })
    const client = await Client.connect(port)
    client.send(request(Produce, 1, 'a'), request(Fetch, 2, 'f'), request(Produce, 3, 'b'))
    await held.untilStarted(1)
    expect(seen).toEqual([])
    expect(held.started).toEqual(['a'])
    held.letGo('a')
    await held.untilStarted(2)
    expect(seen).toEqual(['f'])
    held.letGo('b')
    expect((await client.answered(3)).map(([id]) => id)).toEqual([1, 2, 3])
  })

  test('start: behind a serial request: nothing, pipelined or not', async () => {
    const serial = new Held(false)
    const pipelined = new Held(true)
    const { port } = await serve({ [Fetch]: serial, [Produce]: pipelined })
    const client = await Client.connect(port)
    client.send(request(Fetch, 1, 'f'), request(Produce, 2, 'p'))
    await serial.untilStarted(1)
    expect(pipelined.started).toEqual([])
    serial.letGo('f')
    await pipelined.untilStarted(1)
    pipelined.letGo('p')
    expect(await client.answered(2)).toEqual([
      [1, 'f'],
      [2, 'p'],
    ])
  })

  test('promises: answers of async handlers: in order, one at a time', async () => {
    let running = 0
    let most = 0
    const slow: Behaviour = {
      run: async (body, context) => {
        most = Math.max(most, ++running)
        await Promise.resolve()
        running--
        return text(context, body)
      },
    }
    const { port } = await serve({ [Metadata]: slow })
    const client = await Client.connect(port)
    client.send(...Array.from({ length: 40 }, (_, index) => request(Metadata, index, `${index}`)))
    expect((await client.answered(40)).map(([id]) => id)).toEqual(Array.from({ length: 40 }, (_, index) => index))
    expect(most).toBe(1)
  })

  test('no answer (acks=0): the next answer follows', async () => {
    const silent: Behaviour = { run: (body, context) => (body === 'quiet' ? noAnswer : text(context, body)) }
    const { port } = await serve({ [Produce]: silent })
    const client = await Client.connect(port)
    client.send(request(Produce, 1, 'quiet'), request(Produce, 2, 'loud'))
    expect(await client.answered(1)).toEqual([[2, 'loud']])
  })

  test('retained frames: a body read after the next frame has arrived: still its own bytes', async () => {
    const bodies: string[] = []
    const late: Behaviour = {
      isPipelined: true,
      retainFrom: 0,
      run: (body, context, bytes) => {
        void Promise.resolve().then(() => {
          bodies.push(bytes.toString('latin1'))
          context.answer(text(context, body))
        })
        return answersLater
      },
    }
    const { port, server } = await serve({ [Produce]: late })
    const client = await Client.connect(port)
    client.send(request(Produce, 1, 'first'), request(Produce, 2, 'second'))
    await client.answered(2)
    expect(bodies).toEqual(['first', 'second'])
    expect(server.queuedRequestBytes).toBe(0)
  })
})

describe('malformed requests', () => {
  const lineAbout = (logger: LogRecorder): LogFields[] =>
    logger.lines
      .filter(({ message }) => message === 'request refused, connection closed')
      .map(({ fields }) => fields ?? {})

  const cases: [string, Buffer, RegExp][] = [
    ['unknown API key', request(77, 1, ''), /not supported/],
    ['negative API key', request(-3, 1, ''), /not supported/],
    ['version above ours', request(Metadata, 1, '', 3), /version/],
    ['negative version', request(Metadata, 1, '', -1), /version/],
    ['frame of one byte', Buffer.from([0, 0, 0, 1, 9]), /byte/],
    ['empty frame', Buffer.from([0, 0, 0, 0]), /byte/],
    ['client id longer than the frame', Buffer.from('0000000a00030000000000010fff', 'hex'), /byte/],
    ['negative size', Buffer.from('ffffffff', 'hex'), /-1/],
    ['oversize', Buffer.from('7fffffff', 'hex'), /2147483647/],
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\n\r\n'), /bytes/],
  ]
  test.each(cases)('%s: that connection is closed with one line, others live', async (_name, bytes, reason) => {
    const { port, logger } = await serve({ [Metadata]: echo })
    const other = await Client.connect(port)
    const bad = await Client.connect(port)
    bad.send(bytes)
    await bad.closed()
    expect(bad.answers).toEqual([])
    other.send(request(Metadata, 5, 'alive'))
    expect(await other.answered(1)).toEqual([[5, 'alive']])
    expect(lineAbout(logger)).toHaveLength(1)
    expect(lineAbout(logger)[0]!['reason']).toMatch(reason)
    expect(lineAbout(logger)[0]!['clientAddress']).toBe('127.0.0.1')
  })

  test('CloseConnection: earlier answers leave first, one line', async () => {
    const picky: Behaviour = {
      run: (body, context) => {
        if (body === 'bad') throw new CloseConnection('because')
        return text(context, body)
      },
    }
    const { port, logger } = await serve({ [Produce]: picky })
    const client = await Client.connect(port)
    client.send(request(Produce, 1, 'good'), request(Produce, 2, 'bad'), request(Produce, 3, 'never'))
    await client.closed()
    expect(client.answers).toEqual([[1, 'good']])
    expect(lineAbout(logger)).toEqual([expect.objectContaining({ api: 'Produce', version: 0, reason: 'because' })])
  })

  test('a handler that throws: one error line with the stack, connection closed', async () => {
    const broken: Behaviour = {
      run: () => {
        throw new Error('oops')
      },
    }
    const { port, logger, violations } = await serve({ [Produce]: broken })
    const client = await Client.connect(port)
    client.send(request(Produce, 1, ''))
    await client.closed()
    const loud = logger.lines.filter(({ level }) => level !== 'debug')
    expect(loud).toHaveLength(1)
    expect(loud[0]).toMatchObject({
      level: 'error',
      fields: { api: 'Produce', error: expect.stringContaining('oops') },
    })
    expect(violations).toEqual([])
  })
})

describe('bounds', () => {
  test('connections per address: one too many is refused, room returns when one leaves', async () => {
    const { port, server, logger } = await serve(
      { [Metadata]: echo },
      { limits: { ...limits, connectionsPerIpMax: 2 } },
    )
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
})

describe('life', () => {
  test('before startProcessing: connections are accepted and wait', async () => {
    const { port, server } = await serve({ [Metadata]: echo }, { isHeld: true })
    const client = await Client.connect(port)
    client.send(request(Metadata, 1, 'early'))
    const second = await Client.connect(port)
    await second.until(() => server.connectionCount === 2 || second.isClosed)
    expect(client.answers).toEqual([])
    server.startProcessing()
    expect(await client.answered(1)).toEqual([[1, 'early']])
  })

  test('stop: what was started is answered, then connections end and no new one comes', async () => {
    const held = new Held(true)
    const { port, server } = await serve({ [Produce]: held })
    const client = await Client.connect(port)
    client.send(request(Produce, 1, 'a'))
    await held.untilStarted(1)
    const stopped = server.stop(10_000)
    client.send(request(Produce, 2, 'late'))
    held.letGo('a')
    await stopped
    await client.closed()
    expect(client.answers).toEqual([[1, 'a']])
    expect(held.started).toEqual(['a'])
    await expect(Client.connect(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  test('bind: a port that is taken: BindFailed names it, nothing stays open', async () => {
    const { port } = await serve({ [Metadata]: echo })
    const failed = serve(
      { [Metadata]: echo },
      {
        listeners: [
          { name: 'A', host: '127.0.0.1', port: 0 },
          { name: 'B', host: '127.0.0.1', port },
        ],
      },
    )
    await expect(failed).rejects.toBeInstanceOf(BindFailed)
    await expect(failed).rejects.toThrow(`B cannot be bound to 127.0.0.1:${port}`)
  })
})

import { FrameRecorder } from '@millrace/testing/world/frame-recorder'
import { afterEach, describe, expect, test } from '@jest/globals'
import { spawn } from 'node:child_process'
import net from 'node:net'
import type { ConnectOptions, Frame, FrameConnection, Listener, ListenOptions, World } from '../ports.ts'
import { nodeWorld } from './world.ts'

const open: { close(): unknown }[] = []

afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close()
})

interface Accepted {
  readonly connection: FrameConnection
  readonly recorder: FrameRecorder
}

interface Server {
  readonly world: World
  readonly listener: Listener
  readonly accepted: Accepted[]
  /** The connection number `index`, once it is there. */
  connection(index?: number): Promise<Accepted>
}

async function serve(
  options: Partial<ListenOptions> & {
    receive?: 'direct' | 'data'
    onEach?: (frame: Frame, connection: FrameConnection) => void
    closeTimeoutMs?: number
  } = {},
): Promise<Server> {
  const { receive = 'direct', closeTimeoutMs = 5000, onEach, ...listen } = options
  const world = nodeWorld({ receive, closeTimeoutMs })
  const accepted: Accepted[] = []
  const waiting: (() => void)[] = []
  const listener = await world.transport.listen({
    host: '127.0.0.1',
    port: 0,
    maxFrameBytes: 16 * 1024 * 1024,
    accept: connection => {
      const recorder = new FrameRecorder()
      if (onEach !== undefined) recorder.onEach = frame => onEach(frame, connection)
      accepted.push({ connection, recorder })
      for (const wake of waiting.splice(0)) wake()
      return recorder
    },
    ...listen,
  })
  open.push({
    close: () => {
      for (const { connection } of accepted) connection.destroy()
      return listener.close()
    },
  })
  const connection = async (index = 0): Promise<Accepted> => {
    while (accepted.length <= index) await new Promise<void>(resolve => waiting.push(resolve))
    return accepted[index]!
  }
  return { world, listener, accepted, connection }
}

async function connect(
  port: number,
  options: Partial<ConnectOptions> & { receive?: 'direct' | 'data'; world?: World } = {},
): Promise<Accepted> {
  const { receive = 'direct', world = nodeWorld({ receive }), ...rest } = options
  const recorder = new FrameRecorder()
  const connection = await world.transport.connect({
    host: '127.0.0.1',
    port,
    timeoutMs: 5000,
    maxFrameBytes: 16 * 1024 * 1024,
    receiver: recorder,
    ...rest,
  })
  open.push({ close: () => connection.destroy() })
  return { connection, recorder }
}

/** A client of which the test sees every byte and every read. */
async function rawClient(port: number): Promise<net.Socket> {
  const socket = net.connect({ port, host: '127.0.0.1', noDelay: true })
  await new Promise(resolve => socket.once('connect', resolve))
  open.push({ close: () => socket.destroy() })
  return socket
}

function framed(payload: string | Buffer): Buffer {
  const bytes = Buffer.from(payload)
  const prefix = Buffer.alloc(4)
  prefix.writeInt32BE(bytes.length)
  return Buffer.concat([prefix, bytes])
}

function numbered(count: number, size: number): Buffer[] {
  return Array.from({ length: count }, (_, index) => Buffer.alloc(size, index + 1))
}

const nextTurn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

describe.each(['direct', 'data'] as const)('transport, receiving %s', receive => {
  const echo = {
    receive,
    onEach: (frame: Frame, connection: FrameConnection) =>
      connection.send([framed(frame.buffer.subarray(frame.start, frame.end))]),
  }

  test('frames of all sizes both ways: arrive whole and in order', async () => {
    const server = await serve(echo)
    const { connection, recorder } = await connect(server.listener.port, { receive })
    const payloads = [0, 1, 3, 100, 16_384, 65_531, 65_532, 65_533, 70_000, 1_048_576, 5_000_000, 7].map(
      (size, index) => Buffer.alloc(size, index + 1),
    )
    for (const payload of payloads) connection.send([framed(payload)])
    await recorder.untilFrames(payloads.length)
    expect(recorder.frames.map((frame, index) => frame.equals(payloads[index]!))).toEqual(payloads.map(() => true))
  })

  test('a frame in single bytes: arrives whole', async () => {
    const server = await serve({ receive })
    const socket = await rawClient(server.listener.port)
    for (const byte of framed('slowly')) {
      socket.write(Buffer.from([byte]))
      await nextTurn()
    }
    const { recorder } = await server.connection()
    await recorder.untilFrames(1)
    expect(recorder.text).toEqual(['slowly'])
  })

  test.each([
    ['negative', -1],
    ['above the limit', 1001],
  ])('announced size %s: that connection ends with FRAME_SIZE, others stay', async (_, size) => {
    const server = await serve({ ...echo, maxFrameBytes: 1000 })
    const other = await connect(server.listener.port)
    const socket = await rawClient(server.listener.port)
    const prefix = Buffer.alloc(4)
    prefix.writeInt32BE(size)
    socket.write(prefix)
    const { recorder } = await server.connection(1)
    expect(await recorder.untilClosed()).toMatchObject({ name: 'TransportError', code: 'FRAME_SIZE' })
    other.connection.send([framed('still here')])
    await other.recorder.untilFrames(1)
  })

  test('peer ends after a frame: the frame is delivered, then an orderly end; nobody stays behind', async () => {
    const server = await serve({ receive })
    const socket = await rawClient(server.listener.port)
    const ended = new Promise(resolve => socket.once('close', resolve))
    socket.end(framed('last words'))
    const { recorder, connection } = await server.connection()
    expect(await recorder.untilClosed()).toBeNull()
    expect(recorder.text).toEqual(['last words'])
    expect(connection.isClosed).toBe(true)
    await ended
  })

  test('peer half-closes while an answer is under way: the answer still arrives', async () => {
    const server = await serve(echo)
    const socket = net.connect({ port: server.listener.port, host: '127.0.0.1', allowHalfOpen: true })
    const chunks: Buffer[] = []
    socket.on('data', chunk => chunks.push(chunk))
    const ended = new Promise(resolve => socket.once('end', resolve))
    socket.end(framed(Buffer.alloc(3_000_000, 5)))
    await ended
    socket.destroy()
    expect(Buffer.concat(chunks).length).toBe(3_000_004)
  })

  test('peer resets: the end says so', async () => {
    const server = await serve({ receive })
    const socket = await rawClient(server.listener.port)
    const { recorder } = await server.connection()
    socket.resetAndDestroy()
    expect(await recorder.untilClosed()).toMatchObject({ code: 'ECONNRESET' })
  })

  test('receiver throws: its connection ends with that error, the next one is served', async () => {
    const server = await serve({
      receive,
      onEach: frame => {
        if (frame.end - frame.start === 3) throw new Error('no threes')
      },
    })
    const first = await connect(server.listener.port)
    first.connection.send([framed('one'), framed('after it')])
    const { recorder } = await server.connection()
    expect(await recorder.untilClosed()).toMatchObject({ message: 'no threes' })
    expect(recorder.text).toEqual(['one'])
    expect(await first.recorder.untilClosed()).not.toBeUndefined()
    const second = await connect(server.listener.port)
    second.connection.send([framed('four')])
    const next = await server.connection(1)
    await next.recorder.untilFrames(1)
  })

  test('paused: nothing more is read until resumed', async () => {
    const server = await serve({ receive })
    const { connection } = await connect(server.listener.port)
    const { connection: theirs, recorder } = await server.connection()
    theirs.pause()
    const payloads = numbered(200, 100_000)
    for (const payload of payloads) connection.send([framed(payload)])
    for (let turn = 0; turn < 50; turn++) await nextTurn()
    expect(recorder.frames.length).toBe(0)
    expect(connection.queuedBytes).toBeGreaterThan(0)
    theirs.resume()
    await recorder.untilFrames(200)
    expect(recorder.frames.every((frame, index) => frame.equals(payloads[index]!))).toBe(true)
  })

  test('paused by accept, before anything was read: nothing comes until resumed', async () => {
    const recorder = new FrameRecorder()
    let theirs: FrameConnection | null = null
    const accept = (connection: FrameConnection): FrameRecorder => {
      theirs = connection
      connection.pause()
      return recorder
    }
    const server = await serve({ receive, accept })
    const { connection } = await connect(server.listener.port)
    await new Promise<void>(resolve => connection.send([framed('early'), framed(Buffer.alloc(200_000))], resolve))
    for (let turn = 0; turn < 50; turn++) await nextTurn()
    expect(recorder.frames.length).toBe(0)
    theirs!.resume()
    await recorder.untilFrames(2)
  })

  test('paused inside onFrame: goes on after resume', async () => {
    const server = await serve({ receive, onEach: (_, connection) => connection.pause() })
    const { connection } = await connect(server.listener.port)
    const { connection: theirs, recorder } = await server.connection()
    for (let index = 0; index < 5; index++) {
      connection.send([framed(Buffer.alloc(100_000, index))])
      await recorder.untilFrames(index + 1)
      theirs.resume()
    }
    expect(recorder.frames.map(frame => frame[0])).toEqual([0, 1, 2, 3, 4])
  })

  test('destroyed inside onFrame: no frame comes after it, the end does', async () => {
    const server = await serve({ receive, onEach: (_, connection) => connection.destroy() })
    const { connection } = await connect(server.listener.port)
    connection.send([framed('a'), framed('b'), framed('c')])
    const { recorder } = await server.connection()
    expect(await recorder.untilClosed()).toBeNull()
    expect(recorder.text).toEqual(['a'])
  })

  test('hundred connections that came and went: the listener forgets them', async () => {
    const server = await serve({ receive })
    for (let index = 0; index < 100; index++) {
      const socket = await rawClient(server.listener.port)
      socket.end(framed(`${index}`))
      const { recorder } = await server.connection(index)
      await recorder.untilClosed()
    }
    // The undocumented part: without destroying the shell the server would count them for ever.
    const count = await new Promise<number>((resolve, reject) =>
      serverOf(server.listener).getConnections((error, n) => (error ? reject(error) : resolve(n))),
    )
    expect(count).toBe(0)
  })
})

/** The node server behind a listener: a test may look where no one else does. */
function serverOf(listener: Listener): net.Server {
  return (listener as unknown as { server: net.Server }).server
}

describe('transport', () => {
  test('socket without a handle to move: falls back to data events', async () => {
    const server = await serve()
    const [accept] = serverOf(server.listener).listeners('connection') as [(socket: net.Socket) => void]
    serverOf(server.listener).removeListener('connection', accept)
    serverOf(server.listener).on('connection', (socket: net.Socket) => {
      // As a TLS socket or a future Node might be: the handle is not ours to take.
      const proxy = new Proxy(socket, {
        get: (target, key) => {
          if (key === '_handle') return undefined
          const value = Reflect.get(target, key, target) as unknown
          return typeof value === 'function' ? value.bind(target) : value
        },
      })
      accept(proxy)
    })
    const { connection } = await connect(server.listener.port)
    connection.send([framed('through the side door'), framed(Buffer.alloc(300_000, 1))])
    const { recorder } = await server.connection()
    await recorder.untilFrames(2)
    expect(recorder.text[0]).toBe('through the side door')
  })

  test('everything sent in one turn: leaves in one write, in order', async () => {
    const server = await serve()
    const { connection } = await connect(server.listener.port)
    const socket = socketOf(connection)
    const writes: number[] = []
    const { recorder } = await server.connection()
    countWrites(socket, writes)
    for (let index = 0; index < 10; index++) connection.send([framed(`small ${index}`)])
    await recorder.untilFrames(10)
    expect(writes.length).toBe(1)
    for (let index = 0; index < 10; index++) connection.send([framed(Buffer.alloc(50_000, index)), framed('small')])
    await recorder.untilFrames(30)
    expect(writes.length).toBe(2)
    expect(recorder.frames.slice(10).map(frame => frame.length)).toEqual(
      Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? 50_000 : 5)),
    )
  })

  test('request, group commit in soon, answer two awaits later: written in the same turn, once for all requests', async () => {
    const world = nodeWorld()
    let turns = 0
    const count = (): void => {
      turns++
      counting = setImmediate(count)
    }
    let counting: NodeJS.Immediate | null = null
    const seen: { received: number; committed: number }[] = []
    const written: number[] = []
    let waiting: (() => void)[] = []
    const commit = (): Promise<void> =>
      new Promise(resolve => {
        if (waiting.length === 0) {
          world.timers.soon(() => {
            const group = waiting
            waiting = []
            for (const done of group) done()
          })
        }
        waiting.push(resolve)
      })
    const listener = await world.transport.listen({
      host: '127.0.0.1',
      port: 0,
      maxFrameBytes: 1000,
      accept: connection => {
        countWrites(socketOf(connection), written, () => turns)
        const handle = async (received: number): Promise<void> => {
          await commit()
          await Promise.resolve()
          seen.push({ received, committed: turns })
          connection.send([framed('answer')])
        }
        return { onFrame: () => void handle(turns), onClosed: () => {} }
      },
    })
    open.push(listener)
    const { connection, recorder } = await connect(listener.port)
    await nextTurn()
    count()
    connection.send([framed('one'), framed('two'), framed('three')])
    await recorder.untilFrames(3)
    clearImmediate(counting!)
    expect(seen.length).toBe(3)
    expect(written.length).toBe(1)
    // `count` runs once per turn, in the check phase: before our pair if it was queued first. So equal or one more.
    for (const { received, committed } of seen) {
      expect(committed - received).toBeLessThanOrEqual(1)
      expect(written[0]).toBe(committed)
    }
  })

  test('onWritten: once per send, in order, when the system took the bytes', async () => {
    const server = await serve()
    const { connection } = await connect(server.listener.port)
    const { connection: theirs, recorder } = await server.connection()
    const log: string[] = []
    await new Promise<void>(resolve => {
      connection.send([framed('a')], () => log.push('a'))
      connection.send([framed(Buffer.alloc(100_000))], () => log.push('b'))
      connection.send([framed('c')], () => {
        log.push('c')
        resolve()
      })
      expect(log).toEqual([])
      expect(connection.queuedBytes).toBe(5 + 100_004 + 5)
    })
    expect(log).toEqual(['a', 'b', 'c'])
    expect(connection.queuedBytes).toBe(0)
    await recorder.untilFrames(3)
    expect(theirs.queuedBytes).toBe(0)
  })

  test('small answers to a reader that stalls: no byte of a shared buffer is overwritten', async () => {
    const server = await serve()
    const socket = await rawClient(server.listener.port)
    socket.pause()
    const { connection } = await server.connection()
    let sent = 0
    // Until the kernel's buffers are full and writes stay pending; then twenty more turns.
    for (let more = 20; more > 0;) {
      connection.send([framed(Buffer.alloc(10_000, sent % 251)), framed(Buffer.alloc(10_000, sent % 251))])
      sent++
      await nextTurn()
      if (connection.queuedBytes > 0) more--
    }
    const chunks: Buffer[] = []
    let length = 0
    await new Promise<void>(resolve => {
      socket.on('data', chunk => {
        chunks.push(chunk)
        length += chunk.length
        if (length === sent * 20_008) resolve()
      })
      socket.resume()
    })
    const stream = Buffer.concat(chunks)
    for (let index = 0; index < sent; index++) {
      const frame = stream.subarray(index * 20_008 + 4, index * 20_008 + 10_004)
      expect(frame.every(byte => byte === index % 251)).toBe(true)
    }
    expect(connection.queuedBytes).toBe(0)
  })

  test('small and large answers in turn to a reader that stalls: in order, each told of once', async () => {
    const server = await serve()
    const socket = await rawClient(server.listener.port)
    socket.pause()
    const { connection } = await server.connection()
    const told: number[] = []
    const frames: Buffer[] = []
    for (let more = 20; more > 0; more -= connection.queuedBytes > 0 ? 1 : 0) {
      const index = frames.length
      frames.push(framed(Buffer.alloc(index % 3 === 2 ? 200_000 : 100, index % 251)))
      connection.send([frames[index]!], () => told.push(index))
      if (index % 2 === 0) await nextTurn()
    }
    expect(told.length).toBeLessThan(frames.length)
    const chunks: Buffer[] = []
    socket.on('data', chunk => chunks.push(chunk))
    socket.resume()
    connection.close()
    await new Promise(resolve => socket.on('close', resolve))
    expect(Buffer.concat(chunks).equals(Buffer.concat(frames))).toBe(true)
    expect(told.toSorted((a, b) => a - b)).toEqual([...frames.keys()])
  })

  test('onDrained: after everything queued was taken', async () => {
    const server = await serve()
    const socket = await rawClient(server.listener.port)
    socket.pause()
    const { connection, recorder } = await server.connection()
    connection.send(numbered(100, 200_000).map(framed))
    await nextTurn()
    await nextTurn()
    expect(recorder.drained).toBe(0)
    expect(connection.queuedBytes).toBeGreaterThan(0)
    socket.resume()
    await recorder.until(() => recorder.drained > 0)
    expect([recorder.drained, connection.queuedBytes]).toEqual([1, 0])
  })

  test('closed: what was queued arrives, then the end; sending afterwards only calls back', async () => {
    const server = await serve()
    const { connection, recorder } = await connect(server.listener.port)
    const { recorder: theirs } = await server.connection()
    connection.send([framed(Buffer.alloc(3_000_000))])
    connection.close()
    await new Promise<void>(resolve => connection.send([framed('too late')], resolve))
    expect(await theirs.untilClosed()).toBeNull()
    expect(theirs.frames.map(frame => frame.length)).toEqual([3_000_000])
    expect(await recorder.untilClosed()).toBeNull()
  })

  test('destroyed with bytes queued: every onWritten is called once, then onClosed with the reason', async () => {
    const server = await serve()
    const { connection, recorder } = await connect(server.listener.port)
    const { connection: theirs } = await server.connection()
    theirs.pause()
    const log: number[] = []
    for (let index = 0; index < 3; index++) {
      connection.send([Buffer.alloc(10_000_000)], () => log.push(index))
      await nextTurn()
    }
    connection.send([Buffer.alloc(10)], () => log.push(3))
    connection.destroy(new Error('enough'))
    expect(await recorder.untilClosed()).toMatchObject({ message: 'enough' })
    expect(log).toEqual([0, 1, 2, 3])
    expect(connection.queuedBytes).toBe(0)
  })

  test('refused by accept: the client sees the end', async () => {
    const server = await serve({ accept: () => null })
    const { recorder } = await connect(server.listener.port)
    await recorder.untilClosed()
    const count = await new Promise<number>(resolve => serverOf(server.listener).getConnections((_, n) => resolve(n)))
    expect(count).toBe(0)
  })

  test('accept throws: that connection ends, onError hears why, the next one is served', async () => {
    const errors: Error[] = []
    const recorder = new FrameRecorder()
    let count = 0
    const accept = (): FrameRecorder => {
      if (count++ === 0) throw new Error('not ready')
      return recorder
    }
    const server = await serve({ accept, onError: error => errors.push(error) })
    const first = await connect(server.listener.port)
    await first.recorder.untilClosed()
    expect(errors.map(({ message }) => message)).toEqual(['not ready'])
    const second = await connect(server.listener.port)
    second.connection.send([framed('hello')])
    await recorder.untilFrames(1)
    second.connection.destroy()
    await recorder.untilClosed()
    const open = await new Promise<number>(resolve => serverOf(server.listener).getConnections((_, n) => resolve(n)))
    expect(open).toBe(0)
  })

  test('closed, but the peer reads nothing and never ends: broken off with TIMEOUT', async () => {
    const server = await serve({ closeTimeoutMs: 30 })
    const socket = await rawClient(server.listener.port)
    socket.pause()
    const { connection, recorder } = await server.connection()
    let written = 0
    connection.send([framed(Buffer.alloc(30_000_000))], () => written++)
    connection.close()
    expect(await recorder.untilClosed()).toMatchObject({ name: 'TransportError', code: 'TIMEOUT' })
    expect(written).toBe(1)
  })

  test('listener closed: the port is free at once, open connections go on', async () => {
    const server = await serve({ onEach: (_, connection) => connection.send([framed('pong')]) })
    const { connection, recorder } = await connect(server.listener.port)
    await server.connection()
    await server.listener.close()
    const again = await serve({ port: server.listener.port })
    expect(again.listener.port).toBe(server.listener.port)
    connection.send([framed('ping')])
    await recorder.untilFrames(1)
  })

  test('port taken: EADDRINUSE with the address in the message', async () => {
    const server = await serve()
    const { port } = server.listener
    await expect(serve({ port })).rejects.toMatchObject({
      code: 'EADDRINUSE',
      message: `Cannot listen on 127.0.0.1:${port}: EADDRINUSE`,
    })
  })

  test('nobody listens: ECONNREFUSED; no such host: ENOTFOUND or EAI_AGAIN', async () => {
    const server = await serve()
    await server.listener.close()
    await expect(connect(server.listener.port)).rejects.toMatchObject({ name: 'TransportError', code: 'ECONNREFUSED' })
    await expect(connect(1, { host: 'no-such-host.invalid' })).rejects.toMatchObject({
      code: expect.stringMatching(/^(ENOTFOUND|EAI_AGAIN)$/),
    })
  })

  test('no answer to the handshake: TIMEOUT', async () => {
    // A listener whose queue is full drops further handshakes: the way to be silent without leaving the machine.
    const script = `const net=require('net');const s=net.createServer();s.listen({port:0,host:'127.0.0.1',backlog:1},()=>{process.stdout.write(s.address().port+'\\n',()=>{Atomics.wait(new Int32Array(new SharedArrayBuffer(4)),0,0)})})`
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
    open.push({ close: () => child.kill('SIGKILL') })
    const silentPort = await new Promise<number>(resolve => child.stdout.once('data', line => resolve(Number(line))))
    const attempts = Array.from({ length: 8 }, () =>
      connect(silentPort, { timeoutMs: 300 }).then(
        () => 'connected',
        (error: { code: string }) => error.code,
      ),
    )
    expect(await Promise.all(attempts)).toContain('TIMEOUT')
  })

  test('IPv6: listens and connects; an IPv4 client of a dual listener is named by its plain address', async () => {
    const server = await serve({ host: '::', onEach: (_, connection) => connection.send([framed('pong')]) })
    for (const host of ['::1', '127.0.0.1']) {
      const { connection, recorder } = await connect(server.listener.port, { host })
      connection.send([framed('ping')])
      await recorder.untilFrames(1)
    }
    expect(server.accepted.map(({ connection }) => connection.remoteAddress)).toEqual(['::1', '127.0.0.1'])
    expect(server.accepted.every(({ connection }) => connection.localPort === server.listener.port)).toBe(true)
  })
})

function socketOf(connection: FrameConnection): net.Socket {
  return (connection as unknown as { socket: net.Socket }).socket
}

/** Counts what reaches the handle of the socket: one entry per system call, stamped. */
function countWrites(socket: net.Socket, writes: number[], stamp: () => number = () => 0): void {
  const handle = (socket as unknown as { _handle: Record<string, (...args: unknown[]) => unknown> })._handle
  for (const name of ['writeBuffer', 'writev']) {
    const original = handle[name]!
    handle[name] = (...args) => {
      writes.push(stamp())
      return original.apply(handle, args)
    }
  }
}

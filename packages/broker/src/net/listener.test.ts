import { afterEach, describe, expect, test } from '@jest/globals'
import type { LogFields } from '@millrace/runtime/logger'
import {
  Client,
  Fetch,
  Held,
  LogRecorder,
  Metadata,
  Produce,
  echo,
  endServers,
  request,
  serve,
  text,
  type Behaviour,
} from '@millrace/testing/net/request-server'
import { answersLater, CloseConnection, noAnswer } from '../api/handler.ts'
import { BindFailed } from './listener.ts'

afterEach(endServers)

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

import { TinyBroker } from '@millrace/testing/world/tiny-broker'
import { VirtualNetwork } from '@millrace/testing/world/virtual-network'
import { VirtualTime } from '@millrace/testing/world/virtual-time'
import { codec } from '@millrace/protocol/codec'
import { ErrorCode } from '@millrace/protocol/errors'
import { framed } from '@millrace/protocol/frame'
import { produceRequest } from '@millrace/protocol/messages/00-produce'
import { fetchRequest, fetchResponse, type FetchResponse } from '@millrace/protocol/messages/01-fetch'
import { metadataRequest, metadataResponse } from '@millrace/protocol/messages/03-metadata'
import { heartbeatRequest, heartbeatResponse } from '@millrace/protocol/messages/12-heartbeat'
import { apiVersionsRequest, apiVersionsResponse } from '@millrace/protocol/messages/18-api-versions'
import { Reader } from '@millrace/protocol/reader'
import { emptyOf, fallbackOf } from '@millrace/protocol/schema'
import { nodeWorld } from '@millrace/runtime/node/world'
import { describe, expect, test } from '@jest/globals'
import { Connection, type ConnectionOptions } from './connection.ts'

interface Setting {
  readonly time: VirtualTime
  readonly network: VirtualNetwork
  readonly broker: TinyBroker
  readonly ended: (Error | null)[]
  readonly open: (options?: Partial<ConnectionOptions>) => Promise<Connection>
}

/** Everything in virtual time, 1 ms between the two. */
async function setUp(): Promise<Setting> {
  const time = new VirtualTime()
  const network = new VirtualNetwork(time)
  const broker = new TinyBroker()
  await broker.listen(network)
  const ended: (Error | null)[] = []
  const open = async (options: Partial<ConnectionOptions> = {}): Promise<Connection> => {
    const opening = Connection.open(
      {
        host: '127.0.0.1',
        port: broker.port,
        clientId: 'me',
        versions: 'fixed',
        connectTimeoutMs: 1000,
        requestTimeoutMs: 500,
        onClosed: error => ended.push(error),
        ...options,
      },
      { transport: network, clock: time, timers: time },
    )
    opening.catch(() => {})
    await time.run(20)
    return opening
  }
  return { time, network, broker, ended, open }
}

const heartbeat = { ...emptyOf(heartbeatRequest), groupId: 'g' }

/** How a promise stands: its error, or what it resolved with, or nothing yet. */
function watch<T>(promise: Promise<T>): { value?: T; error?: Error } {
  const state: { value?: T; error?: Error } = {}
  promise.then(
    value => (state.value = value),
    (error: Error) => (state.error = error),
  )
  return state
}

describe('negotiation', () => {
  test('highest common versions are used; the software is named', async () => {
    const { broker, open, time } = await setUp()
    broker.versions = [
      [18, 0, 4],
      [3, 2, 5],
      [12, 0, 99],
    ]
    const connection = await open({ versions: 'negotiate' })
    expect(broker.headers.map(({ apiKey, apiVersion, clientId }) => [apiKey, apiVersion, clientId])).toEqual([
      [18, 4, 'me'],
    ])
    expect(codec(apiVersionsRequest, 4).decode(new Reader(broker.bodies[0]!))).toMatchObject({
      clientSoftwareName: 'millrace',
    })
    expect([
      connection.versionOf(metadataRequest),
      connection.versionOf(heartbeatRequest),
      connection.versionOf(metadataRequest, [0, 4]),
    ]).toEqual([5, 4, 4])
    const failed = watch(connection.request(fetchRequest, fetchResponse, emptyOf(fetchRequest)))
    const narrowed = watch(
      connection.request(metadataRequest, metadataResponse, emptyOf(metadataRequest), { versions: [6, 7] }),
    )
    await time.run()
    expect(failed.error).toMatchObject({
      name: 'UnsupportedVersion',
      outcome: 'not-sent',
      message: expect.stringContaining('FetchRequest no version'),
    })
    expect(narrowed.error).toMatchObject({
      name: 'UnsupportedVersion',
      message: expect.stringContaining('v2-5, asked for was v6-7'),
    })
  })

  test.each([
    ['names its versions', true, 2],
    ['is older than 2.4 and names none', false, 0],
  ])('broker that does not know our version and %s: asked again with one it knows', async (_, namesItself, second) => {
    const { broker, open } = await setUp()
    broker.versions = [
      [18, 0, 2],
      [3, 0, 5],
    ]
    broker.namesItself = namesItself
    const connection = await open({ versions: 'negotiate' })
    expect(broker.headers.map(({ apiVersion }) => apiVersion)).toEqual([4, second])
    expect(connection.versions!.get(3)).toEqual([0, 5])
  })

  test('refused: NegotiationFailed, connection ended', async () => {
    const { broker, open, time } = await setUp()
    broker.answer = function (this: TinyBroker, header, _response, _value) {
      delete (this as Partial<TinyBroker>).answer
      this.answer(header, apiVersionsResponse, {
        ...emptyOf(apiVersionsResponse),
        errorCode: ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
      })
    }
    await expect(open({ versions: 'negotiate' })).rejects.toMatchObject({
      name: 'NegotiationFailed',
      errorCode: ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
    })
    await time.run(5)
    expect(broker.closed).toBeNull()
  })

  test('no answer to it: RequestTimedOut after the connect timeout, handshake included', async () => {
    const { broker, network, time } = await setUp()
    broker.answer = () => {}
    const options = {
      host: '127.0.0.1',
      port: broker.port,
      clientId: 'me',
      versions: 'negotiate',
      connectTimeoutMs: 100,
      requestTimeoutMs: 5,
    } as const
    const state = watch(Connection.open(options, { transport: network, clock: time, timers: time }))
    await time.run(99)
    expect(state).toEqual({})
    await time.run(1)
    expect(state.error).toMatchObject({ name: 'RequestTimedOut', outcome: 'unknown' })
  })

  test('given up by its signal while waiting for the answer: ConnectionLost', async () => {
    const { broker, network, time } = await setUp()
    broker.answer = () => {}
    const options = {
      host: '127.0.0.1',
      port: broker.port,
      clientId: 'me',
      versions: 'negotiate',
      connectTimeoutMs: 100,
      requestTimeoutMs: 5,
    } as const
    const abort = new AbortController()
    const state = watch(Connection.open(options, { transport: network, clock: time, timers: time }, abort.signal))
    await time.run(10)
    abort.abort()
    await time.run(10)
    expect(state.error).toMatchObject({ name: 'ConnectionLost' })
    expect(broker.closed).toBeNull()
  })
})

describe('requests', () => {
  test('several at once: sent together, answered in order, each to its own', async () => {
    const { broker, open, time } = await setUp()
    const connection = await open()
    broker.onRequest = (header, body) => {
      const { groupId } = codec(heartbeatRequest, header.apiVersion).decode(body)
      broker.answer(header, heartbeatResponse, { ...emptyOf(heartbeatResponse), throttleTimeMs: Number(groupId) })
    }
    const answers = [1, 2, 3].map(n =>
      watch(connection.request(heartbeatRequest, heartbeatResponse, { ...heartbeat, groupId: `${n}` })),
    )
    expect(connection.pendingCount).toBe(3)
    await time.run(2)
    expect(answers.map(({ value }) => value?.throttleTimeMs)).toEqual([1, 2, 3])
    expect(broker.headers.map(({ correlationId }) => correlationId)).toEqual([0, 1, 2])
    expect([connection.pendingCount, connection.answeredCount, time.pending]).toEqual([0, 3, 1])
  })

  test('more than may be under way: the rest waits its turn', async () => {
    const { broker, open, time } = await setUp()
    const connection = await open({ inFlightMax: 2 })
    const answers = [0, 1, 2, 3].map(() => watch(connection.request(heartbeatRequest, heartbeatResponse, heartbeat)))
    await time.run(5)
    expect(broker.headers.length).toBe(2)
    broker.answer(broker.headers[0]!, heartbeatResponse, emptyOf(heartbeatResponse))
    await time.run(5)
    expect(broker.headers.length).toBe(3)
    for (const header of broker.headers.slice(1)) broker.answer(header, heartbeatResponse, emptyOf(heartbeatResponse))
    await time.run(5)
    broker.answer(broker.headers[3]!, heartbeatResponse, emptyOf(heartbeatResponse))
    await time.run(5)
    expect(answers.every(({ value }) => value !== undefined)).toBe(true)
  })

  test('more bytes than may be pending: ConnectionOverloaded, nothing sent; room again after an answer', async () => {
    const { broker, open, time } = await setUp()
    const connection = await open({ pendingBytesMax: 1000, requestTimeoutMs: 10_000 })
    const large = { ...heartbeat, groupId: 'x'.repeat(800) }
    const first = watch(connection.request(heartbeatRequest, heartbeatResponse, large))
    const second = watch(connection.request(heartbeatRequest, heartbeatResponse, large))
    await time.run(5)
    expect(second.error).toMatchObject({ name: 'ConnectionOverloaded', outcome: 'not-sent' })
    broker.answer(broker.headers[0]!, heartbeatResponse, emptyOf(heartbeatResponse))
    await time.run(5)
    expect(first.value).toBeDefined()
    const tooLargeAlone = watch(
      connection.request(heartbeatRequest, heartbeatResponse, { ...heartbeat, groupId: 'x'.repeat(5000) }),
    )
    await time.run(5)
    expect([tooLargeAlone, broker.headers.length]).toEqual([{}, 2])
  })

  test('no answer in time: that one timed out, those behind it may have arrived, those waiting were not sent; the connection ends', async () => {
    const { broker, open, time, ended } = await setUp()
    const connection = await open({ inFlightMax: 2 })
    const slow = watch(connection.request(heartbeatRequest, heartbeatResponse, heartbeat, { timeoutMs: 100 }))
    const behind = watch(connection.request(heartbeatRequest, heartbeatResponse, heartbeat))
    const waiting = watch(connection.request(heartbeatRequest, heartbeatResponse, heartbeat))
    await time.run(99)
    expect([slow, behind, waiting]).toEqual([{}, {}, {}])
    await time.run(1)
    expect(slow.error).toMatchObject({ name: 'RequestTimedOut', outcome: 'unknown', timeoutMs: 100 })
    expect(behind.error).toMatchObject({ name: 'ConnectionLost', outcome: 'unknown' })
    expect(waiting.error).toMatchObject({ name: 'ConnectionLost', outcome: 'not-sent' })
    expect(connection.isClosed).toBe(true)
    const late = watch(connection.request(heartbeatRequest, heartbeatResponse, heartbeat))
    await time.run(5)
    expect(late.error).toMatchObject({ name: 'ConnectionLost', outcome: 'not-sent' })
    expect(ended).toEqual([slow.error])
    expect(broker.closed).toBeNull()
    expect(time.pending).toBe(0)
  })

  test('no room in time: timed out, not sent; the connection lives on', async () => {
    const { broker, open, time } = await setUp()
    const connection = await open({ inFlightMax: 1 })
    const first = watch(connection.request(heartbeatRequest, heartbeatResponse, heartbeat))
    const second = watch(connection.request(heartbeatRequest, heartbeatResponse, heartbeat, { timeoutMs: 50 }))
    await time.run(50)
    expect(second.error).toMatchObject({ name: 'RequestTimedOut', outcome: 'not-sent' })
    broker.answer(broker.headers[0]!, heartbeatResponse, emptyOf(heartbeatResponse))
    await time.run(5)
    expect(first.value).toBeDefined()
    expect(connection.isClosed).toBe(false)
  })

  test('broker goes away: what was sent may have arrived', async () => {
    const { broker, open, time, ended } = await setUp()
    const connection = await open()
    const state = watch(connection.request(heartbeatRequest, heartbeatResponse, heartbeat))
    await time.run(5)
    broker.connection!.destroy()
    await time.run(5)
    expect(state.error).toMatchObject({
      name: 'ConnectionLost',
      outcome: 'unknown',
      address: `127.0.0.1:${broker.port}`,
    })
    expect(ended).toEqual([null])
  })

  test('closed by us: pending requests fail, close resolves, onClosed says orderly', async () => {
    const { open, time, ended } = await setUp()
    const connection = await open()
    const state = watch(connection.request(heartbeatRequest, heartbeatResponse, heartbeat))
    const closed = watch(connection.close())
    const again = watch(connection.close())
    await time.run(5)
    expect(state.error).toMatchObject({ name: 'ConnectionLost' })
    expect(['value' in closed, 'value' in again, ended]).toEqual([true, true, [null]])
  })

  test('correlation id of another request: the connection ends, no answer goes to the wrong one', async () => {
    const { broker, open, time, ended } = await setUp()
    const connection = await open()
    const first = watch(connection.request(heartbeatRequest, heartbeatResponse, heartbeat))
    const second = watch(connection.request(metadataRequest, metadataResponse, emptyOf(metadataRequest)))
    await time.run(5)
    broker.answer(broker.headers[1]!, metadataResponse, emptyOf(metadataResponse))
    await time.run(5)
    expect([first.error?.name, second.error?.name]).toEqual(['ConnectionLost', 'ConnectionLost'])
    expect(ended[0]).toMatchObject({ name: 'UnexpectedAnswer' })
  })

  test('an answer nobody asked for: the connection ends', async () => {
    const { broker, open, time, ended } = await setUp()
    await open()
    broker.connection!.send(framed([Buffer.alloc(10)]))
    await time.run(5)
    expect(ended[0]).toMatchObject({ name: 'UnexpectedAnswer' })
  })

  test('an answer that cannot be decoded: MalformedMessage for its request, the end for the others', async () => {
    const { broker, open, time } = await setUp()
    const connection = await open()
    const first = watch(connection.request(metadataRequest, metadataResponse, emptyOf(metadataRequest), { version: 9 }))
    const second = watch(connection.request(heartbeatRequest, heartbeatResponse, heartbeat))
    await time.run(5)
    broker.connection!.send(framed([Buffer.from([0, 0, 0, 0, 0, 1, 2])]))
    await time.run(5)
    expect(first.error).toMatchObject({ name: 'MalformedMessage' })
    expect(second.error).toMatchObject({ name: 'ConnectionLost', outcome: 'unknown', cause: first.error })
  })

  test('a value that cannot be encoded: rejected, nothing sent, the connection lives on', async () => {
    const { broker, open, time } = await setUp()
    const connection = await open()
    const bad = watch(connection.request(heartbeatRequest, heartbeatResponse, { ...heartbeat, generationId: 2 ** 40 }))
    const good = watch(connection.request(heartbeatRequest, heartbeatResponse, heartbeat))
    await time.run(5)
    expect(bad.error).toMatchObject({ name: 'UnencodableMessage' })
    expect(broker.headers.length).toBe(1)
    broker.answer(broker.headers[0]!, heartbeatResponse, emptyOf(heartbeatResponse))
    await time.run(5)
    expect(good.value).toBeDefined()
  })

  test('without an answer (acks=0): resolves when written; the next answer is not taken for it', async () => {
    const { broker, open, time } = await setUp()
    const connection = await open()
    const produce = { ...emptyOf(produceRequest), acks: 0 }
    const sent = watch(connection.sendOnly(produceRequest, produce, { version: 9 }))
    const asked = watch(connection.request(heartbeatRequest, heartbeatResponse, heartbeat))
    expect('value' in sent).toBe(false)
    await time.run(5)
    expect('value' in sent).toBe(true)
    expect(broker.headers.map(({ apiKey }) => apiKey)).toEqual([0, 12])
    broker.answer(broker.headers[1]!, heartbeatResponse, emptyOf(heartbeatResponse))
    await time.run(5)
    expect(asked.value).toBeDefined()
    expect(connection.pendingCount).toBe(0)
  })
})

describe('byte fields of answers', () => {
  /** A Fetch answer is the one that carries bytes worth lending; built through its own encoder, without the other fields. */
  function fetched(records: Buffer): FetchResponse {
    const responses = fetchResponse.body.fields!['responses']!
    const topic = fallbackOf(responses.item!) as FetchResponse['responses'][number]
    const partitions = responses.item!.fields!['partitions']!
    const partition = fallbackOf(partitions.item!) as FetchResponse['responses'][number]['partitions'][number]
    return { ...emptyOf(fetchResponse), responses: [{ ...topic, topic: 't', partitions: [{ ...partition, records }] }] }
  }

  test.each([20, 9000, 300_000])(
    '%i bytes over a real socket: request owns them, requestBorrowed lends them until release',
    async size => {
      const world = nodeWorld()
      const broker = new TinyBroker()
      await broker.listen(world.transport)
      let fill = 0
      broker.onRequest = header => broker.answer(header, fetchResponse, fetched(Buffer.alloc(size, ++fill)))
      const connection = await Connection.open(
        {
          host: '127.0.0.1',
          port: broker.port,
          clientId: 'me',
          versions: 'negotiate',
          connectTimeoutMs: 5000,
          requestTimeoutMs: 5000,
        },
        world,
      )
      const owned = await connection.request(fetchRequest, fetchResponse, emptyOf(fetchRequest))
      const borrowed = await connection.requestBorrowed(fetchRequest, fetchResponse, emptyOf(fetchRequest))
      await Promise.all([3, 4, 5].map(() => connection.request(fetchRequest, fetchResponse, emptyOf(fetchRequest))))
      const recordsOf = (answer: typeof owned): Buffer => answer.responses[0]!.partitions[0]!.records as Buffer
      expect(recordsOf(owned).equals(Buffer.alloc(size, 1))).toBe(true)
      expect(recordsOf(borrowed.value).equals(Buffer.alloc(size, 2))).toBe(true)
      borrowed.release()
      expect(() => borrowed.release()).toThrow('released once')
      await connection.close()
      await broker.close()
    },
  )
})

import type { Logger, LogFields } from '@millrace/runtime/logger'
import { nodeWorld } from '@millrace/runtime/node/world'
import type { Frame, FrameConnection, FrameReceiver, World } from '@millrace/runtime/ports'
import { Dispatcher } from '@millrace/broker/api/dispatch'
import { answersLater, type Answer, type Handler, type RequestContext } from '@millrace/broker/api/handler'
import { RequestServer, type ConnectionLimits, type RequestServerOptions } from '@millrace/broker/net/listener'

/*
 * A request server on loopback with handlers of the test, and clients that send it bytes. Call `endServers` after each test.
 */

export const world: World = nodeWorld()
const running: { close(): Promise<void> | void }[] = []

/** Ends every server and client of the test, the last one first. */
export async function endServers(): Promise<void> {
  for (const each of running.splice(0).reverse()) await each.close()
}

/** Remembers lines instead of writing them. */
export class LogRecorder implements Logger {
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
export interface Behaviour {
  readonly isPipelined?: boolean
  readonly retainFrom?: number
  run(text: string, context: RequestContext, bytes: Buffer): Answer | Promise<Answer> | typeof answersLater
}

export const Produce = 0
export const Fetch = 1
export const Metadata = 3

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
export function text(context: RequestContext, body: string): Answer {
  const frame = Buffer.alloc(8 + body.length)
  frame.writeInt32BE(4 + body.length, 0)
  frame.writeInt32BE(context.correlationId, 4)
  frame.write(body, 8, 'latin1')
  return { kind: 'parts', parts: [frame] }
}

export function request(apiKey: number, correlationId: number, body: string, version = 0): Buffer {
  const frame = Buffer.alloc(4 + 10 + body.length)
  frame.writeInt32BE(10 + body.length, 0)
  frame.writeInt16BE(apiKey, 4)
  frame.writeInt16BE(version, 6)
  frame.writeInt32BE(correlationId, 8)
  frame.writeInt16BE(-1, 12)
  frame.write(body, 14, 'latin1')
  return frame
}

export class Client implements FrameReceiver {
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

export const limits: ConnectionLimits = {
  connectionsMax: 0x7fffffff,
  connectionsPerIpMax: 0x7fffffff,
  connectionsPerIpOverrides: new Map(),
  connectionCreationRate: 0x7fffffff,
  ofListener: () => ({ connectionsMax: Infinity, connectionCreationRate: Infinity }),
  idleMaxMs: 600_000,
}

export async function serve(
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

export const echo: Behaviour = { run: (body, context) => text(context, body) }

/** A handler whose answers wait until the test lets them go. */
export class Held implements Behaviour {
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

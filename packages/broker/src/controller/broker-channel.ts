import type { Connection } from '@millrace/client/connection/connection'
import type { OpenConnection } from '@millrace/client/connection/connector'
import type { Logger } from '@millrace/runtime/logger'
import type { Timer, Timers } from '@millrace/runtime/ports'
import type { ControlRequest } from '../core/controller/control-request.ts'
import type { BrokerAddress } from '../core/controller/controller-state.ts'
import type { ControllerEvent } from '../core/controller/event.ts'
import { onLeaderAndIsrAnswer, onStopReplicaAnswer } from './control-answers.ts'
import { controlMessage, type ControlMessage, type Sender } from './control-messages.ts'

/** What a channel needs of a connection: `client/connection`, or a recorder in tests. */
export type ControlConnection = Pick<Connection, 'request' | 'close' | 'isClosed'>

export type ConnectToBroker = (options: {
  readonly host: string
  readonly port: number
  readonly clientId: string
  readonly timeoutMs: number
}) => Promise<ControlConnection>

/** Over the network, without asking for versions: the brokers of a cluster agree on them by inter.broker.protocol.version. */
export const connectOverNetwork =
  (open: OpenConnection): ConnectToBroker =>
  ({ host, port, clientId, timeoutMs }) =>
    open({ host, port, clientId, versions: 'fixed', requestTimeoutMs: timeoutMs, inFlightMax: 1 })

export interface BrokerChannelOptions {
  readonly brokerId: number
  readonly brokerEpoch: number
  /** Undefined: the broker does not have the listener that the controller uses. Asked before each connect. */
  readonly address: () => BrokerAddress | undefined
  readonly sender: Sender
  readonly connect: ConnectToBroker
  readonly timers: Timers
  readonly logger: Logger
  /** `controller.socket.timeout.ms`. */
  readonly requestTimeoutMs: number
  readonly onEvent: (event: ControllerEvent) => void
  /** The broker refused an epoch: somebody knows more than this controller. */
  readonly onRefused: (errorCode: number) => void
}

const retryBackoffMs = 100

/**
 * Requests that may wait for one broker. Beyond that the broker is behind so far that telling it everything anew costs
 * less: what waits is dropped, and `broker-behind` brings the whole state.
 */
const maxWaiting = 2_000

/**
 * The way to one incarnation of a broker: what is sent arrives in order, one request at a time, tried again for ever until
 * it is answered or the incarnation is gone (`close`).
 */
export class BrokerChannel {
  readonly #options: BrokerChannelOptions
  #waiting: ControlRequest[] = []
  #connection: ControlConnection | null = null
  #isRunning = false
  #isClosed = false
  #wake: (() => void) | null = null
  #timer: Timer | null = null
  #failures = 0
  readonly #whenIdle: (() => void)[] = []

  constructor(options: BrokerChannelOptions) {
    this.#options = options
  }

  get brokerEpoch(): number {
    return this.#options.brokerEpoch
  }

  /** Requests not answered yet. */
  get waiting(): number {
    return this.#waiting.length
  }

  send(request: ControlRequest): void {
    if (this.#isClosed) return
    if (this.#waiting.length >= maxWaiting) {
      const { brokerId, brokerEpoch, logger } = this.#options
      logger.warn('broker is behind: its queue is dropped, it will be told everything anew', { brokerId })
      this.#waiting.splice(1)
      this.#options.onEvent({ event: 'broker-behind', brokerId, brokerEpoch })
    }
    this.#waiting.push(request)
    if (!this.#isRunning) void this.#run()
  }

  /** Resolves when all that was sent is answered, or the channel is closed. */
  idle(): Promise<void> {
    if (this.#waiting.length === 0) return Promise.resolve()
    return new Promise(resolve => this.#whenIdle.push(resolve))
  }

  /** Drops what waits, and the connection. Idempotent. */
  close(): void {
    this.#isClosed = true
    this.#waiting = []
    this.#tellIdle()
    this.#timer?.cancel()
    this.#timer = null
    this.#wake?.()
    this.#disconnect()
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    // Whatever is sent in this turn of the event loop waits together.
    await Promise.resolve()
    while (!this.#isClosed) {
      const order = this.#waiting[0]
      if (order === undefined) break
      try {
        await this.#deliver(controlMessage(order, this.#options.sender))
        this.#failures = 0
        if (this.#waiting[0] === order) this.#waiting.shift()
      } catch (error) {
        if (this.#isClosed) break
        this.#disconnect()
        this.#logFailure(order, error)
        await this.#pause()
      }
    }
    this.#isRunning = false
    this.#tellIdle()
  }

  #tellIdle(): void {
    for (const resolve of this.#whenIdle.splice(0)) resolve()
  }

  async #deliver(message: ControlMessage): Promise<void> {
    const { onEvent, requestTimeoutMs: timeoutMs } = this.#options
    const connection = await this.#connected()
    switch (message.kind) {
      case 'leader-and-isr': {
        const { request, response, value, version } = message
        const answer = await connection.request(request, response, value, { version, timeoutMs })
        if (this.#isClosed) return
        this.#checkRefusal(answer.errorCode)
        const event = onLeaderAndIsrAnswer(message.order, answer)
        if (event !== null) onEvent(event)
        return
      }
      case 'update-metadata': {
        const { request, response, value, version } = message
        const answer = await connection.request(request, response, value, { version, timeoutMs })
        if (!this.#isClosed) this.#checkRefusal(answer.errorCode)
        return
      }
      case 'stop-replica': {
        const { request, response, value, version } = message
        const answer = await connection.request(request, response, value, { version, timeoutMs })
        if (this.#isClosed) return
        this.#checkRefusal(answer.errorCode)
        const event = onStopReplicaAnswer(message.order, answer)
        if (event !== null) onEvent(event)
        return
      }
    }
  }

  #checkRefusal(errorCode: number): void {
    if (errorCode === 0) return
    const { brokerId, brokerEpoch, logger, onRefused } = this.#options
    logger.warn('broker refused a control request', { brokerId, brokerEpoch, errorCode })
    onRefused(errorCode)
  }

  async #connected(): Promise<ControlConnection> {
    if (this.#connection !== null && !this.#connection.isClosed) return this.#connection
    const { address, connect, sender, requestTimeoutMs: timeoutMs, brokerId } = this.#options
    const at = address()
    if (at === undefined) throw new Error(`broker ${brokerId} has no listener for the controller`)
    const connection = await connect({ host: at.host, port: at.port, clientId: String(sender.brokerId), timeoutMs })
    if (this.#isClosed) {
      await connection.close()
      throw new Error('the channel was closed')
    }
    this.#connection = connection
    return connection
  }

  #disconnect(): void {
    const connection = this.#connection
    this.#connection = null
    if (connection !== null && !connection.isClosed) void connection.close()
  }

  #logFailure(order: ControlRequest, error: unknown): void {
    const { brokerId, brokerEpoch, logger } = this.#options
    const fields = { brokerId, brokerEpoch, request: order.kind, waiting: this.#waiting.length, error }
    // Once when it begins, then only for those who look closely: it is tried ten times a second.
    if (this.#failures++ === 0) logger.warn('control request failed, trying until the broker is gone', fields)
    else logger.debug('control request failed again', fields)
  }

  #pause(): Promise<void> {
    return new Promise(resolve => {
      this.#wake = resolve
      this.#timer = this.#options.timers.after(retryBackoffMs, resolve)
    })
  }
}

import { Connection } from '@millrace/client/connection/connection'
import type { RequestOptions } from '@millrace/client/connection/connection'
import { metadataRequest, metadataResponse, type MetadataResponse } from '@millrace/protocol/messages/03-metadata'
import { emptyOf, ZERO_UUID, type Message } from '@millrace/protocol/schema'
import type { World } from '@millrace/runtime/ports'

/** Where a broker is now. */
export interface BrokerAddress {
  readonly id: number
  /** Default 127.0.0.1. */
  readonly host?: string
  readonly port: number
  /** False: not asked. */
  readonly isRunning: boolean
}

export interface BrokerLinksOptions {
  readonly brokers: () => readonly BrokerAddress[]
  readonly world: World
  readonly clientId: string
  readonly connectTimeoutMs: number
  readonly requestTimeoutMs: number
}

/** One connection to each broker, opened when it is needed and opened again when it ended. Nothing is retried. */
export class BrokerLinks {
  private readonly options: BrokerLinksOptions
  private readonly connections = new Map<number, Promise<Connection>>()
  private asked = 0

  constructor(options: BrokerLinksOptions) {
    this.options = options
  }

  /** One request to this broker. Rejects when it is down or does not answer. */
  async ask<Q, R>(
    brokerId: number,
    request: Message<Q>,
    response: Message<R>,
    value: Q,
    options: RequestOptions = {},
  ): Promise<R> {
    const connection = await this.to(brokerId)
    return connection.request(request, response, value, options)
  }

  /** As one of the running brokers knows it, another one each time; null: all topics. */
  async metadata(topic: string | null, brokerId = this.next()): Promise<MetadataResponse> {
    return this.ask(brokerId, metadataRequest, metadataResponse, {
      ...emptyOf(metadataRequest),
      topics: topic === null ? null : [{ topicId: ZERO_UUID, name: topic }],
      allowAutoTopicCreation: false,
    })
  }

  async close(): Promise<void> {
    const opened = await Promise.allSettled(this.connections.values())
    const connections = opened.flatMap(each => (each.status === 'fulfilled' ? [each.value] : []))
    await Promise.all(connections.map(connection => connection.close()))
  }

  async to(brokerId: number): Promise<Connection> {
    const known = this.connections.get(brokerId)
    if (known !== undefined) {
      const connection = await known
      if (!connection.isClosed) return connection
      if (this.connections.get(brokerId) !== known) return this.to(brokerId)
    }
    const opening = this.open(brokerId)
    this.connections.set(brokerId, opening)
    opening.catch(() => {
      if (this.connections.get(brokerId) === opening) this.connections.delete(brokerId)
    })
    return opening
  }

  private async open(brokerId: number): Promise<Connection> {
    const { brokers, world, clientId, connectTimeoutMs, requestTimeoutMs } = this.options
    const broker = brokers().find(({ id }) => id === brokerId)
    if (broker?.isRunning !== true) throw new Error(`broker ${brokerId} does not run`)
    const { host = '127.0.0.1', port } = broker
    return Connection.open({ host, port, clientId, versions: 'negotiate', connectTimeoutMs, requestTimeoutMs }, world)
  }

  private next(): number {
    const running = this.options.brokers().filter(({ isRunning }) => isRunning)
    if (running.length === 0) throw new Error('no broker runs')
    return running[this.asked++ % running.length]!.id
  }
}

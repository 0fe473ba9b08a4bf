import { Broker } from '@millrace/broker/broker'
import { parseBrokerSettings } from '@millrace/broker/settings/parse'
import { Connection, type ConnectionOptions } from '@millrace/client/connection/connection'
import { createTopicsRequest, createTopicsResponse } from '@millrace/protocol/messages/19-create-topics'
import { emptyOf } from '@millrace/protocol/schema'
import { BufferPool } from '@millrace/runtime/buffer-pool'
import { silentLogger, type Logger } from '@millrace/runtime/logger'
import type { ConnectOptions, FrameConnection, ListenOptions, Transport, World } from '@millrace/runtime/ports'
import type { EmbeddedClient } from '@millrace/zookeeper/embedded/embedded-client'
import { MemoryFiles } from './memory-files.ts'
import { VirtualNetwork } from './virtual-network.ts'
import { VirtualTree } from './virtual-tree.ts'

const address = { host: 'broker', port: 9092 }

/** Sees what the broker asks of the network. */
export interface NetworkObserver {
  readonly onListen?: (options: ListenOptions) => void
  readonly onConnect?: (options: ConnectOptions) => void
}

/** A whole broker, from socket to segment, in virtual time: what takes it a week takes the test a moment. */
export class VirtualBroker {
  readonly tree = new VirtualTree()
  readonly files = new MemoryFiles()
  readonly network = new VirtualNetwork(this.tree.time)
  readonly world: World
  /** Beside the broker, for looking and for changing things behind its back. */
  coordination!: EmbeddedClient
  broker!: Broker
  readonly #bufferPool = new BufferPool()
  #correlation = 0

  private constructor(observer: NetworkObserver) {
    const { time, random } = this.tree
    const transport: Transport = {
      connect: options => {
        observer.onConnect?.(options)
        return this.network.connect(options)
      },
      listen: options => {
        observer.onListen?.(options)
        return this.network.listen(options)
      },
      resolve: host => this.network.resolve(host),
    }
    this.world = { clock: time, timers: time, random, transport, files: this.files }
  }

  /** Started, controller of its cluster, ready for requests. */
  static async start(
    properties: Readonly<Record<string, string>> = {},
    options: NetworkObserver & { readonly logger?: Logger; readonly hosts?: Readonly<Record<string, string>> } = {},
  ): Promise<VirtualBroker> {
    const { logger = silentLogger } = options
    const virtual = new VirtualBroker(options)
    for (const [host, at] of Object.entries(options.hosts ?? {})) virtual.network.addresses.set(host, at)
    const given = {
      'broker.id': '1',
      listeners: `PLAINTEXT://${address.host}:${address.port}`,
      'log.dirs': '/data',
      ...properties,
    }
    virtual.coordination = await virtual.tree.client(86_400_000)
    await virtual.launch(given, logger)
    return virtual
  }

  /** In an orderly way, on the same files. Connections are gone. */
  restart!: () => Promise<void>

  private async launch(properties: Readonly<Record<string, string>>, logger: Logger): Promise<void> {
    const parsed = parseBrokerSettings(new Map(Object.entries(properties)), new Map(), { coordination: 'embedded' })
    this.broker = new Broker({
      parsed,
      world: this.world,
      bufferPool: this.#bufferPool,
      logger,
      coordination: this.tree.tree.client({ sessionTimeoutMs: 6000 }),
      hostName: address.host,
      onFatal: error => {
        throw error
      },
    })
    this.restart = async () => {
      await this.stop()
      await this.launch(properties, logger)
    }
    await this.during(this.broker.start())
    await this.during(this.broker.knowsCluster(1, 10_000))
  }

  async stop(): Promise<void> {
    await this.during(this.broker.stop())
  }

  /** Lets the world go on until `work` is done. */
  during<T>(work: Promise<T>): Promise<T> {
    return this.tree.during(work)
  }

  /** Lets `ms` pass. */
  async pass(ms: number): Promise<void> {
    await this.tree.time.run(ms)
    this.files.nowMs = this.tree.time.wallMs()
  }

  connect(options: Partial<ConnectionOptions> = {}): Promise<Connection> {
    const all: ConnectionOptions = {
      ...{ ...address, clientId: `client-${this.#correlation++}`, versions: 'negotiate' },
      ...{ connectTimeoutMs: 5000, requestTimeoutMs: 60_000, ...options },
    }
    return this.during(Connection.open(all, this.world))
  }

  /** A bare connection that has said nothing. */
  dial(onClosed: () => void = () => {}): Promise<FrameConnection> {
    return this.during(
      this.network.connect({
        ...address,
        timeoutMs: 5000,
        maxFrameBytes: 1_000_000,
        receiver: { onFrame: () => {}, onClosed },
      }),
    )
  }

  /** One partition. */
  async createTopic(
    connection: Connection,
    name: string,
    configs: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const { topics } = await this.during(
      connection.request(createTopicsRequest, createTopicsResponse, {
        ...emptyOf(createTopicsRequest),
        timeoutMs: 10_000,
        topics: [
          {
            ...{ name, numPartitions: 1, replicationFactor: 1, assignments: [] },
            configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
          },
        ],
      }),
    )
    const [topic] = topics
    if (topic?.errorCode !== 0) throw new Error(`${name}: ${topic?.errorCode} ${topic?.errorMessage ?? ''}`)
  }
}

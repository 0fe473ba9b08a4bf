import type { ControlConnection } from '@millrace/broker/controller/broker-channel'
import { Controller, type LeaderBalance } from '@millrace/broker/controller/controller'
import { createStartupPaths } from '@millrace/broker/metadata/startup-paths'
import { MetadataCache } from '@millrace/broker/metadata/metadata-cache'
import { brokerZnode } from '@millrace/broker/metadata/znodes'
import { codec } from '@millrace/protocol/codec'
import { ErrorCode } from '@millrace/protocol/errors'
import type { LeaderAndIsrRequest } from '@millrace/protocol/messages/04-leader-and-isr'
import type { StopReplicaRequest } from '@millrace/protocol/messages/05-stop-replica'
import type { UpdateMetadataRequest } from '@millrace/protocol/messages/06-update-metadata'
import { Reader } from '@millrace/protocol/reader'
import type { Message } from '@millrace/protocol/schema'
import { Writer } from '@millrace/protocol/writer'
import { silentLogger } from '@millrace/runtime/logger'
import type { Coordination } from '@millrace/zookeeper/coordination'
import type { EmbeddedClient } from '@millrace/zookeeper/embedded/embedded-client'
import { VirtualTree } from '../world/virtual-tree.ts'

/** One control request as a broker got it. */
export interface Received {
  readonly name: string
  readonly version: number
  readonly value: LeaderAndIsrRequest | UpdateMetadataRequest | StopReplicaRequest
}

/** A broker that is a controller and a metadata cache, and answers control requests as a broker without disks would. */
export interface ControlledBroker {
  readonly id: number
  readonly client: EmbeddedClient
  readonly controller: Controller
  readonly metadata: MetadataCache
  readonly received: Received[]
  /** czxid of its registration. */
  epoch: number
  isReachable: boolean
  /** What it answers for each partition it is told to delete. */
  deletionError: number
  highestControllerEpoch: number
}

export interface StartOptions {
  readonly rack?: string
  /** What stands between the controller and its client: see `FaultyCoordination`. */
  readonly wrap?: (client: EmbeddedClient) => Coordination
}

const interBrokerListener = 'INTERNAL'
const basePort = 19_000

/** Controllers of several brokers over one embedded tree, in virtual time; requests travel as bytes, without a network. */
export class ControllerCluster {
  readonly world = new VirtualTree()
  readonly brokers = new Map<number, ControlledBroker>()
  readonly #options: { readonly leaderBalance?: LeaderBalance }

  constructor(options: { readonly leaderBalance?: LeaderBalance } = {}) {
    this.#options = options
  }

  /** Registers broker `id` in a session of its own and starts its controller. */
  async start(id: number, options: StartOptions = {}): Promise<ControlledBroker> {
    const client = await this.world.client()
    await this.world.during(createStartupPaths(client))
    const broker: ControlledBroker = {
      id,
      client,
      controller: this.#controller(id, options.wrap?.(client) ?? client),
      metadata: new MetadataCache(this.world.time),
      received: [],
      epoch: -1,
      isReachable: true,
      deletionError: ErrorCode.NONE,
      highestControllerEpoch: 0,
    }
    this.brokers.set(id, broker)
    await this.register(broker, options)
    // Not awaited: it may be killed before it is through.
    void broker.controller.start()
    await this.settle()
    return broker
  }

  async register(broker: ControlledBroker, options: { rack?: string } = {}): Promise<void> {
    const path = brokerZnode.path(broker.id)
    const endpoints = ['CLIENT', interBrokerListener].map((listener, index) => ({
      listener,
      securityProtocol: 'PLAINTEXT' as const,
      host: 'localhost',
      port: basePort + 10 * broker.id + index,
    }))
    const registration = { endpoints, rack: options.rack ?? null, jmxPort: -1, timestampMs: 0, features: new Map() }
    const results = await this.world.during(
      broker.client.multi([
        { op: 'create', path, data: null, mode: 'ephemeral' },
        { op: 'set', path, data: brokerZnode.encode(registration), version: 0 },
      ]),
    )
    broker.epoch = results[1]!.stat!.czxid
  }

  /** Like kill -9 and the end of the session: what it holds in ZooKeeper is gone at once. */
  async kill(id: number): Promise<void> {
    const broker = this.brokers.get(id)!
    broker.isReachable = false
    broker.client.kill({ expireNow: true })
    void broker.controller.stop()
    this.brokers.delete(id)
    await this.settle()
  }

  /** Lets everything happen that does not wait for a timer of more than 200 ms. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 20; turn++) await this.world.time.run(10)
  }

  get active(): ControlledBroker | undefined {
    return [...this.brokers.values()].find(broker => broker.controller.isActive)
  }

  async close(): Promise<void> {
    for (const broker of this.brokers.values()) void broker.controller.stop()
    await this.world.during(this.world.tree.close())
  }

  #controller(brokerId: number, coordination: Coordination): Controller {
    const { time, random } = this.world
    return new Controller({
      coordination,
      clock: time,
      timers: time,
      random,
      logger: silentLogger,
      connect: ({ port, clientId }) => this.#connect(port, clientId),
      brokerId,
      interBrokerListener,
      controlPlaneListener: null,
      requestTimeoutMs: 30_000,
      deleteTopics: true,
      uncleanByDefault: () => false,
      leaderBalance: this.#options.leaderBalance,
    })
  }

  #connect(port: number, clientId: string): Promise<ControlConnection> {
    const broker = this.brokers.get(Math.floor((port - basePort) / 10))
    if (broker === undefined || !broker.isReachable || port % 10 !== 1 || clientId === '') {
      return Promise.reject(new Error('ECONNREFUSED'))
    }
    return Promise.resolve({
      isClosed: false,
      close: () => Promise.resolve(),
      request: <Request, Response>(
        request: Message<Request>,
        _response: Message<Response>,
        value: Request,
        options: { version?: number } = {},
      ): Promise<Response> => {
        if (!broker.isReachable) return Promise.reject(new Error('ECONNRESET'))
        const version = options.version ?? -1
        const received = { name: request.name, version, value: throughBytes(request, version, value) } as Received
        broker.received.push(received)
        return Promise.resolve(this.#answer(broker, received) as Response)
      },
    })
  }

  #answer(broker: ControlledBroker, { name, value }: Received): unknown {
    if (value.brokerEpoch < broker.epoch) return { ...noAnswers, errorCode: ErrorCode.STALE_BROKER_EPOCH }
    if (value.controllerEpoch < broker.highestControllerEpoch) {
      return { ...noAnswers, errorCode: ErrorCode.STALE_CONTROLLER_EPOCH }
    }
    broker.highestControllerEpoch = value.controllerEpoch
    switch (name) {
      case 'UpdateMetadataRequest':
        broker.metadata.apply(value as UpdateMetadataRequest)
        return { errorCode: ErrorCode.NONE }
      case 'LeaderAndIsrRequest':
        return {
          errorCode: ErrorCode.NONE,
          partitionErrors: [],
          topics: (value as LeaderAndIsrRequest).topicStates.map(topic => ({
            topicId: topic.topicId,
            partitionErrors: topic.partitionStates.map(({ partitionIndex }) => ({
              topicName: '',
              partitionIndex,
              errorCode: ErrorCode.NONE,
            })),
          })),
        }
      default:
        return {
          errorCode: ErrorCode.NONE,
          partitionErrors: (value as StopReplicaRequest).topicStates.flatMap(topic =>
            topic.partitionStates.map(({ partitionIndex, deletePartition }) => ({
              topicName: topic.topicName,
              partitionIndex,
              errorCode: deletePartition ? broker.deletionError : ErrorCode.NONE,
            })),
          ),
        }
    }
  }
}

const noAnswers = { partitionErrors: [], topics: [] }

/** What arrives is what the codec makes of it. */
function throughBytes<T>(message: Message<T>, version: number, value: T): T {
  const writer = new Writer()
  codec(message, version).encode(writer, value)
  return codec(message, version).decode(new Reader(writer.finish()))
}

import type { ControlConnection } from '@millrace/broker/controller/broker-channel'
import { Controller } from '@millrace/broker/controller/controller'
import { ControllerWatch } from '@millrace/broker/controller/controller-watch'
import { PeerProbes } from '@millrace/broker/controller/peer-probes'
import { BrokerRegistrar } from '@millrace/broker/metadata/broker-registration'
import { MetadataCache } from '@millrace/broker/metadata/metadata-cache'
import { createStartupPaths } from '@millrace/broker/metadata/startup-paths'
import { controllerEpochZnode } from '@millrace/broker/metadata/znodes'
import { ErrorCode } from '@millrace/protocol/errors'
import type { LeaderAndIsrRequest } from '@millrace/protocol/messages/04-leader-and-isr'
import type { StopReplicaRequest } from '@millrace/protocol/messages/05-stop-replica'
import type { UpdateMetadataRequest } from '@millrace/protocol/messages/06-update-metadata'
import type { Message } from '@millrace/protocol/schema'
import { silentLogger } from '@millrace/runtime/logger'
import type { ConnectOptions, FrameConnection, Transport } from '@millrace/runtime/ports'
import { TransportError } from '@millrace/runtime/transport-error'
import type { EmbeddedClient } from '@millrace/zookeeper/embedded/embedded-client'
import { VirtualTree } from '../world/virtual-tree.ts'

/** One life of a broker that is a registration, a controller and an eye on the others. */
export interface HintingBroker {
  readonly id: number
  readonly client: EmbeddedClient
  readonly registrar: BrokerRegistrar
  readonly controller: Controller
  readonly metadata: MetadataCache
  /** How often it found its registration gone while its session lived. */
  timesVanished: number
  stop(): void
}

export interface HintingOptions {
  readonly sessionTimeoutMs?: number
  /** `millrace.fast.failure.detection.enable`. */
  readonly isFast?: boolean
  readonly uncleanByDefault?: () => boolean
}

const listener = 'INTERNAL'
const basePort = 20_000
const latencyMs = 1

/**
 * Brokers that watch each other, over one embedded tree, in virtual time. The network between them can be cut one way, with
 * a refusal (`refuse`) or without an answer (`silence`); ZooKeeper stays reachable for all.
 */
export class HintingCluster {
  readonly world = new VirtualTree()
  readonly brokers = new Map<number, HintingBroker>()
  readonly #options: HintingOptions
  /** `from to`: what becomes of connects. */
  readonly #cuts = new Map<string, 'refused' | 'silent'>()
  readonly #connections = new Set<ProbeConnection>()

  constructor(options: HintingOptions = {}) {
    this.#options = options
  }

  get sessionTimeoutMs(): number {
    return this.#options.sessionTimeoutMs ?? 18_000
  }

  async start(id: number): Promise<HintingBroker> {
    const client = await this.world.client(this.sessionTimeoutMs)
    await this.world.during(createStartupPaths(client))
    const { time, random } = this.world
    const { isFast = true, uncleanByDefault = () => false } = this.#options
    const ports = { clock: time, timers: time, logger: silentLogger }
    const probes = isFast ? new PeerProbes({ ...ports, transport: this.#transportOf(id) }) : undefined
    const metadata = new MetadataCache(time)
    const registrar = new BrokerRegistrar({ ...ports, coordination: client, brokerId: id, watchesItself: isFast })
    const controller = new Controller({
      ...{ ...ports, coordination: client, random, brokerId: id, probes, uncleanByDefault },
      connect: ({ port }) => this.#connectControl(id, port - basePort),
      interBrokerListener: listener,
      controlPlaneListener: null,
      requestTimeoutMs: 30_000,
      deleteTopics: true,
    })
    const watch =
      probes && new ControllerWatch({ ...ports, coordination: client, metadata, brokerId: id, listener, probes })
    const broker: HintingBroker = {
      ...{ id, client, registrar, controller, metadata, timesVanished: 0 },
      stop() {
        registrar.stop()
        watch?.stop()
        probes?.close()
        void controller.stop()
      },
    }
    registrar.onVanished(() => (broker.timesVanished += 1))
    this.brokers.set(id, broker)
    const endpoint = { listener, securityProtocol: 'PLAINTEXT' as const, host: 'localhost', port: basePort + id }
    await this.world.during(registrar.register({ endpoints: [endpoint], rack: null, jmxPort: -1, features: new Map() }))
    void controller.start()
    await this.pass(200)
    return broker
  }

  /** kill -9: its sockets end, its port refuses, its session stays until it times out. */
  kill(id: number): void {
    const broker = this.brokers.get(id)!
    this.brokers.delete(id)
    broker.stop()
    broker.client.kill({ expireNow: false })
    this.#end(connection => connection.from === id || connection.to === id)
  }

  /** From now on `from` cannot reach `to`: what is open is reset, and connects are refused, or nobody answers. */
  cut(from: number, to: number, how: 'refused' | 'silent'): void {
    this.#cuts.set(`${from} ${to}`, how)
    this.#end(connection => connection.from === from && connection.to === to, how === 'silent' ? 'ETIMEDOUT' : null)
  }

  heal(): void {
    this.#cuts.clear()
  }

  async pass(ms: number): Promise<void> {
    await this.world.time.run(ms)
  }

  /** Passes time until `condition` holds; answers how much, or throws after `withinMs`. */
  async until(condition: () => boolean, withinMs: number): Promise<number> {
    for (let passedMs = 0; passedMs <= withinMs; passedMs += 10) {
      if (condition()) return passedMs
      await this.pass(10)
    }
    throw new Error(`not within ${withinMs} ms`)
  }

  get active(): HintingBroker | undefined {
    return [...this.brokers.values()].find(({ controller }) => controller.isActive)
  }

  /** Elections so far. */
  async elections(): Promise<number> {
    const { data } = await this.world.during(this.anybody.client.get(controllerEpochZnode.path()))
    return controllerEpochZnode.decode(data, controllerEpochZnode.path())
  }

  get anybody(): HintingBroker {
    const [first] = this.brokers.values()
    if (first === undefined) throw new Error('every broker was killed')
    return first
  }

  async close(): Promise<void> {
    for (const broker of this.brokers.values()) broker.stop()
    await this.world.during(this.world.tree.close())
  }

  #end(isMeant: (connection: ProbeConnection) => boolean, code: string | null = 'ECONNRESET'): void {
    for (const connection of [...this.#connections].filter(isMeant)) {
      this.#connections.delete(connection)
      connection.isClosed = true
      connection.onClosed(code === null ? null : new TransportError(code, code))
    }
  }

  #failureOf(from: number, to: number): 'refused' | 'silent' | null {
    return this.#cuts.get(`${from} ${to}`) ?? (this.brokers.has(to) && this.brokers.has(from) ? null : 'refused')
  }

  #transportOf(from: number): Transport {
    return {
      listen: () => Promise.reject(new Error('nobody listens: connects end in the cluster')),
      connect: options => this.#connect(from, options),
      resolve: host => Promise.resolve([host]),
    }
  }

  async #connect(from: number, { port, timeoutMs, receiver }: ConnectOptions): Promise<FrameConnection> {
    const to = port - basePort
    const failure = this.#failureOf(from, to)
    await this.#wait(failure === 'silent' ? timeoutMs : latencyMs)
    const code = failure === 'silent' ? 'TIMEOUT' : 'ECONNREFUSED'
    if (failure !== null || this.#failureOf(from, to) !== null) throw new TransportError(code, code)
    const connection: ProbeConnection = {
      ...{ from, to, remoteAddress: 'localhost', remotePort: port, localPort: 1, queuedBytes: 0, isClosed: false },
      ...{ send: () => {}, pause: () => {}, resume: () => {}, close: () => {} },
      destroy: () => {
        if (!this.#connections.delete(connection)) return
        connection.isClosed = true
        receiver.onClosed(null)
      },
      onClosed: error => receiver.onClosed(error),
    }
    this.#connections.add(connection)
    return connection
  }

  #wait(ms: number): Promise<void> {
    return new Promise(resolve => void this.world.time.after(ms, resolve))
  }

  #connectControl(from: number, to: number): Promise<ControlConnection> {
    if (this.#failureOf(from, to) !== null) return Promise.reject(new Error('ECONNREFUSED'))
    return Promise.resolve({
      isClosed: false,
      close: () => Promise.resolve(),
      request: <Request, Response>(
        request: Message<Request>,
        _response: Message<Response>,
        value: Request,
      ): Promise<Response> => {
        if (this.#failureOf(from, to) !== null) return Promise.reject(new Error('ECONNRESET'))
        return Promise.resolve(this.#answer(this.brokers.get(to)!, request.name, value) as Response)
      },
    })
  }

  #answer(broker: HintingBroker, name: string, value: unknown): unknown {
    if (name === 'UpdateMetadataRequest') broker.metadata.apply(value as UpdateMetadataRequest)
    const errorCode = ErrorCode.NONE
    const topics =
      name === 'LeaderAndIsrRequest'
        ? (value as LeaderAndIsrRequest).topicStates.map(({ topicId, partitionStates }) => ({
            topicId,
            partitionErrors: partitionStates.map(({ partitionIndex }) => ({
              topicName: '',
              partitionIndex,
              errorCode,
            })),
          }))
        : []
    const partitionErrors =
      name === 'StopReplicaRequest'
        ? (value as StopReplicaRequest).topicStates.flatMap(({ topicName, partitionStates }) =>
            partitionStates.map(({ partitionIndex }) => ({ topicName, partitionIndex, errorCode })),
          )
        : []
    return { errorCode, partitionErrors, topics }
  }
}

interface ProbeConnection extends FrameConnection {
  readonly from: number
  readonly to: number
  isClosed: boolean
  readonly onClosed: (error: Error | null) => void
}

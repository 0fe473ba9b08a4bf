import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Broker } from '@millrace/broker/broker'
import { parseBrokerSettings } from '@millrace/broker/settings/parse'
import { BufferPool } from '@millrace/runtime/buffer-pool'
import { silentLogger, type Logger } from '@millrace/runtime/logger'
import { nodeWorld } from '@millrace/runtime/node/world'
import type { FileSystem, World } from '@millrace/runtime/ports'
import type { EmbeddedClient } from '@millrace/zookeeper/embedded/embedded-client'
import { EmbeddedTree } from '@millrace/zookeeper/embedded/embedded-tree'
import { ensembleCoordination } from '@millrace/zookeeper/zookeeper/ensemble-coordination'
import type { Coordination } from '@millrace/zookeeper/coordination'
import { CutTransport } from '../faults/cut-transport.ts'
import type { NetworkCuts } from '../faults/network-cuts.ts'

export interface ClusterOptions {
  /** How many; ids from 1. Default 3. */
  readonly brokers?: number
  /** Port of the first broker, the others follow; default: free ports. */
  readonly port?: number
  /** Kept when given; by default a temporary folder that `close` removes. */
  readonly folder?: string
  /** `host:port,…/chroot` of an ensemble; by default a coordination tree inside this process. */
  readonly zookeeper?: string
  /** Settings of every broker, Kafka's names, over those that a small cluster needs. */
  readonly properties?: Readonly<Record<string, string>>
  readonly logger?: Logger
  /** Folders in log.dirs of each broker. Default 1. */
  readonly logDirs?: number
  /** What stands for the disks of a broker: the place for faults. */
  readonly filesOf?: (brokerId: number, files: FileSystem) => FileSystem
  /** Lets a test cut the network between brokers. */
  readonly cuts?: NetworkCuts
}

/** One broker of a cluster in this process. */
export interface ClusterBroker {
  readonly id: number
  readonly port: number
  readonly isRunning: boolean
  /** The first of `logDirs`. */
  readonly logDir: string
  /** Its log.dirs. */
  readonly logDirs: readonly string[]
  /** In an orderly way: flushes, leaves its registration, can be started again. */
  stop(): Promise<void>
  /** As kill -9 would: nothing is flushed; its session ends at once (`expireSession`) or when its timeout has passed. */
  kill(options?: { readonly expireSession?: boolean }): Promise<void>
  /** Starts it again on the same port and folder. */
  start(): Promise<void>
  restart(): Promise<void>
}

export interface Cluster {
  readonly brokers: readonly ClusterBroker[]
  /** `host:port,host:port,…` for clients. */
  readonly bootstrapServers: string
  readonly folder: string
  /** A connected client of what coordinates the brokers, for looking and for changing things behind their backs. Closed with the cluster. */
  coordination(): Promise<Coordination>
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * A real cluster inside this process, on loopback: `await using cluster = await startCluster()`. Ready when every broker
 * knows every other and the controller. Internal topics and min.insync.replicas fit the number of brokers.
 */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const count = options.brokers ?? 3
  if (!Number.isInteger(count) || count < 1)
    throw new RangeError(`brokers: expected a whole number from 1, not ${count}`)
  const temporary = options.folder === undefined
  const folder = temporary ? mkdtempSync(join(tmpdir(), 'millrace-')) : resolve(options.folder)
  mkdirSync(folder, { recursive: true })
  const bufferPool = new BufferPool()
  const world = nodeWorld({ bufferPool })
  const logger = options.logger ?? silentLogger
  const tree =
    options.zookeeper === undefined ? new EmbeddedTree({ world, logger, folder: join(folder, 'coordination') }) : null
  const brokers = Array.from(
    { length: count },
    (_, i) => new RunningBroker({ id: i + 1, count, options, folder, world, bufferPool, logger, tree }),
  )
  let closing: Promise<void> | null = null
  const observers: Coordination[] = []
  const close = async (): Promise<void> => {
    await Promise.all(observers.map(observer => observer.close()))
    for (const broker of [...brokers].reverse()) await broker.stop()
    tree?.kill()
    if (temporary) rmSync(folder, { recursive: true, force: true })
  }
  const cluster: Cluster = {
    brokers,
    folder,
    get bootstrapServers() {
      return brokers.map(({ port }) => `127.0.0.1:${port}`).join(',')
    },
    async coordination() {
      const timeouts = { sessionTimeoutMs: 10_000, connectionTimeoutMs: 10_000 }
      const observer =
        tree?.client(timeouts) ??
        ensembleCoordination({ servers: options.zookeeper ?? '', ...timeouts, world, logger: silentLogger })
      observers.push(observer)
      await observer.connect()
      return observer
    },
    close: () => (closing ??= close()),
    [Symbol.asyncDispose]: () => cluster.close(),
  }
  try {
    await Promise.all(brokers.map(broker => broker.start()))
    await Promise.all(brokers.map(broker => broker.knowsAll(count)))
  } catch (error) {
    await cluster.close()
    throw error
  }
  return cluster
}

interface Parts {
  readonly id: number
  readonly count: number
  readonly options: ClusterOptions
  readonly folder: string
  readonly world: World
  readonly bufferPool: BufferPool
  readonly logger: Logger
  readonly tree: EmbeddedTree | null
}

class RunningBroker implements ClusterBroker {
  readonly id: number
  readonly logDirs: readonly string[]
  port: number
  private readonly parts: Parts
  private broker: Broker | null = null
  private client: EmbeddedClient | null = null
  private coordination: Coordination | null = null

  constructor(parts: Parts) {
    this.parts = parts
    this.id = parts.id
    const folder = join(parts.folder, `broker-${parts.id}`)
    const count = parts.options.logDirs ?? 1
    this.logDirs = count === 1 ? [folder] : Array.from({ length: count }, (_, index) => join(folder, `disk-${index}`))
    this.port = parts.options.port === undefined ? 0 : parts.options.port + parts.id - 1
  }

  get logDir(): string {
    return this.logDirs[0]!
  }

  get isRunning(): boolean {
    return this.broker !== null
  }

  async start(): Promise<void> {
    if (this.broker !== null) return
    const { id, count, options, bufferPool, tree } = this.parts
    const world = this.ownWorld()
    const logger = this.parts.logger.child({ broker: id })
    const properties = new Map(Object.entries({ ...smallClusterProperties(count), ...options.properties }))
    properties
      .set('broker.id', String(id))
      .set('log.dirs', this.logDirs.join())
      .set('listeners', `PLAINTEXT://127.0.0.1:${this.port}`)
    if (options.zookeeper !== undefined) properties.set('zookeeper.connect', options.zookeeper)
    const parsed = parseBrokerSettings(properties, new Map(), { coordination: tree === null ? 'ensemble' : 'embedded' })
    const sessionTimeoutMs = parsed.settings.get('zookeeper.session.timeout.ms')
    this.client = tree === null ? null : tree.client({ sessionTimeoutMs })
    const coordination =
      this.client ??
      ensembleCoordination({
        servers: options.zookeeper ?? '',
        sessionTimeoutMs,
        connectionTimeoutMs: sessionTimeoutMs,
        requestsInFlightMax: parsed.settings.get('zookeeper.max.in.flight.requests'),
        world,
        logger,
      })
    this.coordination = coordination
    const broker = new Broker({
      parsed,
      world,
      bufferPool,
      logger,
      coordination,
      hostName: '127.0.0.1',
      onFatal: error => this.failed(broker, error),
    })
    this.broker = broker
    try {
      await broker.start()
    } catch (error) {
      this.broker = null
      throw error
    }
    this.port = broker.ports.get('PLAINTEXT') ?? this.port
    options.cuts?.brokerAt.set(this.port, id)
  }

  /** That of all brokers, but for what a test puts in place of its disks and its network. */
  private ownWorld(): World {
    const { id, options, world } = this.parts
    const { cuts } = options
    const { timers } = world
    return {
      ...world,
      files: options.filesOf?.(id, world.files) ?? world.files,
      transport:
        cuts === undefined
          ? world.transport
          : new CutTransport({ brokerId: id, cuts, transport: world.transport, timers }),
    }
  }

  private failed(broker: Broker, error: unknown): void {
    if (this.broker !== broker) return
    this.parts.logger.error('a broker of the cluster failed', { broker: this.id, reason: String(error) })
    void this.kill()
  }

  /** Resolves when the metadata of this broker names `count` brokers and a controller. */
  async knowsAll(count: number): Promise<void> {
    await this.broker?.knowsCluster(count, 30_000)
  }

  async stop(): Promise<void> {
    const broker = this.broker
    this.broker = null
    await broker?.stop()
  }

  async kill({ expireSession = true }: { readonly expireSession?: boolean } = {}): Promise<void> {
    const broker = this.broker
    if (broker === null) return
    this.broker = null
    await broker.kill()
    if (this.client !== null) this.client.kill({ expireNow: expireSession })
    else await this.coordination?.close() // an ensemble's client shares this process: its session can only be ended politely
  }

  async restart(): Promise<void> {
    await this.stop()
    await this.start()
  }
}

/** What differs from Kafka's defaults, which are made for more brokers than a test has. */
function smallClusterProperties(count: number): Record<string, string> {
  const replication = String(Math.min(3, count))
  return {
    'offsets.topic.replication.factor': replication,
    'transaction.state.log.replication.factor': replication,
    'transaction.state.log.min.isr': String(Math.min(2, count)),
    'min.insync.replicas': '1',
    'group.initial.rebalance.delay.ms': '0',
  }
}

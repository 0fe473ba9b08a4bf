import { resolve } from 'node:path'
import { Connector } from '@millrace/client/connection/connector'
import type { BufferPool } from '@millrace/runtime/buffer-pool'
import { Deadlines } from '@millrace/runtime/deadline'
import type { Logger } from '@millrace/runtime/logger'
import { Metrics } from '@millrace/runtime/metrics'
import type { World } from '@millrace/runtime/ports'
import type { Coordination } from '@millrace/zookeeper/coordination'
import { Dispatcher } from './api/dispatch.ts'
import { advertisedApis, handlers, handlerTable, type Services } from './api/table.ts'
import { Controller } from './controller/controller.ts'
import { connectOverNetwork } from './controller/broker-channel.ts'
import { ControllerClient } from './controller/controller-client.ts'
import { ControllerWatch } from './controller/controller-watch.ts'
import { handOver } from './controller/controlled-shutdown.ts'
import { PeerProbes } from './controller/peer-probes.ts'
import { ProducerIdBlocks } from './controller/producer-id-blocks.ts'
import { GroupCoordinator } from './coordinators/group-coordinator.ts'
import { consumerOffsetsTopic } from './core/controller/topic-rules.ts'
import { FetchSessions } from './core/partition/fetch-session.ts'
import { Gathering } from './core/partition/gathering.ts'
import type { CleanerSettings } from './log/cleaner.ts'
import { LogDirectories } from './log/log-directories.ts'
import { resolveBrokerId } from './metadata/broker-id.ts'
import { FormerSession } from './metadata/former-session.ts'
import type { StoredSession } from './metadata/session-file.ts'
import { FirstWord } from './metadata/first-word.ts'
import { FinalizedFeatures } from './metadata/finalized-features.ts'
import { LogDirFailureNotice } from './metadata/log-dir-failure-notice.ts'
import { topicsZnode } from './metadata/znodes.ts'
import { BrokerRegistrar } from './metadata/broker-registration.ts'
import { clusterId } from './metadata/cluster-id.ts'
import { ConfigChanges } from './metadata/config-changes.ts'
import { ConsumerOffsets } from './metadata/consumer-offsets.ts'
import { ConfigStore } from './metadata/config-store.ts'
import { checkDataFolders, claimDataFolders, reachableFolders } from './metadata/meta-properties.ts'
import { MetadataCache } from './metadata/metadata-cache.ts'
import { createStartupPaths } from './metadata/startup-paths.ts'
import { TopicChanges } from './metadata/topic-changes.ts'
import { TopicConfigs } from './metadata/topic-configs.ts'
import { TopicCreation } from './metadata/topic-creation.ts'
import { AddressLimits } from './net/address-limits.ts'
import { RequestServer, type ConnectionLimits } from './net/listener.ts'
import { LogDirectoryMoves } from './replication/log-directory-moves.ts'
import { Partitions } from './replication/partitions.ts'
import { BrokerReplication } from './replication/replication.ts'
import { logDirectories as logDirectoryPaths, maxConnectionsPerIpOverrides } from './settings/derived.ts'
import type { BrokerSettings } from './settings/broker-settings.ts'
import { advertisedEndpoints } from './settings/listeners.ts'
import { LiveBrokerSettings } from './settings/overrides.ts'
import type { ParsedBrokerSettings } from './settings/parse.ts'

export interface BrokerOptions {
  readonly parsed: ParsedBrokerSettings
  readonly world: World
  /** Shared by sockets and log reads. */
  readonly bufferPool: BufferPool
  readonly logger: Logger
  /** Not connected yet; the broker closes it. */
  readonly coordination: Coordination
  /** Advertised where a listener names no host. */
  readonly hostName: string
  /** The broker cannot go on: a broken invariant, or no log directory left. */
  readonly onFatal: (error: Error) => void
  /** Ends the ZooKeeper session of a former process of this broker; undefined: its end is awaited. */
  readonly endSession?: ((session: StoredSession) => Promise<boolean>) | undefined
}

/** How long requests that were accepted may take to be answered when the broker stops. */
const stopGraceMs = 5_000

/**
 * One broker: every part is built, started and stopped here. The order is Kafka's (reference 2.12): what others can see
 * of us (sockets, registration) comes after what we must know (settings, logs), and requests are processed last.
 */
export class Broker {
  private readonly options: BrokerOptions
  private readonly world: World
  private readonly logger: Logger
  private readonly coordination: Coordination
  /** What was started, in order; stopped in reverse. */
  private readonly started: { readonly name: string; stop(): Promise<void> | void }[] = []
  private running: Running | null = null
  /** What its parts count. */
  readonly metrics = new Metrics()
  private formerSession: FormerSession | null = null
  private isStopping = false
  private stopGraceMs = stopGraceMs

  constructor(options: BrokerOptions) {
    this.options = options
    this.world = options.world
    this.logger = options.logger
    this.coordination = options.coordination
  }

  /** -1 before `start`. */
  get brokerId(): number {
    return this.running?.brokerId ?? -1
  }

  /** The port that each listener really has. */
  get ports(): ReadonlyMap<string, number> {
    return this.running?.ports ?? new Map<string, number>()
  }

  /** Resolves when requests are processed. Rejects with an error that says what to do; then everything is stopped again. */
  async start(): Promise<void> {
    try {
      await this.startParts()
    } catch (error) {
      await this.stopParts('start failed')
      throw error
    }
  }

  private async startParts(): Promise<void> {
    const { parsed, bufferPool, hostName } = this.options
    const { world, coordination, logger } = this
    const startedMs = world.clock.monotonicMs()
    const own = parsed.settings

    this.began('coordination', async () => {
      await coordination.close()
      this.formerSession?.forget()
    })
    await coordination.connect()
    await createStartupPaths(coordination)
    const cluster = await clusterId(coordination, world.random)

    const directories = logDirectoryPaths(own).map(path => resolve(path))
    const { reachable, failed } = reachableFolders(world.files, directories)
    const folders = checkDataFolders(world.files, reachable, {
      clusterId: cluster,
      configuredBrokerId: own.get('broker.id'),
    })
    const brokerId = await resolveBrokerId(coordination, {
      configured: own.get('broker.id'),
      stored: folders.brokerId,
      reservedMaxId: own.get('reserved.broker.max.id'),
      mayGenerate: own.get('broker.id.generation.enable'),
    })

    const settings = new LiveBrokerSettings({ file: own, brokerId, logger })
    const store = new ConfigStore(coordination)
    const topicConfigs = new TopicConfigs({ store, broker: settings, logger })
    settings.onChange(() => topicConfigs.brokerSettingsChanged())
    const configChanges = new ConfigChanges({
      coordination,
      store,
      brokerId,
      clock: world.clock,
      timers: world.timers,
      logger,
      receiver: {
        brokerChanged: values => settings.applyPerBroker(values),
        clusterDefaultChanged: values => settings.applyClusterDefault(values),
        topicChanged: (topic, values) => topicConfigs.apply(topic, values),
      },
    })
    await configChanges.start()
    this.began('config changes', () => configChanges.stop())

    const logs = new LogDirectories({
      world,
      logger,
      bufferPool,
      directories,
      failedDirectories: failed,
      settingsOf: topic => topicConfigs.settingsOf(topic),
      initialTaskDelayMs: settings.get('log.initial.task.delay.ms'),
      retentionCheckIntervalMs: settings.get('log.retention.check.interval.ms'),
      flushCheckIntervalMs: settings.get('log.flush.scheduler.interval.ms'),
      recoveryPointCheckpointIntervalMs: settings.get('log.flush.offset.checkpoint.interval.ms'),
      logStartOffsetCheckpointIntervalMs: settings.get('log.flush.start.offset.checkpoint.interval.ms'),
      highWatermarkCheckpointIntervalMs: settings.get('replica.high.watermark.checkpoint.interval.ms'),
      producerIdExpirationMs: () => settings.get('producer.id.expiration.ms'),
      producerIdExpirationCheckIntervalMs: settings.get('producer.id.expiration.check.interval.ms'),
      cleaner: settings.get('log.cleaner.enable') ? () => cleanerSettings(settings) : null,
      metrics: this.metrics,
    })
    settings.onChange(changed => {
      if ([...changed].some(name => name.startsWith('log.cleaner.'))) logs.reconfigureCleaner()
    })
    const loading = logs.load()
    // Its folders are locked now, or it has failed: nobody else's session is ended.
    await Promise.race([loading, Promise.resolve()])
    await Promise.all([loading, this.endFormerSession(own, logs.onlineDirectories)])
    this.began('logs', () => logs.close())
    claimDataFolders(world.files, folders, { clusterId: cluster, brokerId, wallMs: world.clock.wallMs() })
    topicConfigs.onChange(changed => {
      const topics = changed === null ? new Set(logs.all().map(log => log.topic)) : [changed]
      for (const topic of topics) logs.reconfigure(topic)
    })

    const features = new FinalizedFeatures({ coordination, logger })
    await features.start()
    this.began('features', () => features.stop())
    const metadata = new MetadataCache(world.timers)
    this.began('metadata', () => metadata.close())
    const probes = own.get('millrace.fast.failure.detection.enable')
      ? new PeerProbes({ transport: world.transport, clock: world.clock, timers: world.timers, logger })
      : undefined
    this.began('peer probes', () => probes?.close())
    const registrar = new BrokerRegistrar({
      ...{ coordination, clock: world.clock, timers: world.timers, logger, brokerId },
      watchesItself: probes !== undefined,
    })
    const { interBrokerListener, controlPlaneListener } = parsed.listeners
    const connector = new Connector({
      setupTimeoutMs: settings.get('socket.connection.setup.timeout.ms'),
      setupTimeoutMaxMs: settings.get('socket.connection.setup.timeout.max.ms'),
      ports: world,
    })
    const controllerClient = new ControllerClient({
      metadata,
      brokerId,
      logger,
      open: connector.open,
      listener: controlPlaneListener ?? interBrokerListener,
      requestTimeoutMs: settings.get('request.timeout.ms'),
    })
    this.began('controller client', () => controllerClient.close())
    const brokerEpoch = (): number => registrar.brokerEpoch
    const replication = new BrokerReplication({
      ...{ brokerId, brokerEpoch, settings, metadata, logger },
      controllerEpoch: () => partitions.controllerEpoch,
      listener: interBrokerListener,
      controller: controllerClient,
      registration: registrar,
      ports: world,
      open: connector.open,
      onFatal: this.options.onFatal,
    })
    this.began('replication', () => replication.close())
    const moves = new LogDirectoryMoves({
      ...{ logs, logger, clock: world.clock, timers: world.timers },
      bytesPerSecond: () => settings.get('replica.alter.log.dirs.io.max.bytes.per.second'),
      movesAtOnce: settings.get('num.replica.alter.log.dirs.threads') ?? directories.length,
      windowMs: settings.get('alter.log.dirs.replication.quota.window.size.seconds') * 1000,
      windowCount: settings.get('alter.log.dirs.replication.quota.window.num'),
      onFatal: this.options.onFatal,
    })
    const partitions = new Partitions({
      ...{ brokerId, logs, metadata, logger, brokerEpoch, replication, moves },
      ...{ clock: world.clock, timers: world.timers },
    })
    this.began('partitions', () => partitions.stop())
    registrar.onVanished(() => partitions.stepDown())
    const failureNotice = new LogDirFailureNotice({ coordination, brokerId, timers: world.timers, logger })
    this.began('failure notice', () => failureNotice.close())
    logs.attach({
      directoryFailed: (directory, error, isLast) => {
        logger.error('log directory failed', { directory, error: error.message })
        if (isLast) this.options.onFatal(error)
        else failureNotice.tell()
      },
    })

    const controller = new Controller({
      coordination,
      brokerId,
      logger,
      clock: world.clock,
      timers: world.timers,
      random: world.random,
      connect: connectOverNetwork(connector.open),
      interBrokerListener,
      controlPlaneListener,
      requestTimeoutMs: settings.get('controller.socket.timeout.ms'),
      deleteTopics: settings.get('delete.topic.enable'),
      uncleanByDefault: () => settings.get('unclean.leader.election.enable'),
      probes,
      leaderBalance: settings.get('auto.leader.rebalance.enable')
        ? {
            percentage: settings.get('leader.imbalance.per.broker.percentage'),
            checkIntervalMs: 1_000 * settings.get('leader.imbalance.check.interval.seconds'),
          }
        : undefined,
    })
    settings.onChange(changed => {
      if (changed.has('unclean.leader.election.enable') && settings.get('unclean.leader.election.enable'))
        controller.onUncleanElectionEnabled(null)
    })
    topicConfigs.onChange(topic => {
      if (topic !== null && topicConfigs.settingsOf(topic).uncleanLeaderElection)
        controller.onUncleanElectionEnabled(topic)
    })
    const producerIds = new ProducerIdBlocks({
      client: controllerClient,
      brokerId,
      brokerEpoch: () => registrar.brokerEpoch,
      timers: world.timers,
      logger,
    })
    this.began('producer ids', () => producerIds.close())
    const topicCreation = new TopicCreation({
      coordination,
      metadata,
      settings,
      random: world.random,
      logger,
    })
    const deadlines = new Deadlines(world)
    const groups = new GroupCoordinator({
      topic: consumerOffsetsTopic,
      ...{ partitions, metadata, settings, deadlines, logger },
      clock: world.clock,
      timers: world.timers,
    })
    const services: Services = {
      groups,
      internalTopics: topicCreation,
      consumerOffsets: new ConsumerOffsets(coordination),
      random: world.random,
      brokerId,
      clusterId: cluster,
      settings,
      metadata,
      partitions,
      logs,
      topicConfigs,
      configStore: store,
      configChanges,
      controller,
      producerIds,
      topicCreation,
      topicChanges: new TopicChanges({ coordination, metadata, random: world.random }),
      leaderThrottle: replication.leaderThrottle,
      fetchSessions: new FetchSessions({
        slots: settings.get('max.incremental.fetch.session.cache.slots'),
        refreshMs: Math.min(1000, settings.get('replica.lag.time.max.ms') / 4),
        randomUint32: () => world.random.uint32(),
      }),
      gathering: new Gathering(),
      deadlines,
      topicAutoCreation: topicCreation,
      firstWord: new FirstWord(metadata),
      advertisedApis: advertisedApis(handlers),
      finalizedFeaturesEpoch: () => features.epoch,
    }
    const dispatcher = new Dispatcher<Services>({
      handlers: handlerTable(handlers),
      services,
      logger,
      leaderDoubt: replication.proof,
      onInvariantViolation: this.options.onFatal,
    })
    const addressLimits = new AddressLimits({
      overrides: () => maxConnectionsPerIpOverrides(settings),
      transport: world.transport,
      logger,
    })
    await addressLimits.refresh()
    settings.onChange(changed => {
      if (changed.has('max.connections.per.ip.overrides')) void addressLimits.refresh()
    })
    const server = new RequestServer({
      world,
      logger,
      dispatcher,
      listeners: parsed.listeners.listeners.map(({ listener, host, port }) => ({
        name: listener,
        host: host === '' ? '0.0.0.0' : host,
        port,
      })),
      interBrokerListener,
      limits: connectionLimits(settings, addressLimits),
      requestBytesMax: settings.get('socket.request.max.bytes'),
      queuedRequestBytesMax: settings.get('queued.max.request.bytes'),
      queuedRequestsMax: settings.get('queued.max.requests'),
      backlog: settings.get('socket.listen.backlog.size'),
      sendBufferBytes: settings.get('socket.send.buffer.bytes'),
      receiveBufferBytes: settings.get('socket.receive.buffer.bytes'),
    })
    const bound = await server.bind()
    this.began('requests', () => server.stop(this.stopGraceMs))
    const ports = new Map(bound.map(({ name, port }) => [name, port]))
    this.running = { brokerId, ports, metadata, logs }

    logs.start()
    partitions.start()
    replication.proof.start()
    registrar.onRegistered(brokerEpoch => partitions.onRegistered(brokerEpoch))
    metadata.expect(await coordination.children(topicsZnode.path()))
    await registrar.register({
      endpoints: advertisedEndpoints(parsed.listeners, { hostName, ports }),
      rack: own.get('broker.rack'),
      jmxPort: -1,
      features: new Map(),
    })
    this.began('registration', () => registrar.stop())
    if (probes !== undefined) {
      const watch = new ControllerWatch({
        ...{ coordination, metadata, brokerId, probes, clock: world.clock, logger },
        listener: controlPlaneListener ?? interBrokerListener,
      })
      this.began('controller watch', () => watch.stop())
    }
    await controller.start()
    this.began('controller', () => controller.stop())
    groups.start()
    // Before the requests: who waits for a group is answered, not waited for.
    this.began('groups', () => groups.stop())
    server.startProcessing()
    if (settings.get('controlled.shutdown.enable')) {
      const shutdown = {
        client: controllerClient,
        metadata,
        brokerId,
        brokerEpoch: () => registrar.brokerEpoch,
        logger,
        attempts: settings.get('controlled.shutdown.max.retries'),
        backoffMs: settings.get('controlled.shutdown.retry.backoff.ms'),
      }
      this.began('leadership', async () => {
        partitions.leave()
        await handOver(shutdown)
      })
    }
    logger.info('broker started', {
      brokerId,
      clusterId: cluster,
      listeners: bound.map(({ name, host, port }) => `${name}://${host}:${port}`),
      startMs: Math.round(world.clock.monotonicMs() - startedMs),
    })
  }

  private async endFormerSession(own: BrokerSettings, directories: readonly string[]): Promise<void> {
    const { endSession } = this.options
    const servers = own.get('zookeeper.connect')
    if (endSession === undefined || servers === null) return
    const former = new FormerSession({
      ...{ coordination: this.coordination, files: this.world.files, logger: this.logger },
      ...{ directories, servers, endSession },
    })
    await former.replace()
    this.formerSession = former
  }

  /** Resolves when the metadata of this broker names `brokers` brokers and a controller; rejects after `timeoutMs`. */
  async knowsCluster(brokers: number, timeoutMs: number): Promise<void> {
    const metadata = this.running?.metadata
    const knows = await metadata?.until(
      cache => cache.aliveBrokers.length >= brokers && cache.controllerId >= 0,
      timeoutMs,
    )
    if (knows !== true)
      throw new Error(
        `broker ${this.brokerId} knows ${metadata?.aliveBrokers.length ?? 0} of ${brokers} brokers after ${timeoutMs} ms`,
      )
  }

  /** In an orderly way: answers what was accepted, flushes, checkpoints, leaves ZooKeeper. Idempotent. */
  async stop(): Promise<void> {
    await this.stopParts('stop')
  }

  /** As kill -9 would, as far as a process can do that to a part of itself: nothing is flushed or checkpointed, the session is not ended. */
  async kill(): Promise<void> {
    this.running?.logs.abandon()
    const orderly = ['coordination', 'logs', 'leadership']
    const spared = this.started.filter(({ name }) => !orderly.includes(name))
    this.started.length = 0
    this.started.push(...spared)
    this.stopGraceMs = 0
    await this.stopParts('kill')
  }

  private began(name: string, stop: () => Promise<void> | void): void {
    this.started.push({ name, stop })
  }

  private async stopParts(why: string): Promise<void> {
    if (this.isStopping) return
    this.isStopping = true
    for (const part of this.started.reverse()) {
      try {
        await part.stop()
      } catch (error) {
        this.logger.error('a part did not stop', {
          part: part.name,
          why,
          error: error instanceof Error ? error.stack : String(error),
        })
      }
    }
  }
}

interface Running {
  readonly brokerId: number
  readonly ports: ReadonlyMap<string, number>
  readonly metadata: MetadataCache
  readonly logs: LogDirectories
}

function cleanerSettings(settings: BrokerSettings): CleanerSettings {
  return {
    threads: settings.get('log.cleaner.threads'),
    dedupeBufferBytes: settings.get('log.cleaner.dedupe.buffer.size'),
    ioBufferBytes: settings.get('log.cleaner.io.buffer.size'),
    loadFactor: settings.get('log.cleaner.io.buffer.load.factor'),
    maxBytesPerSecond: settings.get('log.cleaner.io.max.bytes.per.second'),
    backoffMs: settings.get('log.cleaner.backoff.ms'),
  }
}

/** Asked at each use: most of these may change while the broker runs. */
function connectionLimits(settings: BrokerSettings, addressLimits: AddressLimits): ConnectionLimits {
  return {
    get connectionsMax() {
      return settings.get('max.connections')
    },
    get connectionsPerIpMax() {
      return settings.get('max.connections.per.ip')
    },
    get connectionsPerIpOverrides() {
      return addressLimits.byAddress
    },
    get connectionCreationRate() {
      return settings.get('max.connection.creation.rate')
    },
    ofListener: listener => ({
      connectionsMax: settings.onListener(listener, 'max.connections') ?? Infinity,
      connectionCreationRate: settings.onListener(listener, 'max.connection.creation.rate') ?? Infinity,
    }),
    get idleMaxMs() {
      return settings.get('connections.max.idle.ms')
    },
  }
}

import { Dispatcher } from '@millrace/broker/api/dispatch'
import type { Answer } from '@millrace/broker/api/handler'
import { Request, type RequestOrigin } from '@millrace/broker/api/request'
import type { DataServices } from '@millrace/broker/api/services'
import { advertisedApis, dataHandlers, handlerTable } from '@millrace/broker/api/table'
import { FetchSessions } from '@millrace/broker/core/partition/fetch-session'
import { Gathering } from '@millrace/broker/core/partition/gathering'
import { LogDirectories } from '@millrace/broker/log/log-directories'
import { MetadataCache } from '@millrace/broker/metadata/metadata-cache'
import { LogDirectoryMoves } from '@millrace/broker/replication/log-directory-moves'
import { Partitions } from '@millrace/broker/replication/partitions'
import { logDirectories } from '@millrace/broker/settings/derived'
import { parseBrokerSettings } from '@millrace/broker/settings/parse'
import { effectiveTopicSettings } from '@millrace/broker/settings/topic-settings'
import { codec } from '@millrace/protocol/codec'
import { decodeResponseHeader, encodeRequestHeader } from '@millrace/protocol/header'
import { leaderAndIsrRequest, leaderAndIsrResponse } from '@millrace/protocol/messages/04-leader-and-isr'
import { updateMetadataRequest, updateMetadataResponse } from '@millrace/protocol/messages/06-update-metadata'
import { Reader } from '@millrace/protocol/reader'
import { ZERO_UUID, type Message } from '@millrace/protocol/schema'
import { Writer } from '@millrace/protocol/writer'
import { BufferPool } from '@millrace/runtime/buffer-pool'
import { Deadlines } from '@millrace/runtime/deadline'
import { silentLogger } from '@millrace/runtime/logger'
import { nodeWorld } from '@millrace/runtime/node/world'
import type { World } from '@millrace/runtime/ports'
import { MemoryFiles } from '../world/memory-files.ts'
import { noTimers } from './no-timers.ts'

/** What became of a request: a response frame without its length, nothing (acks=0), or the end of the connection. */
export type Outcome =
  | { readonly kind: 'frame'; readonly frame: Buffer }
  | { readonly kind: 'none' }
  | { readonly kind: 'closed'; readonly reason: string }

export interface LoneTopic {
  /** One entry per partition: its replicas, the leader first. Default: one partition, led by this broker alone. */
  readonly partitions?: readonly (readonly number[])[]
  /** In-sync replicas of every partition; default: all. */
  readonly inSyncReplicas?: readonly number[]
  readonly topicId?: string
  readonly config?: Readonly<Record<string, string>>
  readonly leaderEpoch?: number
}

const logDirectory = '/logs'

/**
 * The data path of one broker, real from request bytes to segment files (in memory), without sockets, ZooKeeper and controller:
 * the test plays those. Time is real unless `wallMs` is set.
 */
export class LoneBroker {
  /** 1 unless `broker.id` says otherwise. */
  readonly brokerId: number
  readonly world: World
  /** Where faults are made: see `onOperation`. */
  readonly files = new MemoryFiles()
  readonly services: DataServices
  readonly partitions: Partitions
  readonly logs: LogDirectories
  readonly metadata: MetadataCache
  /** What the wall clock shows; null: the real time. */
  wallMs: number | null = null
  /** What Metadata requests wanted created. */
  /** What questions for metadata wait for. */
  firstWord: Promise<void> | null = null
  readonly wantedTopics: string[] = []
  brokerEpoch = 1
  readonly dispatcher: Dispatcher<DataServices>
  private readonly configs = new Map<string, ReadonlyMap<string, string>>()
  /** Ports by id. */
  private readonly liveBrokers = new Map<number, number>()
  /** Whether followers that are not in sync have to wait. */
  isThrottled = false
  /** `broker.rack` of brokers that have one. */
  readonly racks = new Map<number, string>()
  private correlationId = 0

  private constructor(properties: Readonly<Record<string, string>>) {
    this.files.makeDirectory(logDirectory)
    const bufferPool = new BufferPool()
    const real = nodeWorld({ bufferPool })
    this.world = {
      ...real,
      files: this.files,
      clock: {
        wallMs: () => this.wallMs ?? real.clock.wallMs(),
        monotonicMs: () => real.clock.monotonicMs(),
      },
    }
    const given = new Map([['broker.id', '1'], ['log.dirs', logDirectory], ...Object.entries(properties)])
    const { settings } = parseBrokerSettings(given, new Map(), { coordination: 'embedded' })
    this.brokerId = settings.get('broker.id')
    this.liveBrokers.set(this.brokerId, 9092)
    const { brokerId } = this
    this.metadata = new MetadataCache(this.world.timers)
    const { world, metadata } = this
    this.logs = new LogDirectories({
      world,
      logger: silentLogger,
      bufferPool,
      directories: logDirectories(settings),
      settingsOf: topic => effectiveTopicSettings(this.configs.get(topic) ?? new Map(), settings),
      ...noTimers,
    })
    const { clock, timers } = world
    const moves = new LogDirectoryMoves({
      ...{ logs: this.logs, clock, timers, logger: silentLogger },
      bytesPerSecond: () => settings.get('replica.alter.log.dirs.io.max.bytes.per.second'),
      movesAtOnce: 1,
      ...{ windowMs: 1000, windowCount: 11 },
      onFatal: error => {
        throw error
      },
    })
    this.partitions = new Partitions({
      ...{ brokerId, logs: this.logs, metadata, clock, timers, logger: silentLogger, moves },
      brokerEpoch: () => this.brokerEpoch,
    })
    this.services = {
      brokerId,
      clusterId: 'lone-cluster',
      settings,
      metadata,
      partitions: this.partitions,
      topicConfigs: {
        load: topic => Promise.resolve(effectiveTopicSettings(this.configs.get(topic) ?? new Map(), settings)),
      },
      logs: this.logs,
      leaderThrottle: { holds: () => this.isThrottled, note: () => {} },
      fetchSessions: new FetchSessions({ slots: 100, randomUint32: () => world.random.uint32() }),
      gathering: new Gathering(),
      deadlines: new Deadlines(world),
      topicAutoCreation: {
        createForMetadata: topics => {
          this.wantedTopics.push(...topics)
          return Promise.resolve(new Map(topics.map(topic => [topic, 5])))
        },
      },
      firstWord: { wait: () => this.firstWord },
      advertisedApis: advertisedApis(dataHandlers),
      finalizedFeaturesEpoch: () => 0,
    }
    this.dispatcher = new Dispatcher({
      handlers: handlerTable(dataHandlers),
      services: this.services,
      logger: silentLogger,
      onInvariantViolation: error => {
        throw error
      },
    })
  }

  static async open(properties: Readonly<Record<string, string>> = {}): Promise<LoneBroker> {
    const broker = new LoneBroker(properties)
    await broker.logs.load()
    await broker.tellMetadata('nothing', [], ZERO_UUID)
    return broker
  }

  async close(): Promise<void> {
    this.partitions.stop()
    this.services.deadlines.close()
    this.metadata.close()
    await this.logs.close()
  }

  /** Another broker is alive on 127.0.0.1, or gone (port null): as leader it has an endpoint from then on. */
  async setLive(brokerId: number, port: number | null = 9091 + brokerId): Promise<void> {
    if (port === null) this.liveBrokers.delete(brokerId)
    else this.liveBrokers.set(brokerId, port)
    await this.tellMetadata('nothing', [], ZERO_UUID)
  }

  /** As the controller makes a topic: LeaderAndIsr if a replica is ours, then UpdateMetadata. */
  async createTopic(name: string, topic: LoneTopic = {}): Promise<void> {
    const { partitions = [[this.brokerId]], topicId = ZERO_UUID, leaderEpoch = 0 } = topic
    this.configs.set(name, new Map(Object.entries(topic.config ?? {})))
    const states = partitions.map((replicas, index) => ({
      topicName: '',
      partitionIndex: index,
      controllerEpoch: 1,
      leader: replicas[0] ?? -1,
      leaderEpoch,
      isr: [...(topic.inSyncReplicas ?? replicas)],
      partitionEpoch: 0,
      replicas: [...replicas],
      addingReplicas: [],
      removingReplicas: [],
      isNew: true,
      leaderRecoveryState: 0,
    }))
    const ours = states.filter(({ replicas }) => replicas.includes(this.brokerId))
    if (ours.length > 0) {
      const answer = await this.request(leaderAndIsrRequest, leaderAndIsrResponse, 7, {
        controllerId: 1,
        isKRaftController: false,
        controllerEpoch: 1,
        brokerEpoch: this.brokerEpoch,
        type: 0,
        ungroupedPartitionStates: [],
        topicStates: [{ topicName: name, topicId, partitionStates: ours }],
        liveLeaders: [],
      })
      const errors = answer.topics.flatMap(({ partitionErrors }) => partitionErrors.map(({ errorCode }) => errorCode))
      if (answer.errorCode !== 0 || errors.some(code => code !== 0)) throw new Error(`LeaderAndIsr: ${errors.join()}`)
    }
    const metadata = states.map(state => ({
      topicName: '',
      partitionIndex: state.partitionIndex,
      controllerEpoch: 1,
      leader: state.leader,
      leaderEpoch,
      isr: state.isr,
      zkVersion: 0,
      replicas: state.replicas,
      offlineReplicas: [],
    }))
    await this.tellMetadata(name, metadata, topicId)
  }

  /** Sends a request and decodes its response. Throws when there is none. */
  async request<Req, Res>(
    request: Message<Req>,
    response: Message<Res>,
    apiVersion: number,
    value: Req,
    options: { readonly clientId?: string } = {},
  ): Promise<Res> {
    const outcome = await this.send(request, apiVersion, value, options)
    if (outcome.kind !== 'frame') {
      throw new Error(`${request.name}: ${outcome.kind === 'closed' ? outcome.reason : outcome.kind}`)
    }
    const reader = new Reader(outcome.frame)
    decodeResponseHeader(reader, { apiKey: request.apiKey, apiVersion })
    const decoded = codec(response, apiVersion).decode(reader)
    if (reader.remaining !== 0) throw new Error(`${response.name} v${apiVersion}: ${reader.remaining} bytes left`)
    return decoded
  }

  send<Req>(
    request: Message<Req>,
    apiVersion: number,
    value: Req,
    options: { readonly clientId?: string; readonly correlationId?: number } = {},
  ): Promise<Outcome> {
    const { clientId = 'test', correlationId = ++this.correlationId } = options
    const writer = new Writer()
    encodeRequestHeader(writer, { apiKey: request.apiKey, apiVersion, correlationId, clientId })
    codec(request, apiVersion).encode(writer, value)
    return this.sendFrame(writer.finish())
  }

  /** A request frame without its length. */
  sendFrame(frame: Buffer): Promise<Outcome> {
    return new Promise(resolve => {
      const origin: RequestOrigin = {
        principal: 'User:ANONYMOUS',
        listener: 'PLAINTEXT',
        clientAddress: '127.0.0.1',
        onAnswer: request => {
          const { result } = request
          resolve(outcomeOf(result as Answer))
          request.finish()
        },
      }
      const { isPipelined } = this.dispatcher.route(frame, 0, frame.length)
      this.dispatcher.start(new Request(origin, isPipelined, this.world.clock.wallMs()), frame, 0, frame.length)
    })
  }

  private async tellMetadata(topicName: string, partitionStates: PartitionStates, topicId: string): Promise<void> {
    const answer = await this.request(updateMetadataRequest, updateMetadataResponse, 8, {
      controllerId: 1,
      isKRaftController: false,
      type: 0,
      controllerEpoch: 1,
      brokerEpoch: this.brokerEpoch,
      ungroupedPartitionStates: [],
      topicStates: partitionStates.length === 0 ? [] : [{ topicName, topicId, partitionStates }],
      liveBrokers: [...this.liveBrokers].map(([id, port]) => ({
        id,
        v0Host: '',
        v0Port: 0,
        endpoints: [{ port, host: '127.0.0.1', listener: 'PLAINTEXT', securityProtocol: 0 }],
        rack: this.racks.get(id) ?? null,
      })),
    })
    if (answer.errorCode !== 0) throw new Error(`UpdateMetadata: ${answer.errorCode}`)
  }
}

type PartitionStates = (typeof updateMetadataRequest extends Message<infer T>
  ? T
  : never)['topicStates'][number]['partitionStates']

function outcomeOf(answer: Answer): Outcome {
  if (answer.kind === 'none') return answer
  if (answer.kind === 'close') return { kind: 'closed', reason: answer.reason }
  // Copied, because handlers take the bytes back when the request is finished.
  const bytes = Buffer.concat(answer.parts)
  return { kind: 'frame', frame: bytes.subarray(4) }
}

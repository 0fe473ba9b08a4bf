import { ErrorCode } from '@millrace/protocol/errors'
import type { Logger } from '@millrace/runtime/logger'
import type { Random } from '@millrace/runtime/ports'
import { AnyVersion, isCoordinationError } from '@millrace/zookeeper/coordination'
import type { Acl, Coordination, Operation } from '@millrace/zookeeper/coordination'
import { assignReplicas, PlacementError } from '../core/controller/placement.ts'
import {
  assignmentProblem,
  collidingTopics,
  consumerOffsetsTopic,
  topicNameProblem,
  transactionStateTopic,
} from '../core/controller/topic-rules.ts'
import type { BrokerSettings } from '../settings/broker-settings.ts'
import { InvalidTopicConfig, validateTopicOverrides } from '../settings/topic-overrides.ts'
import { childrenOf, read } from './coordination.ts'
import type { MetadataCache } from './metadata-cache.ts'
import { randomUuid } from './uuid.ts'
import { configZnode, topicsZnode, topicZnode } from './znodes.ts'

/** The assignment of a topic is one znode, and ZooKeeper takes packets of at most 1 MiB. */
const mostAssignmentBytes = 1_000_000

/** As a client asks for it. */
export interface NewTopic {
  readonly name: string
  /** -1: `num.partitions`. */
  readonly partitions: number
  /** -1: `default.replication.factor`. */
  readonly replicationFactor: number
  /** Empty: Millrace places the replicas. */
  readonly assignment: ReadonlyMap<number, readonly number[]>
  readonly configs: ReadonlyMap<string, string>
}

/** As it will be written. */
export interface PlannedTopic {
  readonly name: string
  readonly assignment: ReadonlyMap<number, readonly number[]>
  readonly configs: ReadonlyMap<string, string>
}

/** The topic cannot be created or changed as asked; `errorCode` and `message` are for the client. */
export class TopicRefused extends Error {
  override readonly name = 'TopicRefused'
  readonly errorCode: number
  constructor(errorCode: number, message: string) {
    super(message)
    this.errorCode = errorCode
  }
}

/** What a client is told of `error`; undefined: a failure of our own. */
export function asRefusal(error: unknown): TopicRefused | undefined {
  if (error instanceof TopicRefused) return error
  if (!isCoordinationError(error)) return undefined
  // It may have been written or not; asking again tells.
  return new TopicRefused(ErrorCode.REQUEST_TIMED_OUT, 'ZooKeeper did not answer in time.')
}

export interface TopicCreationOptions {
  readonly coordination: Coordination
  readonly metadata: Pick<MetadataCache, 'aliveBrokers' | 'hasTopic'>
  readonly settings: BrokerSettings
  readonly random: Random
  readonly logger: Logger
  readonly acl?: readonly Acl[]
}

/**
 * Creating topics: what is checked, where replicas go, what is written. The controller notices the new znode and does the
 * rest, so any broker may do this, and does when a client asks for metadata of a topic that nobody has.
 */
export class TopicCreation {
  readonly #options: TopicCreationOptions
  readonly #inProgress = new Set<string>()

  constructor(options: TopicCreationOptions) {
    this.#options = options
  }

  /** Checks in Kafka's order, and places the replicas. Throws TopicRefused. */
  async plan(topic: NewTopic): Promise<PlannedTopic> {
    const { metadata } = this.#options
    const { name, configs } = topic
    if (metadata.hasTopic(name)) throw alreadyExists(name)
    const isManual = topic.assignment.size > 0
    if (isManual && (topic.partitions !== -1 || topic.replicationFactor !== -1)) {
      throw new TopicRefused(
        ErrorCode.INVALID_REQUEST,
        'Both numPartitions or replicationFactor and replicasAssignments were set. Both cannot be used at the same time.',
      )
    }
    const assignment = isManual ? topic.assignment : this.#place(topic)
    checkSize(assignment.size, assignment.get(0)?.length ?? 1)
    await this.#checkName(name)
    const problem = assignmentProblem(assignment)
    if (problem !== null) throw new TopicRefused(ErrorCode.INVALID_REPLICA_ASSIGNMENT, sentence(problem))
    checkConfigs(configs)
    return { name, assignment, configs }
  }

  /**
   * Writes settings and assignment, both or neither, and answers the topic's id. No notification of the settings: brokers
   * read them when a partition comes to them. Throws TopicRefused when the topic exists by now, or what coordination throws.
   */
  async create({ name, assignment, configs }: PlannedTopic): Promise<string> {
    const { random, logger } = this.#options
    const topicId = randomUuid(random)
    const data = topicZnode.encode({
      topicId,
      partitions: assignment,
      addingReplicas: new Map(),
      removingReplicas: new Map(),
    })
    await this.#write({ name, topicId, settings: configZnode.encode(configs), assignment: data })
    logger.info('topic written', { topic: name, topicId, partitions: assignment.size })
    return topicId
  }

  /**
   * For Metadata with `auto.create.topics.enable`: writes the topics and does not wait for the controller. Answers the code of
   * each: LEADER_NOT_AVAILABLE (ask again) when it is under way.
   */
  async createForMetadata(topics: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const codes = new Map<string, number>()
    for (const name of topics) codes.set(name, await this.autoCreate(name))
    return codes
  }

  async autoCreate(name: string): Promise<number> {
    if (this.#inProgress.has(name)) return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    this.#inProgress.add(name)
    try {
      await this.create(await this.plan(this.#automatic(name)))
      return ErrorCode.LEADER_NOT_AVAILABLE
    } catch (error) {
      if (error instanceof TopicRefused) {
        if (error.errorCode === ErrorCode.TOPIC_ALREADY_EXISTS) return ErrorCode.LEADER_NOT_AVAILABLE
        this.#options.logger.info('topic not created', { topic: name, reason: error.message })
        return error.errorCode
      }
      if (!isCoordinationError(error)) throw error
      this.#options.logger.warn('topic could not be written', { topic: name, error })
      return ErrorCode.LEADER_NOT_AVAILABLE
    } finally {
      this.#inProgress.delete(name)
    }
  }

  #automatic(name: string): NewTopic {
    const { settings } = this.#options
    const plain = { name, partitions: -1, replicationFactor: -1, assignment: new Map(), configs: new Map() }
    if (name === consumerOffsetsTopic) {
      return {
        ...plain,
        partitions: settings.get('offsets.topic.num.partitions'),
        replicationFactor: settings.get('offsets.topic.replication.factor'),
        configs: new Map([
          ['compression.type', 'producer'],
          ['cleanup.policy', 'compact'],
          ['segment.bytes', String(settings.get('offsets.topic.segment.bytes'))],
        ]),
      }
    }
    if (name === transactionStateTopic) {
      return {
        ...plain,
        partitions: settings.get('transaction.state.log.num.partitions'),
        replicationFactor: settings.get('transaction.state.log.replication.factor'),
        configs: new Map([
          ['compression.type', 'uncompressed'],
          ['cleanup.policy', 'compact'],
          ['min.insync.replicas', String(settings.get('transaction.state.log.min.isr'))],
          ['segment.bytes', String(settings.get('transaction.state.log.segment.bytes'))],
          ['unclean.leader.election.enable', 'false'],
        ]),
      }
    }
    return plain
  }

  #place(topic: NewTopic): Map<number, number[]> {
    const { metadata, settings, random } = this.#options
    const partitions = topic.partitions === -1 ? settings.get('num.partitions') : topic.partitions
    const replicationFactor =
      topic.replicationFactor === -1 ? settings.get('default.replication.factor') : topic.replicationFactor
    checkSize(partitions, Math.max(1, replicationFactor))
    return placed({
      brokers: [...metadata.aliveBrokers].sort((left, right) => left.id - right.id),
      partitions,
      replicationFactor,
      random,
    })
  }

  async #checkName(name: string): Promise<void> {
    const problem = topicNameProblem(name)
    if (problem !== null) {
      throw new TopicRefused(ErrorCode.INVALID_TOPIC_EXCEPTION, `Topic name is invalid: ${problem}`)
    }
    const existing = await childrenOf(this.#options.coordination, topicsZnode.path())
    if (existing.includes(name)) throw alreadyExists(name)
    const colliding = collidingTopics(name, existing)
    if (colliding.length > 0) {
      const message = `Topic '${name}' collides with existing topics: ${colliding.join(', ')}`
      throw new TopicRefused(ErrorCode.INVALID_TOPIC_EXCEPTION, message)
    }
  }

  /** In one transaction. Settings that a topic of this name left behind are replaced. */
  async #write(topic: {
    readonly name: string
    readonly topicId: string
    readonly settings: Buffer
    readonly assignment: Buffer
  }): Promise<void> {
    const { coordination, acl } = this.#options
    const owned = acl === undefined ? {} : { acl }
    const path = configZnode.path(`topics/${topic.name}`)
    const create: Operation = { op: 'create', path: topicZnode.path(topic.name), data: topic.assignment, ...owned }
    try {
      await coordination.multi([{ op: 'create', path, data: topic.settings, ...owned }, create])
    } catch (error) {
      if (isCoordinationError(error, 'UNKNOWN_OUTCOME') && (await this.#isWritten(topic.name, topic.topicId))) return
      if (!isCoordinationError(error, 'NODE_EXISTS')) throw error
      if (error.failedIndex !== 0) throw alreadyExists(topic.name)
      await this.#writeOver(topic.name, { op: 'set', path, data: topic.settings, version: AnyVersion }, create)
    }
  }

  async #isWritten(name: string, topicId: string): Promise<boolean> {
    const found = await read(this.#options.coordination, topicZnode, topicZnode.path(name))
    if (found !== null && found.value.topicId !== topicId) throw alreadyExists(name)
    return found !== null
  }

  async #writeOver(name: string, settings: Operation, topic: Operation): Promise<void> {
    try {
      await this.#options.coordination.multi([settings, topic])
    } catch (error) {
      if (isCoordinationError(error, 'NODE_EXISTS')) throw alreadyExists(name)
      throw error
    }
  }
}

/** `assignReplicas` with the broker's chance, its errors as answers. Throws TopicRefused. */
export function placed(
  request: Omit<Parameters<typeof assignReplicas>[0], 'random'> & { readonly random: Random },
): Map<number, number[]> {
  const { random } = request
  try {
    return assignReplicas({ ...request, random: bound => random.uint32() % bound })
  } catch (error) {
    if (!(error instanceof PlacementError)) throw error
    throw new TopicRefused(ErrorCode[error.code], error.message)
  }
}

/** Throws TopicRefused when so many partitions with so many replicas do not fit into the topic's znode. */
export function checkSize(partitions: number, replicationFactor: number): void {
  if (partitions * (12 + 8 * replicationFactor) > mostAssignmentBytes) throw tooManyPartitions(partitions)
}

function checkConfigs(configs: ReadonlyMap<string, string>): void {
  try {
    validateTopicOverrides(configs)
  } catch (error) {
    if (!(error instanceof InvalidTopicConfig)) throw error
    throw new TopicRefused(ErrorCode.INVALID_CONFIG, error.message)
  }
}

const alreadyExists = (name: string): TopicRefused =>
  new TopicRefused(ErrorCode.TOPIC_ALREADY_EXISTS, `Topic '${name}' already exists.`)

const tooManyPartitions = (partitions: number): TopicRefused =>
  new TopicRefused(
    ErrorCode.INVALID_PARTITIONS,
    `${partitions} partitions do not fit into the znode of one topic (1 MiB)`,
  )

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`

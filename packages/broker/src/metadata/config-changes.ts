import type { Logger } from '@millrace/runtime/logger'
import type { Clock, Timers } from '@millrace/runtime/ports'
import type { Coordination } from '@millrace/zookeeper/coordination'
import { brokerEntity, topicEntity, type ConfigStore, type ConfigValues } from './config-store.ts'
import { NotificationWorker } from './notification-worker.ts'
import { configChangesZnode, configChangeZnode } from './znodes.ts'

/** Gets the complete values of an entity: after the start, after each change, and again where nothing changed. */
export interface ConfigReceiver {
  brokerChanged(values: ConfigValues): void | Promise<void>
  clusterDefaultChanged(values: ConfigValues): void | Promise<void>
  topicChanged(topic: string, values: ConfigValues): void | Promise<void>
}

/** Follows `/config/changes` and hands the configs that concern this broker to `receiver`. */
export class ConfigChanges {
  readonly #store: ConfigStore
  readonly #receiver: ConfigReceiver
  readonly #brokerId: number
  readonly #logger: Logger
  readonly #worker: NotificationWorker

  constructor(options: {
    readonly coordination: Coordination
    readonly store: ConfigStore
    readonly receiver: ConfigReceiver
    readonly brokerId: number
    readonly clock: Clock
    readonly timers: Timers
    readonly logger: Logger
  }) {
    const { coordination, clock, timers, logger } = options
    this.#store = options.store
    this.#receiver = options.receiver
    this.#brokerId = options.brokerId
    this.#logger = logger
    this.#worker = new NotificationWorker({
      coordination,
      clock,
      timers,
      logger,
      path: configChangesZnode.path(),
      prefix: 'config_change_',
      handle: (data, path) => this.#handle(configChangeZnode.decode(data, path)),
    })
  }

  /** Watches first and loads then, so that nothing is missed. When it resolves the receiver has had everything. */
  async start(): Promise<void> {
    await this.#worker.start()
    await this.#load(brokerEntity(null))
    await this.#load(brokerEntity(this.#brokerId))
    for (const topic of await this.#store.names('topics')) await this.#load(topicEntity(topic))
  }

  /** Until what the notification at `path` tells of is in effect here, or so long. */
  untilApplied(path: string, timeoutMs: number): Promise<void> {
    return this.#worker.untilHandled(path, timeoutMs)
  }

  stop(): Promise<void> {
    return this.#worker.stop()
  }

  async #load(entity: string): Promise<void> {
    try {
      await this.#handle(entity)
    } catch (error) {
      // One config that nobody can read must not keep the broker from starting.
      if (!(error instanceof Error) || error.name !== 'MalformedZnode') throw error
      this.#logger.error('config could not be read, ignored', { entity, error })
    }
  }

  async #handle(entity: string): Promise<void> {
    const [type, name, more] = entity.split('/')
    if (name === undefined || more !== undefined) return // users/…/clients/…: quotas are not built yet.
    if (type === 'topics') {
      await this.#receiver.topicChanged(name, await this.#store.read(entity))
    } else if (entity === brokerEntity(this.#brokerId)) {
      await this.#receiver.brokerChanged(await this.#store.read(entity))
    } else if (entity === brokerEntity(null)) {
      await this.#receiver.clusterDefaultChanged(await this.#store.read(entity))
    }
  }
}

import {
  AnyVersion,
  isCoordinationError,
  type Acl,
  type Coordination,
  type Operation,
} from '@millrace/zookeeper/coordination'
import { childrenOf, ControllerMoved, createRecursive, guardedMulti, read } from './coordination.ts'
import {
  configChangePrefix,
  configChangeZnode,
  configTypeZnode,
  configZnode,
  controllerZnode,
  defaultEntity,
  type ConfigEntityType,
} from './znodes.ts'

export type ConfigValues = ReadonlyMap<string, string>

/** `brokers/3`, or `brokers/<default>` for null. */
export const brokerEntity = (brokerId: number | null): string => `brokers/${brokerId ?? defaultEntity}`
export const topicEntity = (topic: string): string => `topics/${topic}`

/**
 * The dynamic configs under `/config`. An entity is named by its path there: `topics/orders`, `brokers/<default>`,
 * `users/alice/clients/app` (names sanitised).
 */
export class ConfigStore {
  readonly #coordination: Coordination
  readonly #acl: readonly Acl[] | undefined

  constructor(coordination: Coordination, acl?: readonly Acl[]) {
    this.#coordination = coordination
    this.#acl = acl
  }

  /** Empty where nothing is stored. Throws MalformedZnode. */
  async read(entity: string): Promise<ConfigValues> {
    const stored = await read(this.#coordination, configZnode, configZnode.path(entity))
    return stored?.value ?? new Map()
  }

  /** Names (the last part of their paths) of the entities of one type. */
  names(type: ConfigEntityType): Promise<string[]> {
    return childrenOf(this.#coordination, configTypeZnode.path(type))
  }

  /**
   * Replaces all values of the entity, and tells every broker: answers the path of the notification. Whoever writes last wins:
   * entities have no version of their own. Throws ControllerMoved when no controller of the ZooKeeper era is there to look after the cluster.
   */
  async write(entity: string, values: ConfigValues): Promise<string> {
    const path = configZnode.path(entity)
    const data = configZnode.encode(values)
    try {
      await this.#underController([{ op: 'set', path, data, version: AnyVersion }])
    } catch (error) {
      if (!isCoordinationError(error, 'NO_NODE')) throw error
      await this.#create(path, data)
    }
    return this.#coordination.create(configChangePrefix, configChangeZnode.encode(entity), {
      mode: 'persistent-sequential',
      ...(this.#acl === undefined ? {} : { acl: this.#acl }),
    })
  }

  /** The config of a topic that is about to be created: nobody knows the topic yet, so nobody is told. */
  async writeForNewTopic(topic: string, values: ConfigValues): Promise<void> {
    const path = configZnode.path(topicEntity(topic))
    const data = configZnode.encode(values)
    try {
      await createRecursive(this.#coordination, path, data, this.#acl === undefined ? {} : { acl: this.#acl })
    } catch (error) {
      // Left behind by a topic whose deletion, or whose creation, did not end.
      if (!isCoordinationError(error, 'NODE_EXISTS')) throw error
      await this.#coordination.set(path, data, AnyVersion)
    }
  }

  async #create(path: string, data: Buffer): Promise<void> {
    const acl = this.#acl === undefined ? {} : { acl: this.#acl }
    const parent = path.slice(0, path.lastIndexOf('/'))
    if ((await this.#coordination.exists(parent)) === null) {
      await createRecursive(this.#coordination, parent, null, acl).catch((error: unknown) => {
        if (!isCoordinationError(error, 'NODE_EXISTS')) throw error
      })
    }
    await this.#underController([{ op: 'create', path, data, ...acl }])
  }

  /** Only while the controller that is there now stays: a migration to KRaft must find nobody writing. */
  async #underController(operations: readonly Operation[]): Promise<void> {
    const path = controllerZnode.path()
    const controller = await read(this.#coordination, controllerZnode, path)
    if (controller === null || controller.value.kraftControllerEpoch > 0) throw new ControllerMoved(null)
    const check: Operation = { op: 'check', path, version: controller.stat.version }
    await guardedMulti(this.#coordination, check, operations, cause => new ControllerMoved(null, { cause }))
  }
}

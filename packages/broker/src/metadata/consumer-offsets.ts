import { AnyVersion, isCoordinationError, openAcl, type Coordination } from '@millrace/zookeeper/coordination'
import { ensurePath, read } from './coordination.ts'
import { MalformedZnode } from './znode.ts'
import { consumerOffsetZnode } from './znodes.ts'

/**
 * Offsets as clients of Kafka 0.8 keep them: one znode each under `/consumers`, open to everybody. No group of ours knows of them.
 * What these throw says why nothing is known, or that it is not known whether something was written: then write again.
 */
export class ConsumerOffsets {
  readonly #coordination: Coordination

  constructor(coordination: Coordination) {
    this.#coordination = coordination
  }

  /** Null: none was committed. Throws MalformedZnode, CoordinationError. */
  async get(groupId: string, topic: string, partition: number): Promise<number | null> {
    const path = consumerOffsetZnode.path(groupId, topic, partition)
    return (await read(this.#coordination, consumerOffsetZnode, path))?.value ?? null
  }

  /** Whoever writes last is right, as with Kafka. Throws CoordinationError. */
  async set(groupId: string, topic: string, partition: number, offset: number): Promise<void> {
    const path = consumerOffsetZnode.path(groupId, topic, partition)
    const data = consumerOffsetZnode.encode(offset)
    try {
      await this.#coordination.set(path, data, AnyVersion)
    } catch (error) {
      if (!isCoordinationError(error, 'NO_NODE')) throw error
      // Somebody else may make it in between: then it is there to be set.
      if (await ensurePath(this.#coordination, path, data, openAcl)) return
      await this.#coordination.set(path, data, AnyVersion)
    }
  }
}

/** Why an offset is not known: the coordination, or what somebody wrote there. Anything else is a bug of ours. */
export const isOffsetFailure = (error: unknown): boolean =>
  isCoordinationError(error) || error instanceof MalformedZnode

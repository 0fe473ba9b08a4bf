import { ErrorCode } from '@millrace/protocol/errors'
import type { Random } from '@millrace/runtime/ports'
import { isCoordinationError } from '@millrace/zookeeper/coordination'
import type { Acl, Coordination } from '@millrace/zookeeper/coordination'
import { assignmentProblem } from '../core/controller/topic-rules.ts'
import { read, update } from './coordination.ts'
import type { MetadataCache } from './metadata-cache.ts'
import { checkSize, placed, TopicRefused } from './topic-creation.ts'
import { deleteTopicZnode, topicZnode, type TopicAssignment } from './znodes.ts'

export interface MorePartitions {
  readonly topic: string
  /** In all, not in addition. */
  readonly count: number
  /** Replicas of each new partition, in order; null: Millrace places them. */
  readonly assignments: readonly (readonly number[])[] | null
}

export interface TopicChangesOptions {
  readonly coordination: Coordination
  readonly metadata: Pick<MetadataCache, 'aliveBrokers'>
  readonly random: Random
  readonly acl?: readonly Acl[]
}

/** More partitions, and deletion: what is checked and written. The controller notices the znodes and does the rest. */
export class TopicChanges {
  readonly #options: TopicChangesOptions

  constructor(options: TopicChangesOptions) {
    this.#options = options
  }

  /** Checks, in Kafka's order, and answers the new partitions. Throws TopicRefused. */
  async planPartitions(request: MorePartitions): Promise<ReadonlyMap<number, readonly number[]>> {
    const found = await read(this.#options.coordination, topicZnode, topicZnode.path(request.topic))
    return this.#additional(request, found?.value ?? null)
  }

  /** Writes what `planPartitions` would answer now, and answers it. Throws TopicRefused. */
  async addPartitions(request: MorePartitions): Promise<ReadonlyMap<number, readonly number[]>> {
    let added: ReadonlyMap<number, readonly number[]> = new Map()
    try {
      await update(this.#options.coordination, topicZnode, topicZnode.path(request.topic), current => {
        added = this.#additional(request, current)
        return { ...current!, partitions: new Map([...current!.partitions, ...added]) }
      })
    } catch (error) {
      if (isCoordinationError(error, 'NO_NODE')) throw unknownTopic(request.topic)
      throw error
    }
    return added
  }

  /** Asks the controller to delete the topic. That it has been asked already is fine. */
  async markForDeletion(topic: string): Promise<void> {
    const { coordination, acl } = this.#options
    try {
      await coordination.create(deleteTopicZnode.path(topic), null, acl === undefined ? {} : { acl })
    } catch (error) {
      if (!isCoordinationError(error, 'NODE_EXISTS')) throw error
    }
  }

  #additional(request: MorePartitions, current: TopicAssignment | null): ReadonlyMap<number, readonly number[]> {
    const { topic, count, assignments } = request
    if (current === null || current.partitions.size === 0) throw unknownTopic(topic)
    if (current.addingReplicas.size > 0 || current.removingReplicas.size > 0) {
      const message = `A partition reassignment is in progress for the topic '${topic}'.`
      throw new TopicRefused(ErrorCode.REASSIGNMENT_IN_PROGRESS, message)
    }
    const existing = current.partitions.size
    if (count < existing) {
      const message = `Topic currently has ${existing} partitions, which is higher than the requested ${count}.`
      throw new TopicRefused(ErrorCode.INVALID_PARTITIONS, message)
    }
    if (count === existing) {
      throw new TopicRefused(ErrorCode.INVALID_PARTITIONS, `Topic already has ${existing} partitions.`)
    }
    // Counted before anything of that size is made.
    const first = current.partitions.get(0) ?? []
    checkSize(count, first.length)
    const added =
      assignments === null
        ? this.#place({ first, existing, additional: count - existing })
        : this.#given(assignments, { existing, additional: count - existing })
    const problem = assignmentProblem(added, { firstPartition: existing, replicationFactor: first.length })
    if (problem !== null) throw new TopicRefused(ErrorCode.INVALID_REPLICA_ASSIGNMENT, problem)
    return added
  }

  /** Goes on where the topic's own placement left off: from the broker of its first replica. */
  #place(options: {
    readonly first: readonly number[]
    readonly existing: number
    readonly additional: number
  }): Map<number, number[]> {
    const { first, existing, additional } = options
    const brokers = [...this.#options.metadata.aliveBrokers].sort((left, right) => left.id - right.id)
    return placed({
      brokers,
      partitions: additional,
      replicationFactor: first.length,
      fixedStartIndex: Math.max(
        0,
        brokers.findIndex(broker => broker.id >= (first[0] ?? 0)),
      ),
      startPartitionId: existing,
      random: this.#options.random,
    })
  }

  #given(
    assignments: readonly (readonly number[])[],
    { existing, additional }: { readonly existing: number; readonly additional: number },
  ): Map<number, readonly number[]> {
    const alive = new Set(this.#options.metadata.aliveBrokers.map(broker => broker.id))
    const unknown = [...new Set(assignments.flat())].filter(id => !alive.has(id))
    if (unknown.length > 0) {
      const message = `Unknown broker(s) in replica assignment: ${unknown.join(', ')}.`
      throw new TopicRefused(ErrorCode.INVALID_REPLICA_ASSIGNMENT, message)
    }
    if (assignments.length !== additional) {
      const message = `Increasing the number of partitions by ${additional} but ${assignments.length} assignments provided.`
      throw new TopicRefused(ErrorCode.INVALID_REPLICA_ASSIGNMENT, message)
    }
    return new Map(assignments.map((replicas, index) => [existing + index, replicas]))
  }
}

const unknownTopic = (topic: string): TopicRefused =>
  new TopicRefused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `The topic '${topic}' does not exist.`)

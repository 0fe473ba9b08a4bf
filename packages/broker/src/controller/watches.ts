import type { Logger } from '@millrace/runtime/logger'
import type { Watcher } from '@millrace/zookeeper/coordination'
import type { RegisteredBroker, TopicSnapshot } from '../core/controller/controller-state.ts'
import type { Leadership, ReplicaAssignment } from '../core/controller/leadership.ts'
import { childrenOf, read, readAndWatch } from '../metadata/coordination.ts'
import { MalformedZnode, type Znode } from '../metadata/znode.ts'
import {
  brokersZnode,
  brokerZnode,
  deleteTopicsZnode,
  logDirEventsZnode,
  logDirEventZnode,
  preferredElectionZnode,
  reassignPartitionsZnode,
  topicsZnode,
  topicZnode,
  type NamedPartition,
  type RequestedReassignment,
  type TopicAssignment,
} from '../metadata/znodes.ts'
import { securityProtocolId } from '../settings/endpoint.ts'
import type { ControllerTerm } from './controller-term.ts'
import { inFlight } from './in-flight.ts'
import { readLeadership } from './read-leadership.ts'

/** What a watch reported. Nothing has been read yet: reading is what sets the watch again. */
export type Change =
  | { readonly change: 'brokers' }
  | { readonly change: 'broker'; readonly brokerId: number }
  | { readonly change: 'topics' }
  | { readonly change: 'topic'; readonly topic: string }
  | { readonly change: 'deletions' }
  | { readonly change: 'log-dir-events' }
  | { readonly change: 'reassignments' }
  | { readonly change: 'elections' }

/**
 * What the controller reads of ZooKeeper, with a watch on all of it. Watches fire once; each read sets its own anew, so a
 * change is reported once however often it happens before the next look.
 */
export class Watches {
  readonly #term: ControllerTerm
  readonly #logger: Logger
  readonly #report: (change: Change) => void
  /** One function per subject, so that looking again at what did not change adds no second watcher. */
  readonly #watchers = new Map<string, Watcher>()

  constructor(term: ControllerTerm, logger: Logger, report: (change: Change) => void) {
    this.#term = term
    this.#logger = logger
    this.#report = report
  }

  /** Every broker registered now. One that registers in this moment (no data yet) is reported again when it has. */
  async brokers(): Promise<RegisteredBroker[]> {
    const path = brokersZnode.path()
    const names = await this.#term.read(coordination => childrenOf(coordination, path, this.#on({ change: 'brokers' })))
    const ids = names.map(Number).filter(id => Number.isSafeInteger(id) && id >= 0)
    const registered = await inFlight(ids, id => this.broker(id))
    return registered.filter(broker => broker !== null)
  }

  /** One registration; null when it is gone, or cannot be understood. */
  async broker(brokerId: number): Promise<RegisteredBroker | null> {
    const path = brokerZnode.path(brokerId)
    try {
      const found = await this.#term.read(coordination =>
        read(coordination, brokerZnode, path, this.#on({ change: 'broker', brokerId })),
      )
      if (found === null) {
        this.#forget({ change: 'broker', brokerId })
        return null
      }
      return {
        id: brokerId,
        epoch: found.stat.czxid,
        rack: found.value.rack,
        endpoints: found.value.endpoints.map(({ listener, host, port, securityProtocol }) => ({
          listener,
          host,
          port,
          securityProtocol: securityProtocolId(securityProtocol),
        })),
      }
    } catch (error) {
      if (!(error instanceof MalformedZnode)) throw error
      this.#logger.error('broker registration cannot be read: the broker is left out', { brokerId, error })
      return null
    }
  }

  topicNames(): Promise<string[]> {
    return this.#term.read(coordination => childrenOf(coordination, topicsZnode.path(), this.#on({ change: 'topics' })))
  }

  /** The assignment of one topic; null when it is gone. A missing topic id is the caller's to give. */
  async topic(name: string): Promise<TopicAssignment | null> {
    const path = topicZnode.path(name)
    try {
      const found = await this.#term.read(coordination =>
        read(coordination, topicZnode, path, this.#on({ change: 'topic', topic: name })),
      )
      if (found === null) this.#forget({ change: 'topic', topic: name })
      return found?.value ?? null
    } catch (error) {
      if (!(error instanceof MalformedZnode)) throw error
      this.#logger.error('topic cannot be read: it is left out', { topic: name, error })
      return null
    }
  }

  /** Names of topics to be deleted. */
  deletions(): Promise<string[]> {
    return this.#term.read(coordination =>
      childrenOf(coordination, deleteTopicsZnode.path(), this.#on({ change: 'deletions' })),
    )
  }

  /** Which brokers said that they lost a log folder, and the znodes that say so. */
  async logDirEvents(): Promise<{ readonly names: readonly string[]; readonly brokerIds: readonly number[] }> {
    const names = await this.#term.read(coordination =>
      childrenOf(coordination, logDirEventsZnode.path(), this.#on({ change: 'log-dir-events' })),
    )
    const brokerIds = await inFlight(names, async name => {
      const found = await this.#term.read(coordination =>
        read(coordination, logDirEventZnode, logDirEventZnode.path(name)),
      )
      return found?.value ?? -1
    })
    return { names, brokerIds: [...new Set(brokerIds.filter(id => id >= 0))] }
  }

  /** What `/admin/reassign_partitions` asks for; null: it is not there, or cannot be understood. */
  reassignments(): Promise<readonly RequestedReassignment[] | null> {
    return this.#request(reassignPartitionsZnode, { change: 'reassignments' })
  }

  /** What `/admin/preferred_replica_election` asks for. */
  elections(): Promise<readonly NamedPartition[] | null> {
    return this.#request(preferredElectionZnode, { change: 'elections' })
  }

  /** A znode that old tools create when they want something. */
  async #request<Value>(znode: Znode<[], Value>, change: Change): Promise<Value | null> {
    try {
      const found = await this.#term.read(coordination =>
        readAndWatch(coordination, znode, znode.path(), this.#on(change)),
      )
      return found?.value ?? null
    } catch (error) {
      if (!(error instanceof MalformedZnode)) throw error
      this.#logger.error('a request by znode cannot be read: it is left alone', { error })
      return null
    }
  }

  /** Topics with their assignments, and no leadership; those that vanish meanwhile are left out. */
  async topics(names: readonly string[], idFor: TopicIdSource): Promise<TopicSnapshot[]> {
    const found = await inFlight(names, async name => {
      const assignment = await this.topic(name)
      if (assignment === null) return null
      const topicId = assignment.topicId ?? (await idFor(name, assignment))
      return { name, topicId, partitions: assignmentsOf(assignment), leadership: new Map() }
    })
    return found.filter(topic => topic !== null)
  }

  /** The same, and what the state znode of each partition says. */
  async topicsWithLeadership(names: readonly string[], idFor: TopicIdSource): Promise<TopicSnapshot[]> {
    const topics = await this.topics(names, idFor)
    const partitions = topics.flatMap(({ name, partitions: all }) =>
      [...all.keys()].map(partition => ({ topic: name, partition })),
    )
    const states = await readLeadership(this.#term, this.#logger, partitions)
    const leadership = new Map<string, Map<number, Leadership>>(topics.map(({ name }) => [name, new Map()]))
    partitions.forEach(({ topic, partition }, index) => {
      const state = states[index]
      if (state !== null && state !== undefined) leadership.get(topic)?.set(partition, state)
    })
    return topics.map(topic => ({ ...topic, leadership: leadership.get(topic.name) ?? new Map<number, Leadership>() }))
  }

  #on(change: Change): Watcher {
    const key = subjectOf(change)
    const known = this.#watchers.get(key)
    if (known !== undefined) return known
    const watcher = (): void => {
      if (!this.#term.isOver) this.#report(change)
    }
    this.#watchers.set(key, watcher)
    return watcher
  }

  #forget(change: Change): void {
    this.#watchers.delete(subjectOf(change))
  }
}

/** Two reports of one subject are one: what is read for the first shows the second too. */
export function subjectOf(change: Change): string {
  switch (change.change) {
    case 'broker':
      return `broker ${change.brokerId}`
    case 'topic':
      return `topic ${change.topic}`
    default:
      return change.change
  }
}

/** Gives an id to a topic of before KIP-516, and writes it down. */
export type TopicIdSource = (name: string, assignment: TopicAssignment) => Promise<string>

export function assignmentsOf(topic: TopicAssignment): Map<number, ReplicaAssignment> {
  return new Map(
    [...topic.partitions].map(([partition, replicas]) => [
      partition,
      {
        replicas,
        addingReplicas: topic.addingReplicas.get(partition) ?? [],
        removingReplicas: topic.removingReplicas.get(partition) ?? [],
      },
    ]),
  )
}

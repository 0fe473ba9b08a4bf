import type { OpenConnection } from '@millrace/client/connection/connector'
import { javaAbs, javaHash } from '@millrace/protocol/java-hash'
import type { Logger } from '@millrace/runtime/logger'
import type { Clock, Timers } from '@millrace/runtime/ports'
import type { MetadataCache } from '../metadata/metadata-cache.ts'
import { FollowedPartition, type FollowedPartitionOptions } from './followed-partition.ts'
import type { Partition } from './partition.ts'
import { ReplicaFetcher, type FollowerSettings, type ReplicaFetcherOptions } from './replica-fetcher.ts'

/** Who keeps followers up to date, as partitions see it. */
export interface Followers {
  /** Fetches from the partition's leader from now on, in its present epoch. */
  follow(partition: Partition): void
  /** Nothing is appended to it any more when this returns. Does nothing for what is not followed. */
  unfollow(partition: Partition): void
}

export interface ReplicaFetchersOptions {
  readonly brokerId: number
  readonly brokerEpoch: () => number
  readonly metadata: Pick<MetadataCache, 'endpoint'>
  /** The listener between brokers. */
  readonly listener: string
  /** `num.replica.fetchers`; dynamic: partitions that are followed already stay where they are. */
  readonly fetchersPerLeader: () => number
  readonly settings: FollowerSettings
  readonly throttle: ReplicaFetcherOptions['throttle']
  readonly ports: { readonly clock: Clock; readonly timers: Timers }
  readonly open: OpenConnection
  readonly logger: Logger
  readonly onFatal: (error: Error) => void
}

interface Followed {
  readonly partition: FollowedPartition
  readonly fetcher: ReplicaFetcher
}

/** Every replica that this broker keeps up to date, spread over one connection per leader and fetcher id. */
export class ReplicaFetchers implements Followers {
  private readonly options: ReplicaFetchersOptions
  /** The same for all. */
  private readonly terms: FollowedPartitionOptions
  /** By `leader/fetcher`. */
  private readonly fetchers = new Map<string, ReplicaFetcher>()
  private readonly followed = new Map<Partition, Followed>()
  private readonly closing = new Set<Promise<void>>()
  private isSweepScheduled = false
  private isClosed = false

  constructor(options: ReplicaFetchersOptions) {
    this.options = options
    const { brokerId, ports, logger, settings } = options
    const wallMs = (): number => ports.clock.wallMs()
    this.terms = { brokerId, logger, wallMs, backoffMs: settings.backoffMs }
  }

  get fetcherCount(): number {
    return this.fetchers.size
  }

  follow(partition: Partition): void {
    this.unfollow(partition)
    if (this.isClosed || partition.leaderId < 0) return
    const followed = new FollowedPartition(partition, this.terms)
    const fetcher = this.fetcherFor(partition)
    this.followed.set(partition, { partition: followed, fetcher })
    fetcher.add(followed)
  }

  unfollow(partition: Partition): void {
    const known = this.followed.get(partition)
    if (known === undefined) return
    this.followed.delete(partition)
    known.fetcher.remove(known.partition)
    if (known.fetcher.size === 0) this.sweepSoon()
  }

  async close(): Promise<void> {
    this.isClosed = true
    for (const fetcher of this.fetchers.values()) this.closing.add(fetcher.close())
    this.fetchers.clear()
    this.followed.clear()
    await Promise.all(this.closing)
  }

  private fetcherFor({ topic, partition, leaderId }: Partition): ReplicaFetcher {
    const fetcherId = javaAbs((Math.imul(31, javaHash(topic)) + partition) | 0) % this.options.fetchersPerLeader()
    const key = `${leaderId}/${fetcherId}`
    const known = this.fetchers.get(key)
    if (known !== undefined) return known
    const { metadata, listener, ...options } = this.options
    const fetcher = new ReplicaFetcher({
      ...options,
      leaderId,
      fetcherId,
      endpoint: () => metadata.endpoint(leaderId, listener),
    })
    this.fetchers.set(key, fetcher)
    fetcher.start()
    return fetcher
  }

  /** Once per turn: a LeaderAndIsr request takes partitions away and gives them back. */
  private sweepSoon(): void {
    if (this.isSweepScheduled) return
    this.isSweepScheduled = true
    this.options.ports.timers.soon(() => {
      this.isSweepScheduled = false
      for (const [key, fetcher] of this.fetchers) {
        if (fetcher.size > 0) continue
        this.fetchers.delete(key)
        const closed = fetcher.close().finally(() => this.closing.delete(closed))
        this.closing.add(closed)
      }
    })
  }
}

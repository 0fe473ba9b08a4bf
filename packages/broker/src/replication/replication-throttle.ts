import type { Clock } from '@millrace/runtime/ports'
import { SampledRate } from '../core/partition/sampled-rate.ts'
import type { ThrottledReplicas, TopicSettings } from '../settings/topic-settings.ts'
import type { Partition } from './partition.ts'

export interface ReplicationThrottleOptions {
  readonly brokerId: number
  readonly clock: Clock
  /** `leader.` or `follower.replication.throttled.rate`, bytes per second; dynamic. */
  readonly limit: () => number
  /** `leader.` or `follower.replication.throttled.replicas` of a topic; dynamic. */
  readonly listed: (settings: TopicSettings) => ThrottledReplicas
  /** `replication.quota.window.size.seconds` and `replication.quota.window.num` */
  readonly windowMs: number
  readonly windowCount: number
}

/**
 * Keeps replicas that are being moved from taking all bandwidth (KIP-73): those that their topic lists share one rate, on the side
 * of the leader or of the follower. Who holds back a replica that is in sync would hold back producers: nobody asks for those.
 */
export class ReplicationThrottle {
  private readonly options: ReplicationThrottleOptions
  private readonly rate: SampledRate

  constructor(options: ReplicationThrottleOptions) {
    this.options = options
    this.rate = new SampledRate(options)
  }

  /** Must this partition wait, because the listed ones have had their share? */
  holds(partition: Partition): boolean {
    const { limit, clock } = this.options
    return this.covers(partition) && this.rate.perSecond(clock.monotonicMs()) > limit()
  }

  note(partition: Partition, bytes: number): void {
    if (bytes > 0 && this.covers(partition)) this.rate.record(bytes, this.options.clock.monotonicMs())
  }

  private covers({ log, partition }: Partition): boolean {
    const { listed, brokerId } = this.options
    const replicas = listed(log.settings)
    if (replicas === 'all') return true
    for (const each of replicas) if (each.partition === partition && each.brokerId === brokerId) return true
    return false
  }
}

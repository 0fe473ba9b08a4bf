import type { OpenConnection } from '@millrace/client/connection/connector'
import type { Logger } from '@millrace/runtime/logger'
import type { Clock, Timers } from '@millrace/runtime/ports'
import type { MetadataCache } from '../metadata/metadata-cache.ts'
import type { BrokerSettings } from '../settings/broker-settings.ts'
import { AnyController } from '../core/partition/in-sync-set.ts'
import { IsrUpdater, type ControllerChannel } from './isr-updater.ts'
import { LeaderProof, type OwnRegistration } from './leader-proof.ts'
import type { Replication } from './partitions.ts'
import { ReplicaFetchers } from './replica-fetchers.ts'
import { ReplicationThrottle } from './replication-throttle.ts'

export interface BrokerReplicationOptions {
  readonly brokerId: number
  readonly brokerEpoch: () => number
  /** Newest that this broker has heard of. */
  readonly controllerEpoch: () => number
  readonly settings: BrokerSettings
  readonly metadata: MetadataCache
  /** The listener between brokers. */
  readonly listener: string
  readonly controller: ControllerChannel
  readonly registration: OwnRegistration
  readonly ports: { readonly clock: Clock; readonly timers: Timers }
  readonly open: OpenConnection
  readonly logger: Logger
  readonly onFatal: (error: Error) => void
}

/** What a whole broker replicates with: fetchers towards its leaders, and the way to the controller for its in-sync sets. */
export class BrokerReplication implements Replication {
  readonly followers: ReplicaFetchers
  readonly proposals: IsrUpdater
  readonly proof: LeaderProof
  /** What leaders here may send to replicas that are listed as throttled. */
  readonly leaderThrottle: ReplicationThrottle
  readonly lagTimeMaxMs: number
  readonly sessionTimeoutMs: number

  constructor(options: BrokerReplicationOptions) {
    const { brokerId, brokerEpoch, settings, metadata, listener, controller, ports, open, logger, onFatal } = options
    const { timers } = ports
    this.lagTimeMaxMs = settings.get('replica.lag.time.max.ms')
    this.sessionTimeoutMs = settings.get('zookeeper.session.timeout.ms')
    const { registration } = options
    const { clock } = ports
    this.proof = new LeaderProof({ registration, sessionTimeoutMs: this.sessionTimeoutMs, clock, timers })
    // Kafka's controllers do not look at the term that a proposal is for: what this switch says of the cluster holds here, too.
    const areAllMillrace = settings.get('millrace.fast.failure.detection.enable')
    const controllerEpoch = areAllMillrace ? options.controllerEpoch : () => AnyController
    this.proposals = new IsrUpdater({ controller, brokerId, brokerEpoch, controllerEpoch, clock, timers, logger })
    const windows = {
      windowMs: settings.get('replication.quota.window.size.seconds') * 1000,
      windowCount: settings.get('replication.quota.window.num'),
    }
    this.leaderThrottle = new ReplicationThrottle({
      ...{ brokerId, clock, ...windows },
      limit: () => settings.get('leader.replication.throttled.rate'),
      listed: topic => topic.leaderThrottledReplicas,
    })
    const throttle = new ReplicationThrottle({
      ...{ brokerId, clock, ...windows },
      limit: () => settings.get('follower.replication.throttled.rate'),
      listed: topic => topic.followerThrottledReplicas,
    })
    this.followers = new ReplicaFetchers({
      ...{ brokerId, brokerEpoch, metadata, listener, ports, open, logger, onFatal, throttle },
      fetchersPerLeader: () => settings.get('num.replica.fetchers'),
      settings: {
        partitionMaxBytes: settings.get('replica.fetch.max.bytes'),
        responseMaxBytes: settings.get('replica.fetch.response.max.bytes'),
        minBytes: settings.get('replica.fetch.min.bytes'),
        maxWaitMs: settings.get('replica.fetch.wait.max.ms'),
        backoffMs: settings.get('replica.fetch.backoff.ms'),
        requestTimeoutMs: settings.get('replica.socket.timeout.ms'),
      },
    })
  }

  async close(): Promise<void> {
    this.proof.close()
    this.proposals.close()
    await this.followers.close()
  }
}

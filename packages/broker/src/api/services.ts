import type { BrokerSettings } from '../settings/broker-settings.ts'
import type { FetchSessions } from '../core/partition/fetch-session.ts'
import type { Gathering } from '../core/partition/gathering.ts'
import type { LogDirectories } from '../log/log-directories.ts'
import type { FirstWord } from '../metadata/first-word.ts'
import type { MetadataCache } from '../metadata/metadata-cache.ts'
import type { TopicConfigs } from '../metadata/topic-configs.ts'
import type { Partitions } from '../replication/partitions.ts'
import type { ReplicationThrottle } from '../replication/replication-throttle.ts'
import type { Deadlines } from '@millrace/runtime/deadline'

/** One row of what ApiVersions answers. */
export interface AdvertisedApi {
  readonly apiKey: number
  readonly minVersion: number
  readonly maxVersion: number
}

/** Creation of topics that a Metadata request names and nobody has. */
export interface TopicAutoCreation {
  /**
   * Starts creating the topics as `auto.create.topics.enable` promises and answers, per topic, the code for the Metadata row:
   * LEADER_NOT_AVAILABLE when it is under way, INVALID_TOPIC_EXCEPTION, INVALID_REPLICATION_FACTOR…
   */
  createForMetadata(topics: readonly string[]): Promise<ReadonlyMap<string, number>>
}

/** What the handlers of the data path need. Each names the part it uses, so that a test builds no more than that. */
export interface DataServices {
  readonly brokerId: number
  readonly clusterId: string
  readonly settings: BrokerSettings
  readonly metadata: MetadataCache
  readonly firstWord: Pick<FirstWord, 'wait'>
  readonly partitions: Partitions
  readonly topicConfigs: Pick<TopicConfigs, 'load'>
  readonly logs: LogDirectories
  readonly fetchSessions: FetchSessions
  /** Told of acks=all produces, asked before followers are answered. */
  readonly gathering: Gathering
  /** What followers that are listed as throttled may get of us. */
  readonly leaderThrottle: Pick<ReplicationThrottle, 'holds' | 'note'>
  readonly deadlines: Deadlines
  readonly topicAutoCreation: TopicAutoCreation
  readonly advertisedApis: readonly AdvertisedApi[]
  /** Data version of `/feature`; -1: not known. */
  readonly finalizedFeaturesEpoch: () => number
}

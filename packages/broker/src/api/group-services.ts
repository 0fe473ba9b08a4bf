import type { Random } from '@millrace/runtime/ports'
import type { GroupCoordinator } from '../coordinators/group-coordinator.ts'
import type { ConsumerOffsets } from '../metadata/consumer-offsets.ts'
import type { MetadataCache } from '../metadata/metadata-cache.ts'
import type { BrokerSettings } from '../settings/broker-settings.ts'

/** What the handlers of consumer groups need. */
export interface GroupServices {
  readonly groups: GroupCoordinator
  readonly metadata: MetadataCache
  /** Offsets in ZooKeeper, for v0. */
  readonly consumerOffsets: ConsumerOffsets
  readonly settings: BrokerSettings
  readonly random: Random
  /** Begins to create an internal topic that nobody has yet; answers the code of that. */
  readonly internalTopics: { autoCreate(topic: string): Promise<number> }
}

import type { ControllerView } from '../controller/controller.ts'
import type { ProducerIdBlocks } from '../controller/producer-id-blocks.ts'
import type { MetadataCache } from '../metadata/metadata-cache.ts'
import type { TopicChanges } from '../metadata/topic-changes.ts'
import type { TopicCreation } from '../metadata/topic-creation.ts'
import type { LiveBrokerSettings } from '../settings/overrides.ts'

/** What the handlers that create, grow and delete topics need, and those of producer ids. Each names the part it uses. */
export interface TopicServices {
  readonly controller: ControllerView
  readonly settings: Pick<LiveBrokerSettings, 'get' | 'text' | 'given' | 'layers'>
  readonly metadata: MetadataCache
  readonly topicCreation: Pick<TopicCreation, 'plan' | 'create'>
  readonly topicChanges: Pick<TopicChanges, 'planPartitions' | 'addPartitions' | 'markForDeletion'>
  readonly producerIds: Pick<ProducerIdBlocks, 'next'>
}

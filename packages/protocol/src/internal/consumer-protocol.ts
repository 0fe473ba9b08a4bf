// What consumers of a classic group tell each other through the coordinator, which does not look inside: metadata of
// JoinGroup, assignment of SyncGroup.
// Two bytes of version come first: ./consumer-metadata.ts reads and writes them. v1: owned partitions (KIP-429). v2: generation
// (KIP-792). v3: rack (KIP-881).
import { array, bytes, int32, message, NO_API, string, type Infer } from '../schema.ts'

export const consumerProtocolSubscription = message('ConsumerProtocolSubscription', NO_API, '0-3', 'none', {
  topics: array('0+', string()),
  userData: bytes('0+').nullByDefault(),
  ownedPartitions: array('1+', {
    topic: string('1+'),
    partitions: array('1+', int32()),
  }).ignorable(),
  generationId: int32('2+').default(-1).ignorable(),
  rackId: string('3+').nullByDefault().ignorable(),
})
export type ConsumerProtocolSubscription = Infer<typeof consumerProtocolSubscription>
export type ConsumerProtocolSubscriptionTopicPartition = ConsumerProtocolSubscription['ownedPartitions'][number]

export const consumerProtocolAssignment = message('ConsumerProtocolAssignment', NO_API, '0-3', 'none', {
  assignedPartitions: array('0+', { topic: string('0+'), partitions: array('0+', int32()) }),
  userData: bytes('0+').nullByDefault(),
})
export type ConsumerProtocolAssignment = Infer<typeof consumerProtocolAssignment>
export type ConsumerProtocolAssignmentTopicPartition = ConsumerProtocolAssignment['assignedPartitions'][number]

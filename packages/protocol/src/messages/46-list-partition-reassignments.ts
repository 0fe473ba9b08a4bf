// ListPartitionReassignments, v0: replicas that are being moved (KIP-455).
import { array, int16, int32, message, string, type Infer } from '../schema.ts'

export const listPartitionReassignmentsRequest = message('ListPartitionReassignmentsRequest', 46, '0', '0+', {
  timeoutMs: int32('0+').default(60000),
  topics: array('0+', {
    name: string('0+'),
    partitionIndexes: array('0+', int32()),
  }).nullByDefault(),
})
export type ListPartitionReassignmentsRequest = Infer<typeof listPartitionReassignmentsRequest>
export type ListPartitionReassignmentsTopics = NonNullable<ListPartitionReassignmentsRequest['topics']>[number]

export const listPartitionReassignmentsResponse = message('ListPartitionReassignmentsResponse', 46, '0', '0+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
  errorMessage: string('0+').nullable(),
  topics: array('0+', {
    name: string('0+'),
    partitions: array('0+', {
      partitionIndex: int32('0+'),
      replicas: array('0+', int32()),
      addingReplicas: array('0+', int32()),
      removingReplicas: array('0+', int32()),
    }),
  }),
})
export type ListPartitionReassignmentsResponse = Infer<typeof listPartitionReassignmentsResponse>
export type OngoingTopicReassignment = ListPartitionReassignmentsResponse['topics'][number]
export type OngoingPartitionReassignment = OngoingTopicReassignment['partitions'][number]

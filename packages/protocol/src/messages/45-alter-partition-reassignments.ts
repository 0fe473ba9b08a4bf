// AlterPartitionReassignments, v0: starts and cancels moves of replicas (KIP-455); the controller answers. Null
// replicas cancel.
import { array, int16, int32, message, string, type Infer } from '../schema.ts'

export const alterPartitionReassignmentsRequest = message('AlterPartitionReassignmentsRequest', 45, '0', '0+', {
  timeoutMs: int32('0+').default(60000),
  topics: array('0+', {
    name: string('0+'),
    partitions: array('0+', {
      partitionIndex: int32('0+'),
      replicas: array('0+', int32()).nullByDefault(),
    }),
  }),
})
export type AlterPartitionReassignmentsRequest = Infer<typeof alterPartitionReassignmentsRequest>
export type ReassignableTopic = AlterPartitionReassignmentsRequest['topics'][number]
export type ReassignablePartition = ReassignableTopic['partitions'][number]

export const alterPartitionReassignmentsResponse = message('AlterPartitionReassignmentsResponse', 45, '0', '0+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
  errorMessage: string('0+').nullable(),
  responses: array('0+', {
    name: string('0+'),
    partitions: array('0+', {
      partitionIndex: int32('0+'),
      errorCode: int16('0+'),
      errorMessage: string('0+').nullable(),
    }),
  }),
})
export type AlterPartitionReassignmentsResponse = Infer<typeof alterPartitionReassignmentsResponse>
export type ReassignableTopicResponse = AlterPartitionReassignmentsResponse['responses'][number]
export type ReassignablePartitionResponse = ReassignableTopicResponse['partitions'][number]

// ElectLeaders, v0-2: elects leaders (KIP-183); the controller answers.
// v1: unclean elections too (KIP-460). v2: flexible.
import { array, int16, int32, int8, message, string, type Infer } from '../schema.ts'

export const electLeadersRequest = message('ElectLeadersRequest', 43, '0-2', '2+', {
  electionType: int8('1+'),
  topicPartitions: array('0+', {
    topic: string('0+'),
    partitions: array('0+', int32()),
  }).nullable(),
  timeoutMs: int32('0+').default(60000),
})
export type ElectLeadersRequest = Infer<typeof electLeadersRequest>
export type TopicPartitions = NonNullable<ElectLeadersRequest['topicPartitions']>[number]

export const electLeadersResponse = message('ElectLeadersResponse', 43, '0-2', '2+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('1+'),
  replicaElectionResults: array('0+', {
    topic: string('0+'),
    partitionResult: array('0+', {
      partitionId: int32('0+'),
      errorCode: int16('0+'),
      errorMessage: string('0+').nullable(),
    }),
  }),
})
export type ElectLeadersResponse = Infer<typeof electLeadersResponse>
export type ReplicaElectionResult = ElectLeadersResponse['replicaElectionResults'][number]
export type PartitionResult = ReplicaElectionResult['partitionResult'][number]

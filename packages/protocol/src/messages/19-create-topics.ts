// CreateTopics, v0-7: creates topics; the controller answers.
// v1: validateOnly. v2: throttle time. v4: -1 partitions or replicas for the broker's default (KIP-464).
// v5: flexible, answers with configs (KIP-525). v6: THROTTLING_QUOTA_EXCEEDED (KIP-599). v7: topic ids (KIP-516).
import { array, bool, int16, int32, int8, message, string, uuid, type Infer } from '../schema.ts'

export const createTopicsRequest = message('CreateTopicsRequest', 19, '0-7', '5+', {
  topics: array('0+', {
    name: string('0+'),
    numPartitions: int32('0+'),
    replicationFactor: int16('0+'),
    assignments: array('0+', { partitionIndex: int32('0+'), brokerIds: array('0+', int32()) }),
    configs: array('0+', { name: string('0+'), value: string('0+').nullable() }),
  }),
  timeoutMs: int32('0+').default(60000),
  validateOnly: bool('1+'),
})
export type CreateTopicsRequest = Infer<typeof createTopicsRequest>
export type CreatableTopic = CreateTopicsRequest['topics'][number]
export type CreatableReplicaAssignment = CreatableTopic['assignments'][number]
export type CreatableTopicConfig = CreatableTopic['configs'][number]

export const createTopicsResponse = message('CreateTopicsResponse', 19, '0-7', '5+', {
  throttleTimeMs: int32('2+').ignorable(),
  topics: array('0+', {
    name: string('0+'),
    topicId: uuid('7+').ignorable(),
    errorCode: int16('0+'),
    errorMessage: string('1+').nullable().ignorable(),
    topicConfigErrorCode: int16('5+').tag(0).ignorable(),
    numPartitions: int32('5+').default(-1).ignorable(),
    replicationFactor: int16('5+').default(-1).ignorable(),
    configs: array('5+', {
      name: string('5+'),
      value: string('5+').nullable(),
      readOnly: bool('5+'),
      configSource: int8('5+').default(-1).ignorable(),
      isSensitive: bool('5+'),
    })
      .nullable()
      .ignorable(),
  }),
})
export type CreateTopicsResponse = Infer<typeof createTopicsResponse>
export type CreatableTopicResult = CreateTopicsResponse['topics'][number]
export type CreatableTopicConfigs = NonNullable<CreatableTopicResult['configs']>[number]

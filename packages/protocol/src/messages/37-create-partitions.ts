// CreatePartitions, v0-3: adds partitions to topics (KIP-195); the controller answers.
// v2: flexible. v3: THROTTLING_QUOTA_EXCEEDED (KIP-599).
import { array, bool, int16, int32, message, string, type Infer } from '../schema.ts'

export const createPartitionsRequest = message('CreatePartitionsRequest', 37, '0-3', '2+', {
  topics: array('0+', {
    name: string('0+'),
    count: int32('0+'),
    assignments: array('0+', {
      brokerIds: array('0+', int32()),
    }).nullable(),
  }),
  timeoutMs: int32('0+'),
  validateOnly: bool('0+'),
})
export type CreatePartitionsRequest = Infer<typeof createPartitionsRequest>
export type CreatePartitionsTopic = CreatePartitionsRequest['topics'][number]
export type CreatePartitionsAssignment = NonNullable<CreatePartitionsTopic['assignments']>[number]

export const createPartitionsResponse = message('CreatePartitionsResponse', 37, '0-3', '2+', {
  throttleTimeMs: int32('0+'),
  results: array('0+', {
    name: string('0+'),
    errorCode: int16('0+'),
    errorMessage: string('0+').nullByDefault(),
  }),
})
export type CreatePartitionsResponse = Infer<typeof createPartitionsResponse>
export type CreatePartitionsTopicResult = CreatePartitionsResponse['results'][number]

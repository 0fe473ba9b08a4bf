// DeleteTopics, v0-6: deletes topics; the controller answers.
// v1: throttle time. v4: flexible. v5: error message and THROTTLING_QUOTA_EXCEEDED (KIP-599). v6: by topic id
// (KIP-516).
import { array, int16, int32, message, string, uuid, type Infer } from '../schema.ts'

export const deleteTopicsRequest = message('DeleteTopicsRequest', 20, '0-6', '4+', {
  topics: array('6+', { name: string('6+').nullByDefault(), topicId: uuid('6+') }),
  topicNames: array('0-5', string()).ignorable(),
  timeoutMs: int32('0+'),
})
export type DeleteTopicsRequest = Infer<typeof deleteTopicsRequest>
export type DeleteTopicState = DeleteTopicsRequest['topics'][number]

export const deleteTopicsResponse = message('DeleteTopicsResponse', 20, '0-6', '4+', {
  throttleTimeMs: int32('1+').ignorable(),
  responses: array('0+', {
    name: string('0+').nullable('6+'),
    topicId: uuid('6+').ignorable(),
    errorCode: int16('0+'),
    errorMessage: string('5+').nullByDefault().ignorable(),
  }),
})
export type DeleteTopicsResponse = Infer<typeof deleteTopicsResponse>
export type DeletableTopicResult = DeleteTopicsResponse['responses'][number]

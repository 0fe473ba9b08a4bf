// DeleteTopics: v0-6
//
// Behavior
// - Only the controller deletes; others answer NOT_CONTROLLER for each topic.
// - Writes a marker that the controller acts on, and answers when this broker's metadata no longer has the topic. Brokers
//   delete the logs later; with a replica offline the deletion waits for it, and this request times out.
// Version notes
// - v0-2: with delete.topic.enable=false INVALID_REQUEST, later TOPIC_DELETION_DISABLED. v5: messages. v6: topic ids.
//
// Not done
// - Controller mutation quota (quotas issue), authorization (security issue).
import { ErrorCode } from '@millrace/protocol/errors'
import {
  deleteTopicsRequest,
  deleteTopicsResponse,
  type DeletableTopicResult,
  type DeleteTopicsRequest,
  type DeleteTopicState,
} from '@millrace/protocol/messages/20-delete-topics'
import { ZERO_UUID } from '@millrace/protocol/schema'
import { TopicRefused } from '../metadata/topic-creation.ts'
import { defineHandler } from './handler.ts'
import { done, notController, outcomeOf, timedOut, type TopicOutcome, tellBrokersMs } from './topic-outcome.ts'
import type { TopicServices } from './topic-services.ts'

type Services = Pick<TopicServices, 'controller' | 'metadata' | 'settings' | 'topicChanges'>

interface Deletion {
  readonly asked: DeleteTopicState
  /** Null: not known (asked for by an unknown id). */
  readonly name: string | null
  readonly outcome: TopicOutcome
}

export default defineHandler(
  deleteTopicsRequest,
  deleteTopicsResponse,
  [0, 6],
  async (request, { apiVersion }, services: Services) => {
    const deletions = await Promise.all(askedFor(request, apiVersion).map(asked => mark(asked, apiVersion, services)))
    const settled = await awaitDeletion(deletions, request.timeoutMs, services)
    return { throttleTimeMs: 0, responses: settled.map(resultOf) }
  },
)

function askedFor(request: DeleteTopicsRequest, apiVersion: number): readonly DeleteTopicState[] {
  if (apiVersion >= 6) return request.topics
  return request.topicNames.map(name => ({ name, topicId: ZERO_UUID }))
}

async function mark(asked: DeleteTopicState, apiVersion: number, services: Services): Promise<Deletion> {
  const { controller, metadata, topicChanges } = services
  const name = asked.topicId === ZERO_UUID ? asked.name : (metadata.topicName(asked.topicId) ?? null)
  if (!controller.isActive) return { asked, name, outcome: notController }
  try {
    checkRequest(asked, apiVersion, services)
    if (name === null) throw new TopicRefused(ErrorCode.UNKNOWN_TOPIC_ID, 'This server does not host this topic ID.')
    if (!metadata.hasTopic(name)) {
      throw new TopicRefused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 'This server does not host this topic-partition.')
    }
    await topicChanges.markForDeletion(name)
    return { asked, name, outcome: done }
  } catch (error) {
    const outcome = outcomeOf(error)
    if (outcome === undefined) throw error
    return { asked, name, outcome }
  }
}

function checkRequest(asked: DeleteTopicState, apiVersion: number, { settings }: Services): void {
  if (!settings.get('delete.topic.enable')) {
    const errorCode = apiVersion < 3 ? ErrorCode.INVALID_REQUEST : ErrorCode.TOPIC_DELETION_DISABLED
    throw new TopicRefused(errorCode, 'Topic deletion is disabled.')
  }
  if (asked.name !== null && asked.topicId !== ZERO_UUID) {
    throw new TopicRefused(ErrorCode.INVALID_REQUEST, 'Topic name and topic ID can not both be specified.')
  }
  if (asked.name === null && asked.topicId === ZERO_UUID) {
    throw new TopicRefused(ErrorCode.INVALID_REQUEST, 'Neither topic name nor topic ID was specified.')
  }
}

async function awaitDeletion(
  deletions: readonly Deletion[],
  timeoutMs: number,
  { metadata, controller }: Services,
): Promise<Deletion[]> {
  const isDone = ({ name, outcome }: Deletion): boolean =>
    outcome.errorCode !== ErrorCode.NONE || name === null || !metadata.hasTopic(name)
  if (timeoutMs > 0) {
    await metadata.until(() => deletions.every(isDone), timeoutMs)
    const names = deletions.flatMap(({ name, outcome }) =>
      outcome.errorCode === ErrorCode.NONE && name !== null ? name : [],
    )
    await controller.untilDeleted(names, Math.min(timeoutMs, tellBrokersMs))
    await controller.everyBrokerTold(Math.min(timeoutMs, tellBrokersMs))
  }
  return deletions.map(deletion => {
    const wasMarked = deletion.outcome.errorCode === ErrorCode.NONE
    return wasMarked && (timeoutMs <= 0 || !isDone(deletion)) ? { ...deletion, outcome: timedOut } : deletion
  })
}

/** A topic asked for by an id that is not known has no name, and keeps none: its id says which one it was. */
const resultOf = ({ asked, name, outcome }: Deletion): DeletableTopicResult => ({
  name,
  topicId: asked.topicId,
  ...outcome,
})

// CreateTopics: v0-7
//
// Behavior
// - Only the controller creates; others answer NOT_CONTROLLER for each topic, and clients look for it in Metadata.
// - Each topic is checked and written on its own: one that is refused does not keep the others from being created.
// - Answers when every partition has a leader, or REQUEST_TIMED_OUT after timeoutMs (at once if that is not above 0)
//   although the topics exist then.
// Version notes
// - v1: error messages, validateOnly. v2: throttle time. v4: -1 means the broker's default. v5: settings in the answer.
// - v7: topic ids.
//
// Not done
// - create.topic.policy.class.name, controller mutation quota (quotas issue), authorization (security issue).
import { ErrorCode } from '@millrace/protocol/errors'
import {
  createTopicsRequest,
  createTopicsResponse,
  type CreatableTopic,
  type CreatableTopicResult,
} from '@millrace/protocol/messages/19-create-topics'
import { ZERO_UUID } from '@millrace/protocol/schema'
import { clusterMetadataTopic } from '../core/controller/topic-rules.ts'
import { TopicRefused, type NewTopic, type PlannedTopic } from '../metadata/topic-creation.ts'
import { describeTopic } from './described-configs.ts'
import { defineHandler } from './handler.ts'
import {
  done,
  duplicates,
  notController,
  outcomeOf,
  timedOut,
  withoutLeader,
  type TopicOutcome,
  tellBrokersMs,
} from './topic-outcome.ts'
import type { TopicServices } from './topic-services.ts'

type Services = Pick<TopicServices, 'controller' | 'metadata' | 'settings' | 'topicCreation'>

/** One topic of the request on its way to the answer. */
interface Creation {
  readonly topic: CreatableTopic
  readonly outcome: TopicOutcome
  readonly planned: PlannedTopic | null
  readonly topicId: string
}

export default defineHandler(
  createTopicsRequest,
  createTopicsResponse,
  [0, 7],
  async ({ topics, timeoutMs, validateOnly }, _context, services: Services) => {
    const twice = duplicates(topics.map(topic => topic.name))
    const creations: Creation[] = []
    // One after the other: a topic may collide with one before it.
    for (const topic of topics) creations.push(await createOne(topic, { twice, validateOnly }, services))
    const settled = validateOnly ? creations : await awaitLeaders(creations, timeoutMs, services)
    return { throttleTimeMs: 0, topics: settled.map(creation => resultOf(creation, services)) }
  },
)

async function createOne(
  topic: CreatableTopic,
  options: { readonly twice: ReadonlySet<string>; readonly validateOnly: boolean },
  { controller, topicCreation }: Services,
): Promise<Creation> {
  const failed = (outcome: TopicOutcome): Creation => ({ topic, outcome, planned: null, topicId: ZERO_UUID })
  if (!controller.isActive) return failed(notController)
  try {
    checkRequest(topic, options.twice)
    const planned = await topicCreation.plan(newTopic(topic))
    if (options.validateOnly) return { topic, outcome: done, planned, topicId: ZERO_UUID }
    return { topic, outcome: done, planned, topicId: await topicCreation.create(planned) }
  } catch (error) {
    const outcome = outcomeOf(error)
    if (outcome === undefined) throw error
    return failed(outcome)
  }
}

function checkRequest(topic: CreatableTopic, twice: ReadonlySet<string>): void {
  if (twice.has(topic.name)) {
    throw new TopicRefused(ErrorCode.INVALID_REQUEST, 'Found multiple entries for this topic.')
  }
  if (topic.name === clusterMetadataTopic) {
    throw new TopicRefused(ErrorCode.INVALID_REQUEST, `Creation of internal topic ${topic.name} is prohibited.`)
  }
  const nulls = topic.configs.filter(config => config.value === null).map(config => config.name)
  if (nulls.length > 0) {
    const message = `Null value not supported for topic configs: ${nulls.join(',')}`
    throw new TopicRefused(ErrorCode.INVALID_CONFIG, message)
  }
}

const newTopic = (topic: CreatableTopic): NewTopic => ({
  name: topic.name,
  partitions: topic.numPartitions,
  replicationFactor: topic.replicationFactor,
  assignment: new Map(topic.assignments.map(({ partitionIndex, brokerIds }) => [partitionIndex, brokerIds])),
  configs: new Map(topic.configs.map(({ name, value }) => [name, value ?? ''])),
})

async function awaitLeaders(
  creations: readonly Creation[],
  timeoutMs: number,
  { metadata, controller }: Services,
): Promise<Creation[]> {
  const written = creations.filter(creation => creation.outcome.errorCode === ErrorCode.NONE)
  const partitions = new Map(written.map(({ topic, planned }) => [topic.name, [...(planned?.assignment.keys() ?? [])]]))
  // As in Kafka: who does not wait is told so, even if the topic happens to be there.
  const late = timeoutMs <= 0 ? new Set(partitions.keys()) : await withoutLeader(metadata, partitions, timeoutMs)
  if (written.length > 0 && timeoutMs > 0) await controller.everyBrokerTold(Math.min(timeoutMs, tellBrokersMs))
  return creations.map(creation =>
    written.includes(creation) && late.has(creation.topic.name) ? { ...creation, outcome: timedOut } : creation,
  )
}

function resultOf({ topic, outcome, planned, topicId }: Creation, { settings }: Services): CreatableTopicResult {
  const base = { name: topic.name, topicId, ...outcome, topicConfigErrorCode: ErrorCode.NONE }
  if (outcome.errorCode !== ErrorCode.NONE || planned === null) {
    return { ...base, numPartitions: -1, replicationFactor: -1, configs: [] }
  }
  const rows = describeTopic(planned.configs, settings, {
    keys: null,
    withSynonyms: false,
    withDocumentation: false,
    withIsDefault: false,
  })
  const [first] = planned.assignment.values()
  return {
    ...base,
    numPartitions: planned.assignment.size,
    replicationFactor: first?.length ?? 0,
    configs: rows.map(({ name, value, readOnly, configSource, isSensitive }) => ({
      name,
      value,
      readOnly,
      configSource,
      isSensitive,
    })),
  }
}

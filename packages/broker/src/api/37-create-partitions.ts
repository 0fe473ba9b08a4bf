// CreatePartitions: v0-3
//
// Behavior
// - Only the controller adds partitions; others answer NOT_CONTROLLER for each topic.
// - The new partitions go on where the topic's own placement left off, or where the request says.
// - Answers when each of them has a leader, or REQUEST_TIMED_OUT although they exist then.
//
// Not done
// - Controller mutation quota (v3 would answer THROTTLING_QUOTA_EXCEEDED; quotas issue), authorization (security issue).
import { ErrorCode } from '@millrace/protocol/errors'
import {
  createPartitionsRequest,
  createPartitionsResponse,
  type CreatePartitionsTopic,
} from '@millrace/protocol/messages/37-create-partitions'
import { TopicRefused } from '../metadata/topic-creation.ts'
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

type Services = Pick<TopicServices, 'controller' | 'metadata' | 'topicChanges'>

interface Increase {
  readonly name: string
  readonly outcome: TopicOutcome
  readonly added: readonly number[]
}

export default defineHandler(
  createPartitionsRequest,
  createPartitionsResponse,
  [0, 3],
  async ({ topics, timeoutMs, validateOnly }, _context, services: Services) => {
    const twice = duplicates(topics.map(topic => topic.name))
    // A topic that comes twice is answered once.
    const names = new Set<string>()
    const once = topics.filter(topic => names.size !== names.add(topic.name).size)
    const increases = await Promise.all(once.map(topic => increase(topic, { twice, validateOnly }, services)))
    const settled = validateOnly ? increases : await awaitLeaders(increases, timeoutMs, services)
    return { throttleTimeMs: 0, results: settled.map(({ name, outcome }) => ({ name, ...outcome })) }
  },
)

async function increase(
  topic: CreatePartitionsTopic,
  options: { readonly twice: ReadonlySet<string>; readonly validateOnly: boolean },
  { controller, topicChanges }: Services,
): Promise<Increase> {
  const { name, count } = topic
  if (!controller.isActive) return { name, outcome: notController, added: [] }
  try {
    if (options.twice.has(name)) throw new TopicRefused(ErrorCode.INVALID_REQUEST, 'Duplicate topic in request.')
    if (controller.isQueuedForDeletion(name)) {
      throw new TopicRefused(ErrorCode.INVALID_TOPIC_EXCEPTION, 'The topic is queued for deletion.')
    }
    const request = { topic: name, count, assignments: topic.assignments?.map(each => each.brokerIds) ?? null }
    const added = options.validateOnly
      ? await topicChanges.planPartitions(request)
      : await topicChanges.addPartitions(request)
    return { name, outcome: done, added: [...added.keys()] }
  } catch (error) {
    const outcome = outcomeOf(error)
    if (outcome === undefined) throw error
    return { name, outcome, added: [] }
  }
}

async function awaitLeaders(
  increases: readonly Increase[],
  timeoutMs: number,
  { metadata, controller }: Services,
): Promise<Increase[]> {
  const written = increases.filter(each => each.outcome.errorCode === ErrorCode.NONE)
  const partitions = new Map(written.map(({ name, added }) => [name, added]))
  const late = timeoutMs <= 0 ? new Set(partitions.keys()) : await withoutLeader(metadata, partitions, timeoutMs)
  if (written.length > 0 && timeoutMs > 0) await controller.everyBrokerTold(Math.min(timeoutMs, tellBrokersMs))
  return increases.map(each => (written.includes(each) && late.has(each.name) ? { ...each, outcome: timedOut } : each))
}

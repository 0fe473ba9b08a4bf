import { ErrorCode } from '@millrace/protocol/errors'
import type { MetadataCache } from '../metadata/metadata-cache.ts'
import { asRefusal } from '../metadata/topic-creation.ts'

/** What became of one topic of a request. */
export interface TopicOutcome {
  readonly errorCode: number
  readonly errorMessage: string | null
}

export const done: TopicOutcome = { errorCode: ErrorCode.NONE, errorMessage: null }

export const notController: TopicOutcome = {
  errorCode: ErrorCode.NOT_CONTROLLER,
  errorMessage: 'This is not the correct controller for this cluster.',
}

/** What is said of a topic that was written but is not there yet: clients that ask again find it. */
export const timedOut: TopicOutcome = {
  errorCode: ErrorCode.REQUEST_TIMED_OUT,
  errorMessage: 'The request timed out.',
}

/** A refusal as the client is told; undefined: a failure of our own, to be thrown on. */
export function outcomeOf(error: unknown): TopicOutcome | undefined {
  const refusal = asRefusal(error)
  return refusal && { errorCode: refusal.errorCode, errorMessage: refusal.message }
}

/** How long an answer waits for the slowest broker to hear of a change: one that is stopped must not hold it. */
export const tellBrokersMs = 500

/** Waits until each of these partitions has a leader, as far as this broker knows. Answers the topics that are not there in time. */
export async function withoutLeader(
  metadata: MetadataCache,
  partitions: ReadonlyMap<string, readonly number[]>,
  timeoutMs: number,
): Promise<ReadonlySet<string>> {
  const isLed = (topic: string): boolean =>
    (partitions.get(topic) ?? []).every(partition => (metadata.partition(topic, partition)?.leader ?? -1) >= 0)
  const topics = [...partitions.keys()]
  await metadata.until(() => topics.every(isLed), timeoutMs)
  return new Set(topics.filter(topic => !isLed(topic)))
}

/** Names that come more than once. */
export function duplicates(names: readonly string[]): ReadonlySet<string> {
  const seen = new Set<string>()
  return new Set(names.filter(name => seen.size === seen.add(name).size))
}

import { read } from '../metadata/coordination.ts'
import { configZnode } from '../metadata/znodes.ts'
import { parseTopicOverrides } from '../settings/topic-overrides.ts'
import type { ControllerTerm } from './controller-term.ts'
import { inFlight } from './in-flight.ts'

/** Which topics may elect a leader outside the ISR: by their own setting, else by the broker's. */
export async function readUncleanTopics(
  term: ControllerTerm,
  topics: readonly string[],
  byDefault: boolean,
): Promise<ReadonlySet<string>> {
  const allowed = await inFlight(topics, topic => isAllowed(term, topic, byDefault))
  return new Set(topics.filter((_, index) => allowed[index]))
}

async function isAllowed(term: ControllerTerm, topic: string, byDefault: boolean): Promise<boolean> {
  const path = configZnode.path(`topics/${topic}`)
  const found = await term.read(coordination => read(coordination, configZnode, path))
  if (found === null) return byDefault
  return parseTopicOverrides(found.value).values['unclean.leader.election.enable'] ?? byDefault
}

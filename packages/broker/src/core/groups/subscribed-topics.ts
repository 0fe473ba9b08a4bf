import { decodeSubscription } from '@millrace/protocol/internal/consumer-metadata'
import { MalformedMessage } from '@millrace/protocol/malformed-message'

export const consumerProtocolType = 'consumer'

/** Topics that consumers with this metadata read; null: somebody's cannot be read. */
export function subscribedTopics(metadata: Iterable<Buffer>): ReadonlySet<string> | null {
  const topics = new Set<string>()
  try {
    for (const each of metadata) for (const topic of decodeSubscription(each).topics) topics.add(topic)
  } catch (error) {
    if (error instanceof MalformedMessage) return null
    throw error
  }
  return topics
}

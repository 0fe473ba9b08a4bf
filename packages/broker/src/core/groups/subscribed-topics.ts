import { decodeSubscription } from '@millrace/protocol/internal/consumer-metadata'
import { MalformedMessage } from '@millrace/protocol/malformed-message'
import type { Group } from './group.ts'

export const consumerProtocolType = 'consumer'

/** Topics that a member of a group of consumers reads; null: this is no such group, or a member's metadata cannot be read. */
export function subscribedTopics(group: Group): Set<string> | null {
  if (group.protocolType !== consumerProtocolType || group.protocolName === null) return null
  const topics = new Set<string>()
  try {
    for (const member of group.members.values()) {
      for (const topic of decodeSubscription(group.metadataOf(member)).topics) topics.add(topic)
    }
  } catch (error) {
    if (error instanceof MalformedMessage) return null
    throw error
  }
  return topics
}

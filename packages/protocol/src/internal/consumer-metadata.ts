import { codec } from '../codec.ts'
import { Reader } from '../reader.ts'
import type { Message } from '../schema.ts'
import {
  consumerProtocolAssignment,
  consumerProtocolSubscription,
  type ConsumerProtocolAssignment,
  type ConsumerProtocolSubscription,
} from './consumer-protocol.ts'
import { encodeVersioned, unknownVersion, versionOf } from './versioned.ts'

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

export interface Subscription {
  readonly topics: readonly string[]
  readonly userData: Buffer | null
  readonly ownedPartitions: readonly TopicPartition[]
  /** -1: none. */
  readonly generationId: number
  readonly rackId: string | null
}

/** What a consumer tells the group's leader. Topics and owned partitions are sorted, so that equal subscriptions are equal bytes. */
export function encodeSubscription(version: number, subscription: Subscription): Buffer {
  const { topics, userData, ownedPartitions, generationId, rackId } = subscription
  const owned = [...ownedPartitions].sort((a, b) => compareText(a.topic, b.topic) || a.partition - b.partition)
  return encodeVersioned(consumerProtocolSubscription, version, {
    topics: [...topics].sort(compareText),
    userData,
    ownedPartitions: groupByTopic(owned),
    generationId,
    rackId,
  })
}

/** Partitions keep their order; topics that of their first partition. */
export function encodeAssignment(
  version: number,
  partitions: readonly TopicPartition[],
  userData: Buffer | null,
): Buffer {
  return encodeVersioned(consumerProtocolAssignment, version, {
    assignedPartitions: groupByTopic(partitions),
    userData,
  })
}

/** Reads every version, later ones as far as we know them: consumers of one group may differ. Throws MalformedMessage. */
export function decodeSubscription(bytes: Buffer): ConsumerProtocolSubscription {
  return decodeKnownPart(consumerProtocolSubscription, bytes)
}

/** As lenient as decodeSubscription. */
export function decodeAssignment(bytes: Buffer): ConsumerProtocolAssignment {
  return decodeKnownPart(consumerProtocolAssignment, bytes)
}

/** Later versions only append fields. */
function decodeKnownPart<T>(message: Message<T>, bytes: Buffer): T {
  const version = versionOf(bytes)
  const [first, last] = message.versions
  if (version < first) throw unknownVersion(message.name, version)
  return codec(message, Math.min(version, last)).decode(new Reader(bytes, 2))
}

interface TopicPartitions {
  topic: string
  partitions: number[]
}

export function groupByTopic(partitions: readonly TopicPartition[]): TopicPartitions[] {
  const topics = new Map<string, TopicPartitions>()
  for (const { topic, partition } of partitions) {
    const known = topics.get(topic)
    if (known === undefined) topics.set(topic, { topic, partitions: [partition] })
    else known.partitions.push(partition)
  }
  return [...topics.values()]
}

/** By UTF-16 units, as Java compares. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

// OffsetFetch: v0-9
//
// Behavior
// - What a group committed; offset -1 without an error where it committed nothing. Without topics: everything.
// Version notes
// - v0: offsets in ZooKeeper, of clients of Kafka 0.8; where there is none: UNKNOWN_TOPIC_OR_PARTITION.
// - v2: an error for the whole group. v5: leader epoch (KIP-320). v7: requireStable (KIP-447): there are no transactional offsets, so
//   every offset is stable. v8: several groups (KIP-709). v9: member epochs of a protocol that is not spoken here (KIP-848).
import { ErrorCode } from '@millrace/protocol/errors'
import {
  offsetFetchRequest,
  offsetFetchResponse,
  type OffsetFetchRequest,
  type OffsetFetchResponse,
  type OffsetFetchResponseGroup,
} from '@millrace/protocol/messages/09-offset-fetch'
import type { OffsetRecord } from '../core/groups/entries.ts'
import type { GroupCoordinator, GroupOffsets } from '../coordinators/group-coordinator.ts'
import { isOffsetFailure } from '../metadata/consumer-offsets.ts'
import { byTopic } from './by-topic.ts'
import type { GroupServices } from './group-services.ts'
import { defineHandler } from './handler.ts'

type Services = Pick<GroupServices, 'groups' | 'metadata' | 'consumerOffsets'>
type RequestedTopics = readonly { readonly name: string; readonly partitionIndexes: readonly number[] }[] | null
type Topics = OffsetFetchResponseGroup['topics']

export default defineHandler(
  offsetFetchRequest,
  offsetFetchResponse,
  [0, 9],
  (request, { apiVersion }, services: Services) => {
    const { groups } = services
    if (apiVersion === 0) return fromZooKeeper(request, services)
    if (apiVersion >= 8) {
      const answers = request.groups.map(({ groupId, topics }) => ({ groupId, ...fetch(groups, groupId, topics, []) }))
      return { throttleTimeMs: 0, topics: [], errorCode: ErrorCode.NONE, groups: answers }
    }
    const { topics, errorCode } = fetch(groups, request.groupId, request.topics, apiVersion < 2 ? request.topics : [])
    return { throttleTimeMs: 0, topics, errorCode, groups: [] }
  },
  { retainFrom: Infinity },
)

/** `namedInError`: partitions that carry the error of the group, where the version has no other place for it. */
function fetch(
  groups: GroupCoordinator,
  groupId: string,
  requested: RequestedTopics,
  namedInError: RequestedTopics,
): { readonly errorCode: ErrorCode; readonly topics: Topics } {
  const offsets = groups.offsetsOf(groupId)
  if (typeof offsets === 'number') {
    return { errorCode: offsets, topics: rows(namedInError ?? [], () => undefined, offsets) }
  }
  if (requested === null) return { errorCode: ErrorCode.NONE, topics: everything(offsets) }
  return {
    errorCode: ErrorCode.NONE,
    topics: rows(requested, (topic, partition) => offsets.get(topic, partition), ErrorCode.NONE),
  }
}

function everything(offsets: GroupOffsets): Topics {
  return [...byTopic(offsets.all())].map(([name, all]) => ({
    name,
    partitions: all.map(({ partition, value }) => row(partition, value, ErrorCode.NONE)),
  }))
}

function rows(requested: NonNullable<RequestedTopics>, get: GroupOffsets['get'], errorCode: ErrorCode): Topics {
  return askedOnce(requested).map(({ name, partitionIndexes }) => ({
    name,
    partitions: partitionIndexes.map(index => row(index, get(name, index), errorCode)),
  }))
}

/** Each partition once, whatever it was asked how often; topics without any are not told of. */
function askedOnce(requested: NonNullable<RequestedTopics>): { name: string; partitionIndexes: number[] }[] {
  const topics = new Map<string, Set<number>>()
  for (const { name, partitionIndexes } of requested) {
    const indexes = topics.get(name) ?? new Set()
    topics.set(name, indexes)
    for (const index of partitionIndexes) indexes.add(index)
  }
  return [...topics].flatMap(([name, indexes]) =>
    indexes.size === 0 ? [] : [{ name, partitionIndexes: [...indexes] }],
  )
}

async function fromZooKeeper(request: OffsetFetchRequest, services: Services): Promise<OffsetFetchResponse> {
  const topics = await Promise.all(
    askedOnce(request.topics ?? []).map(async ({ name, partitionIndexes }) => {
      const partitions = partitionIndexes.map(index => kept(request.groupId, name, index, services))
      return { name, partitions: await Promise.all(partitions) }
    }),
  )
  return { throttleTimeMs: 0, topics, errorCode: ErrorCode.NONE, groups: [] }
}

async function kept(
  groupId: string,
  topic: string,
  index: number,
  { metadata, consumerOffsets }: Services,
): Promise<Topics[number]['partitions'][number]> {
  const nothing = row(index, undefined, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
  if (!metadata.hasPartition(topic, index)) return nothing
  try {
    const committedOffset = await consumerOffsets.get(groupId, topic, index)
    return committedOffset === null ? nothing : { ...row(index, undefined, ErrorCode.NONE), committedOffset }
  } catch (error) {
    if (!isOffsetFailure(error)) throw error
    return row(index, undefined, ErrorCode.UNKNOWN_SERVER_ERROR)
  }
}

function row(
  partitionIndex: number,
  value: OffsetRecord | undefined,
  errorCode: ErrorCode,
): Topics[number]['partitions'][number] {
  return {
    partitionIndex,
    committedOffset: value?.offset ?? -1,
    committedLeaderEpoch: value?.leaderEpoch ?? -1,
    metadata: value?.metadata ?? '',
    errorCode,
  }
}

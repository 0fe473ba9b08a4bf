// OffsetFetch: v0-9
//
// Behavior
// - What a group committed; offset -1 without an error where it committed nothing. Without topics: everything.
// Version notes
// - v0: offsets in ZooKeeper, of clients of Kafka 0.8; where there is none: UNKNOWN_TOPIC_OR_PARTITION.
// - v2: an error for the whole group. v5: leader epoch (KIP-320). v7: requireStable (KIP-447): UNSTABLE_OFFSET_COMMIT where another offset is on
//   its way. v8: several groups (KIP-709). v9: member epochs of a protocol that is not spoken here (KIP-848).
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
type PartitionRow = Topics[number]['partitions'][number]

export default defineHandler(
  offsetFetchRequest,
  offsetFetchResponse,
  [0, 9],
  (request, { apiVersion }, services: Services) => {
    const { groups } = services
    const { groupId, topics: requested, requireStable } = request
    if (apiVersion === 0) return fromZooKeeper(request, services)
    if (apiVersion >= 8) {
      const answers = request.groups.map(each => ({
        groupId: each.groupId,
        ...fetch(groups, { groupId: each.groupId, requested: each.topics, namedInError: [], requireStable }),
      }))
      return { throttleTimeMs: 0, topics: [], errorCode: ErrorCode.NONE, groups: answers }
    }
    const namedInError = apiVersion < 2 ? requested : []
    const { topics, errorCode } = fetch(groups, { groupId, requested, namedInError, requireStable })
    return { throttleTimeMs: 0, topics, errorCode, groups: [] }
  },
  { retainFrom: Infinity },
)

interface Question {
  readonly groupId: string
  readonly requested: RequestedTopics
  /** Partitions that carry the error of the group, where the version has no other place for it. */
  readonly namedInError: RequestedTopics
  readonly requireStable: boolean
}

function fetch(
  groups: GroupCoordinator,
  { groupId, requested, namedInError, requireStable }: Question,
): { readonly errorCode: ErrorCode; readonly topics: Topics } {
  const offsets = groups.offsetsOf(groupId)
  if (typeof offsets === 'number') {
    return { errorCode: offsets, topics: rows(namedInError ?? [], (_, index) => row(index, undefined, offsets)) }
  }
  const stableRow = (topic: string, partition: number, value: OffsetRecord | undefined): PartitionRow =>
    requireStable && offsets.isUnstable(topic, partition)
      ? row(partition, undefined, ErrorCode.UNSTABLE_OFFSET_COMMIT)
      : row(partition, value, ErrorCode.NONE)
  const topics =
    requested === null
      ? everything(offsets, stableRow)
      : rows(requested, (topic, partition) => stableRow(topic, partition, offsets.get(topic, partition)))
  return { errorCode: ErrorCode.NONE, topics }
}

function everything(
  offsets: GroupOffsets,
  rowOf: (topic: string, partition: number, value: OffsetRecord) => PartitionRow,
): Topics {
  return [...byTopic(offsets.all())].map(([name, all]) => ({
    name,
    partitions: all.map(({ partition, value }) => rowOf(name, partition, value)),
  }))
}

function rows(
  requested: NonNullable<RequestedTopics>,
  rowOf: (topic: string, partition: number) => PartitionRow,
): Topics {
  return askedOnce(requested).map(({ name, partitionIndexes }) => ({
    name,
    partitions: partitionIndexes.map(index => rowOf(name, index)),
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
): Promise<PartitionRow> {
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

function row(partitionIndex: number, value: OffsetRecord | undefined, errorCode: ErrorCode): PartitionRow {
  return {
    partitionIndex,
    committedOffset: value?.offset ?? -1,
    committedLeaderEpoch: value?.leaderEpoch ?? -1,
    metadata: value?.metadata ?? '',
    errorCode,
  }
}

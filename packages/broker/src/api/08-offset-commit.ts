// OffsetCommit: v0-9
//
// Behavior
// - Offsets of partitions that exist, with text that is short enough, are written in one batch and count when it is committed.
// - A member commits with its generation; who is in no group (generation -1) only while the group has no members.
// - Where no partition exists the group is not asked; where it refuses, that is told of every partition that does, text too long or not.
// Version notes
// - v0: offsets go to ZooKeeper, for clients of Kafka 0.8, and no group knows of them. Text is checked and thrown away.
// - v1: generation, a timestamp of the client's. v2-4: a retention time (KIP-211 took it away). v6: leader epoch (KIP-320).
// - v7: static members (KIP-345). v9: member epochs of a protocol that brokers with ZooKeeper do not speak (KIP-848).
import { ErrorCode } from '@millrace/protocol/errors'
import {
  offsetCommitRequest,
  offsetCommitResponse,
  type OffsetCommitRequest,
  type OffsetCommitRequestPartition,
  type OffsetCommitRequestTopic,
} from '@millrace/protocol/messages/08-offset-commit'
import type { CommittedOffset } from '../core/groups/group-offsets.ts'
import { isOffsetFailure, type ConsumerOffsets } from '../metadata/consumer-offsets.ts'
import type { GroupServices } from './group-services.ts'
import { defineParkedHandler, type RequestContext } from './handler.ts'

type Services = Pick<GroupServices, 'groups' | 'metadata' | 'settings' | 'consumerOffsets'>

/** One partition as it is answered. */
interface Row {
  readonly partitionIndex: number
  errorCode: ErrorCode
}
interface TopicRows {
  readonly name: string
  readonly partitions: Row[]
}

export default defineParkedHandler(
  offsetCommitRequest,
  offsetCommitResponse,
  [0, 9],
  (request, context, services: Services, reply) => {
    const asked = askedOnce(request.topics)
    const topics = asked.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(partition => ({
        partitionIndex: partition.partitionIndex,
        errorCode: refusalOf(name, partition, services),
      })),
    }))
    const answer = { throttleTimeMs: 0, topics }
    if (context.apiVersion === 0) {
      keepAll(request.groupId, asked, topics, services.consumerOffsets).then(
        () => reply(answer),
        (error: unknown) => context.fail(error),
      )
    } else if (topics.some(({ partitions }) => partitions.some(isKnown))) {
      const offsets = acceptedOffsets(request, asked, topics, context)
      const { groupId, memberId, groupInstanceId, generationIdOrMemberEpoch: generationId } = request
      const commit = { groupId, memberId, groupInstanceId, generationId, offsets }
      services.groups.commitOffsets(commit, ({ errorCode, isRefused }) => {
        for (const { partitions } of topics) {
          for (const row of partitions) if (isRefused ? isKnown(row) : isAccepted(row)) row.errorCode = errorCode
        }
        reply(answer)
      })
    } else reply(answer)
  },
  { retainFrom: Infinity },
)

const isAccepted = ({ errorCode }: Row): boolean => errorCode === ErrorCode.NONE
const isKnown = ({ errorCode }: Row): boolean =>
  errorCode === ErrorCode.NONE || errorCode === ErrorCode.OFFSET_METADATA_TOO_LARGE

/** Each topic once, in the order in which they came; of a partition that is there twice the last one counts. */
function askedOnce(topics: readonly OffsetCommitRequestTopic[]): readonly OffsetCommitRequestTopic[] {
  if (topics.length === 0 || (topics.length === 1 && topics[0]!.partitions.length === 1)) return topics
  const byName = new Map<string, Map<number, OffsetCommitRequestPartition>>()
  for (const { name, partitions } of topics) {
    let known = byName.get(name)
    for (const partition of partitions) {
      // Who names no partition of a topic is told nothing of it.
      if (known === undefined) byName.set(name, (known = new Map()))
      known.set(partition.partitionIndex, partition)
    }
  }
  return [...byName].map(([name, partitions]) => ({ name, partitions: [...partitions.values()] }))
}

function refusalOf(
  topic: string,
  { partitionIndex, committedMetadata }: OffsetCommitRequestPartition,
  { metadata, settings }: Pick<Services, 'metadata' | 'settings'>,
): ErrorCode {
  if (!metadata.hasPartition(topic, partitionIndex)) return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
  const size = committedMetadata?.length ?? 0
  // Asked for seldom: most clients send none.
  if (size === 0) return ErrorCode.NONE
  return size > settings.get('offset.metadata.max.bytes') ? ErrorCode.OFFSET_METADATA_TOO_LARGE : ErrorCode.NONE
}

function acceptedOffsets(
  { retentionTimeMs }: OffsetCommitRequest,
  asked: readonly OffsetCommitRequestTopic[],
  rows: readonly TopicRows[],
  { nowMs }: RequestContext,
): CommittedOffset[] {
  const offsets: CommittedOffset[] = []
  for (const [at, { name: topic, partitions }] of asked.entries()) {
    for (const [index, partition] of partitions.entries()) {
      if (!isAccepted(rows[at]!.partitions[index]!)) continue
      offsets.push({
        topic,
        partition: partition.partitionIndex,
        value: recordOf(partition, retentionTimeMs, nowMs),
      })
    }
  }
  return offsets
}

async function keepAll(
  groupId: string,
  asked: readonly OffsetCommitRequestTopic[],
  rows: readonly TopicRows[],
  consumerOffsets: ConsumerOffsets,
): Promise<void> {
  const kept = asked.flatMap(({ name, partitions }, at) =>
    partitions.map(async ({ partitionIndex, committedOffset }, index) => {
      const row = rows[at]!.partitions[index]!
      if (!isAccepted(row)) return
      try {
        await consumerOffsets.set(groupId, name, partitionIndex, committedOffset)
      } catch (error) {
        if (!isOffsetFailure(error)) throw error
        row.errorCode = ErrorCode.UNKNOWN_SERVER_ERROR
      }
    }),
  )
  await Promise.all(kept)
}

function recordOf(
  partition: OffsetCommitRequestPartition,
  retentionTimeMs: number,
  nowMs: number,
): CommittedOffset['value'] {
  const { committedOffset, committedLeaderEpoch, committedMetadata, commitTimestamp } = partition
  const commitTimestampMs = commitTimestamp === -1 ? nowMs : commitTimestamp
  return {
    offset: committedOffset,
    leaderEpoch: committedLeaderEpoch,
    metadata: committedMetadata ?? '',
    commitTimestampMs,
    expireTimestampMs: retentionTimeMs === -1 ? -1 : commitTimestampMs + retentionTimeMs,
  }
}

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
} from '@millrace/protocol/messages/08-offset-commit'
import type { CommittedOffset } from '../core/groups/group-offsets.ts'
import { isOffsetFailure, type ConsumerOffsets } from '../metadata/consumer-offsets.ts'
import { byTopic } from './by-topic.ts'
import type { GroupServices } from './group-services.ts'
import { defineHandler } from './handler.ts'

type Services = Pick<GroupServices, 'groups' | 'metadata' | 'settings' | 'consumerOffsets'>

/** One partition that was asked for, and what becomes of it. */
interface Outcome {
  readonly topic: string
  readonly partition: OffsetCommitRequestPartition
  errorCode: ErrorCode
}

export default defineHandler(
  offsetCommitRequest,
  offsetCommitResponse,
  [0, 9],
  async (request, context, services: Services) => {
    const { groupId } = request
    const outcomes = askedOnce(request).map(each => ({ ...each, errorCode: refusalOf(each, services) }))
    const isTextTooLong = ({ errorCode }: Outcome): boolean => errorCode === ErrorCode.OFFSET_METADATA_TOO_LARGE
    const known = outcomes.filter(each => each.errorCode === ErrorCode.NONE || isTextTooLong(each))
    const accepted = known.filter(each => !isTextTooLong(each))
    if (context.apiVersion === 0) {
      await Promise.all(accepted.map(outcome => keep(outcome, groupId, services.consumerOffsets)))
    } else if (known.length > 0) {
      const { memberId, groupInstanceId, generationIdOrMemberEpoch: generationId, retentionTimeMs } = request
      const offsets = accepted.map(({ topic, partition }) => ({
        ...{ topic, partition: partition.partitionIndex },
        value: recordOf(partition, retentionTimeMs, context.nowMs),
      }))
      const commit = { groupId, memberId, groupInstanceId, generationId, offsets }
      const { errorCode, isRefused } = await services.groups.commitOffsets(commit)
      for (const outcome of isRefused ? known : accepted) outcome.errorCode = errorCode
    }
    return {
      throttleTimeMs: 0,
      topics: byTopic(outcomes).map(([name, rows]) => ({
        name,
        partitions: rows.map(({ partition: { partitionIndex }, errorCode }) => ({ partitionIndex, errorCode })),
      })),
    }
  },
  { retainFrom: Infinity },
)

/** Of a partition that is there twice the last one counts. */
function askedOnce({ topics }: OffsetCommitRequest): Omit<Outcome, 'errorCode'>[] {
  const asked = topics.flatMap(({ name: topic, partitions }) => partitions.map(partition => ({ topic, partition })))
  if (asked.length < 2) return asked
  const last = new Map(asked.map(each => [`${each.partition.partitionIndex} ${each.topic}`, each]))
  return last.size === asked.length ? asked : [...last.values()]
}

function refusalOf(
  { topic, partition }: Omit<Outcome, 'errorCode'>,
  { metadata, settings }: Pick<Services, 'metadata' | 'settings'>,
): ErrorCode {
  if (!metadata.hasPartition(topic, partition.partitionIndex)) return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
  const size = partition.committedMetadata?.length ?? 0
  return size > settings.get('offset.metadata.max.bytes') ? ErrorCode.OFFSET_METADATA_TOO_LARGE : ErrorCode.NONE
}

async function keep(outcome: Outcome, groupId: string, consumerOffsets: ConsumerOffsets): Promise<void> {
  const { topic, partition } = outcome
  try {
    await consumerOffsets.set(groupId, topic, partition.partitionIndex, partition.committedOffset)
  } catch (error) {
    if (!isOffsetFailure(error)) throw error
    outcome.errorCode = ErrorCode.UNKNOWN_SERVER_ERROR
  }
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

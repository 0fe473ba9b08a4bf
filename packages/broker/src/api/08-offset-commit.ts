// OffsetCommit: v1-9
//
// Behavior
// - Offsets of topics that exist, with text that is short enough, are written in one batch and count when it is committed.
// - A member commits with its generation; who is in no group (generation -1) only while the group has no members.
// Version notes
// - v1: generation, a timestamp of the client's. v2-4: a retention time (KIP-211 took it away). v6: leader epoch (KIP-320).
// - v7: static members (KIP-345). v9: member epochs of a protocol that brokers with ZooKeeper do not speak (KIP-848).
// Not done: v0, which kept offsets in ZooKeeper: not offered.
import { ErrorCode } from '@millrace/protocol/errors'
import {
  offsetCommitRequest,
  offsetCommitResponse,
  type OffsetCommitRequestPartition,
} from '@millrace/protocol/messages/08-offset-commit'
import type { CommittedOffset } from '../core/groups/group-offsets.ts'
import type { GroupServices } from './group-services.ts'
import { defineHandler } from './handler.ts'

export default defineHandler(
  offsetCommitRequest,
  offsetCommitResponse,
  [1, 9],
  async (request, context, services: Pick<GroupServices, 'groups' | 'metadata' | 'settings'>) => {
    const { groupId, memberId, groupInstanceId, generationIdOrMemberEpoch: generationId, retentionTimeMs } = request
    const { metadata, settings, groups } = services
    const textMax = settings.get('offset.metadata.max.bytes')
    const refusal = (topic: string, text: string | null): ErrorCode => {
      if (!metadata.hasTopic(topic)) return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
      return (text ?? '').length > textMax ? ErrorCode.OFFSET_METADATA_TOO_LARGE : ErrorCode.NONE
    }
    const offsets: CommittedOffset[] = []
    for (const { name, partitions } of request.topics) {
      for (const partition of partitions) {
        if (refusal(name, partition.committedMetadata) !== ErrorCode.NONE) continue
        const value = recordOf(partition, retentionTimeMs, context.nowMs)
        offsets.push({ topic: name, partition: partition.partitionIndex, value })
      }
    }
    const commit = { groupId, memberId, groupInstanceId, generationId, offsets }
    const errorCode = await groups.commitOffsets(commit)
    return {
      throttleTimeMs: 0,
      topics: request.topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex, committedMetadata }) => ({
          partitionIndex,
          errorCode: refusal(name, committedMetadata) || errorCode,
        })),
      })),
    }
  },
  { retainFrom: Infinity },
)

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

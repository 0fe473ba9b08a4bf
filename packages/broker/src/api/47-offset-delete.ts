// OffsetDelete: v0
//
// Behavior
// - Offsets of a group without members, or of topics that no member of it reads (KIP-496).
import { ErrorCode } from '@millrace/protocol/errors'
import { offsetDeleteRequest, offsetDeleteResponse } from '@millrace/protocol/messages/47-offset-delete'
import type { GroupServices } from './group-services.ts'
import { defineHandler } from './handler.ts'

export default defineHandler(
  offsetDeleteRequest,
  offsetDeleteResponse,
  [0, 0],
  async ({ groupId, topics }, _context, { groups, metadata }: Pick<GroupServices, 'groups' | 'metadata'>) => {
    const partitions = topics
      .flatMap(({ name: topic, partitions: asked }) =>
        asked.map(({ partitionIndex: partition }) => ({ topic, partition })),
      )
      .filter(({ topic, partition }) => metadata.hasPartition(topic, partition))
    const outcome = await groups.deleteOffsets(groupId, partitions)
    if (typeof outcome === 'number') return { errorCode: outcome, throttleTimeMs: 0, topics: [] }
    const codeOf = (topic: string, partition: number): ErrorCode => {
      if (!metadata.hasPartition(topic, partition)) return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
      return outcome.has(topic) ? ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC : ErrorCode.NONE
    }
    return {
      errorCode: ErrorCode.NONE,
      throttleTimeMs: 0,
      topics: topics.map(({ name, partitions: asked }) => ({
        name,
        partitions: asked.map(({ partitionIndex }) => ({ partitionIndex, errorCode: codeOf(name, partitionIndex) })),
      })),
    }
  },
  { retainFrom: Infinity },
)

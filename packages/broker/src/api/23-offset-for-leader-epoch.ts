// OffsetForLeaderEpoch: v0-4
//
// Behavior
// - Where a leader epoch ended in this log: followers and consumers find out where their history left ours (KIP-101, KIP-320).
// Version notes
// - v1: the epoch that the end belongs to. v2: currentLeaderEpoch. v3: replicaId.
import { ErrorCode } from '@millrace/protocol/errors'
import {
  offsetForLeaderEpochRequest,
  offsetForLeaderEpochResponse,
} from '@millrace/protocol/messages/23-offset-for-leader-epoch'
import { defineHandler } from './handler.ts'
import type { DataServices } from './services.ts'

export default defineHandler(
  offsetForLeaderEpochRequest,
  offsetForLeaderEpochResponse,
  [0, 4],
  (request, _context, { partitions }: Pick<DataServices, 'partitions'>) => ({
    throttleTimeMs: 0,
    topics: request.topics.map(({ topic, partitions: asked }) => ({
      topic,
      partitions: asked.map(({ partition, currentLeaderEpoch, leaderEpoch }) => {
        const found = partitions.leaderOf(topic, partition, currentLeaderEpoch)
        if (typeof found === 'number') return { errorCode: found, partition, leaderEpoch: -1, endOffset: -1 }
        return { errorCode: ErrorCode.NONE, partition, ...found.endOffsetOfEpoch(leaderEpoch) }
      }),
    })),
  }),
  { retainFrom: Infinity, answersAsLeader: true },
)

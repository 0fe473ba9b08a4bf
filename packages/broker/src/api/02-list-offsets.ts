// ListOffsets: v0-9
//
// Behavior
// - Offset of the first record at or after a timestamp, or one of the marks below zero: latest, earliest, and so on.
// - Consumers see up to the high watermark (read_uncommitted) or the last stable offset; replicas see the end of the log.
// - A new leader whose high watermark has not reached the start of its epoch may not say "latest": OFFSET_NOT_AVAILABLE (KIP-207).
// Version notes
// - v0: several segment starts per partition. v1: one offset and its timestamp. v2: isolation level.
// - v4: leader epochs (KIP-320). v5: OFFSET_NOT_AVAILABLE. v7: max timestamp (KIP-734). v8: earliest local (KIP-405).
// - v9: latest tiered (KIP-1005): always -1, nothing is tiered.
import { ErrorCode } from '@millrace/protocol/errors'
import {
  listOffsetsRequest,
  listOffsetsResponse,
  type ListOffsetsPartition,
  type ListOffsetsPartitionResponse,
} from '@millrace/protocol/messages/02-list-offsets'
import { Isolation, type Partition } from '../replication/partition.ts'
import { defineHandler } from './handler.ts'
import type { DataServices } from './services.ts'

/** Timestamps that are questions, with the first version that may ask them. */
const Mark = { latest: -1, earliest: -2, maxTimestamp: -3, earliestLocal: -4, latestTiered: -5 } as const
const firstVersionOf: ReadonlyMap<number, number> = new Map([
  [Mark.latest, 1],
  [Mark.earliest, 1],
  [Mark.maxTimestamp, 7],
  [Mark.earliestLocal, 8],
  [Mark.latestTiered, 9],
])
/** Replica id of an ordinary consumer, and of a debugging one, which may ask any replica. */
const consumerId = -1
const debuggerId = -2

interface Question {
  readonly apiVersion: number
  readonly replicaId: number
  readonly isolation: Isolation
}

export default defineHandler(
  listOffsetsRequest,
  listOffsetsResponse,
  [0, 9],
  (request, context, { partitions }: Pick<DataServices, 'partitions'>) => {
    const { apiVersion } = context
    const { replicaId, isolationLevel } = request
    const isolation = isolationOf(replicaId, isolationLevel)
    const question: Question = { apiVersion, replicaId, isolation }
    const duplicates = duplicatesIn(request.topics)
    const answer = (topic: string, asked: ListOffsetsPartition): ListOffsetsPartitionResponse => {
      const { partitionIndex, currentLeaderEpoch } = asked
      if (duplicates.has(`${topic}/${partitionIndex}`)) return row(partitionIndex, ErrorCode.INVALID_REQUEST)
      const partition = partitions.get(topic, partitionIndex, currentLeaderEpoch, replicaId !== debuggerId)
      if (typeof partition === 'number') return row(partitionIndex, partition)
      try {
        return apiVersion === 0 ? legacyOffsets(partition, asked, question) : offsetAt(partition, asked, question)
      } catch (error) {
        if (!partition.log.isOffline) throw error
        return row(partitionIndex, ErrorCode.KAFKA_STORAGE_ERROR)
      }
    }
    return {
      throttleTimeMs: 0,
      topics: request.topics.map(({ name, partitions: asked }) => ({
        name,
        partitions: asked.map(each => answer(name, each)),
      })),
    }
  },
  { retainFrom: Infinity, answersAsLeader: true },
)

function isolationOf(replicaId: number, isolationLevel: number): Isolation {
  if (replicaId !== consumerId) return Isolation.replica
  return isolationLevel === 1 ? Isolation.readCommitted : Isolation.readUncommitted
}

function offsetAt(partition: Partition, asked: ListOffsetsPartition, question: Question): ListOffsetsPartitionResponse {
  const { partitionIndex, timestamp } = asked
  const { apiVersion, isolation } = question
  if (timestamp < 0 && apiVersion < (firstVersionOf.get(timestamp) ?? Infinity)) {
    return row(partitionIndex, ErrorCode.UNSUPPORTED_VERSION)
  }
  const { log } = partition
  const endOffset = partition.endOffsetFor(isolation)
  const found = (offset: number, leaderEpoch: number, at = -1): ListOffsetsPartitionResponse => ({
    ...row(partitionIndex, ErrorCode.NONE),
    timestamp: at,
    offset,
    // Before v4 the wire has no place for it, and only its default may be left out.
    leaderEpoch: apiVersion >= 4 ? leaderEpoch : -1,
  })
  if (timestamp === Mark.earliest || timestamp === Mark.earliestLocal) {
    return found(log.logStartOffset, log.leaderEpochs.epochOf(log.logStartOffset))
  }
  if (timestamp === Mark.latestTiered) return found(-1, -1)
  const isUncertain = isolation !== Isolation.replica && !partition.isHighWatermarkCurrent
  const uncertain = row(
    partitionIndex,
    apiVersion >= 5 ? ErrorCode.OFFSET_NOT_AVAILABLE : ErrorCode.LEADER_NOT_AVAILABLE,
  )
  if (timestamp === Mark.latest) return isUncertain ? uncertain : found(endOffset, partition.leaderEpoch)
  const record =
    timestamp === Mark.maxTimestamp ? log.offsetOfMaxTimestamp() : log.offsetForTimestamp(timestamp, endOffset)
  if (record !== null && record.offset < endOffset) return found(record.offset, record.leaderEpoch, record.timestamp)
  return isUncertain ? uncertain : row(partitionIndex, ErrorCode.NONE)
}

/** Starts of segments, newest first; for a consumer the high watermark stands for all that lies above it. */
function legacyOffsets(
  partition: Partition,
  asked: ListOffsetsPartition,
  question: Question,
): ListOffsetsPartitionResponse {
  const { log } = partition
  const offsets = log.legacyOffsetsBefore(asked.timestamp, asked.maxNumOffsets)
  const { highWatermark } = log
  const isConsumer = question.isolation !== Isolation.replica
  const hidden = isConsumer ? offsets.filter(offset => offset > highWatermark).length : 0
  const oldStyleOffsets = hidden === 0 ? offsets : [highWatermark, ...offsets.slice(hidden)]
  return { ...row(asked.partitionIndex, ErrorCode.NONE), oldStyleOffsets }
}

function row(partitionIndex: number, errorCode: ErrorCode): ListOffsetsPartitionResponse {
  return { partitionIndex, errorCode, oldStyleOffsets: [], timestamp: -1, offset: -1, leaderEpoch: -1 }
}

function duplicatesIn(
  topics: readonly { name: string; partitions: readonly ListOffsetsPartition[] }[],
): ReadonlySet<string> {
  const seen = new Set<string>()
  const duplicates = new Set<string>()
  for (const { name, partitions } of topics) {
    for (const { partitionIndex } of partitions) {
      const key = `${name}/${partitionIndex}`
      if (seen.has(key)) duplicates.add(key)
      seen.add(key)
    }
  }
  return duplicates
}

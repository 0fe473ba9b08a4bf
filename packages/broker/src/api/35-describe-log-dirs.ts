// DescribeLogDirs: v0-4
//
// Behavior
// - Per log directory of this broker: which replicas it holds, how large, and what room is left; those on their way into it too.
// - Offset lag: of a replica, how far it ends below its high watermark; of one on its way, how much is still to be copied.
// Version notes
// - v3: top-level error. v4: total and usable bytes (KIP-827).
import { ErrorCode } from '@millrace/protocol/errors'
import {
  describeLogDirsRequest,
  describeLogDirsResponse,
  type DescribeLogDirsResult,
} from '@millrace/protocol/messages/35-describe-log-dirs'
import type { DirectoryDescription, LogDescription } from '../log/directory-description.ts'
import type { Partition } from '../replication/partition.ts'
import { defineHandler } from './handler.ts'
import type { DataServices } from './services.ts'

type Services = Pick<DataServices, 'logs' | 'partitions'>

export default defineHandler(
  describeLogDirsRequest,
  describeLogDirsResponse,
  [0, 4],
  (request, _context, { logs, partitions }: Services) => {
    const wanted =
      request.topics === null
        ? null
        : new Map(request.topics.map(({ topic, partitions }) => [topic, new Set(partitions)]))
    const isWanted = (topic: string, partition: number): boolean =>
      wanted?.get(topic)?.has(partition) ?? wanted === null
    return {
      throttleTimeMs: 0,
      errorCode: ErrorCode.NONE,
      results: logs.describe().map(directory => describeDirectory(directory, isWanted, partitions)),
    }
  },
  { retainFrom: Infinity },
)

function describeDirectory(
  directory: DirectoryDescription,
  isWanted: (topic: string, partition: number) => boolean,
  partitions: Services['partitions'],
): DescribeLogDirsResult {
  const { isOffline, totalBytes, usableBytes } = directory
  const held = directory.logs.filter(({ topic, partition }) => isWanted(topic, partition))
  const topics = [...Map.groupBy(held, ({ topic }) => topic)].map(([name, logs]) => ({
    name,
    partitions: logs.map(log => ({
      partitionIndex: log.partition,
      partitionSize: log.size,
      offsetLag: offsetLag(log, partitions.hosted(name, log.partition)),
      isFutureKey: log.isFuture,
    })),
  }))
  const errorCode = isOffline ? ErrorCode.KAFKA_STORAGE_ERROR : ErrorCode.NONE
  return { errorCode, logDir: directory.directory, topics, totalBytes, usableBytes }
}

/** -1: this broker has no replica that could say. */
function offsetLag({ isFuture, logEndOffset }: LogDescription, replica: Partition | undefined): number {
  if (replica === undefined || replica.isOffline) return -1
  const { log } = replica
  return isFuture ? log.logEndOffset - logEndOffset : Math.max(log.highWatermark - logEndOffset, 0)
}

// DescribeLogDirs: v0-4
//
// Behavior
// - Per log directory of this broker: which replicas it holds, how large, and what room is left.
// Version notes
// - v3: top-level error. v4: total and usable bytes (KIP-827).
import { ErrorCode } from '@millrace/protocol/errors'
import {
  describeLogDirsRequest,
  describeLogDirsResponse,
  type DescribeLogDirsResult,
} from '@millrace/protocol/messages/35-describe-log-dirs'
import type { DirectoryDescription } from '../log/log-directories.ts'
import { defineHandler } from './handler.ts'
import type { DataServices } from './services.ts'

type Services = Pick<DataServices, 'logs'>

export default defineHandler(
  describeLogDirsRequest,
  describeLogDirsResponse,
  [0, 4],
  (request, _context, { logs }: Services) => {
    const wanted =
      request.topics === null
        ? null
        : new Map(request.topics.map(({ topic, partitions }) => [topic, new Set(partitions)]))
    const isWanted = (topic: string, partition: number): boolean =>
      wanted?.get(topic)?.has(partition) ?? wanted === null
    return {
      throttleTimeMs: 0,
      errorCode: ErrorCode.NONE,
      results: logs.describe().map(directory => describeDirectory(directory, isWanted, logs)),
    }
  },
  { retainFrom: Infinity },
)

function describeDirectory(
  directory: DirectoryDescription,
  isWanted: (topic: string, partition: number) => boolean,
  logs: Services['logs'],
): DescribeLogDirsResult {
  const { isOffline, totalBytes, usableBytes } = directory
  const held = directory.logs.filter(({ topic, partition }) => isWanted(topic, partition))
  const topics = [...Map.groupBy(held, ({ topic }) => topic)].map(([name, replicas]) => ({
    name,
    partitions: replicas.map(({ partition, size }) => ({
      partitionIndex: partition,
      partitionSize: size,
      offsetLag: offsetLag(logs.get(name, partition)),
      isFutureKey: false,
    })),
  }))
  const errorCode = isOffline ? ErrorCode.KAFKA_STORAGE_ERROR : ErrorCode.NONE
  return { errorCode, logDir: directory.directory, topics, totalBytes, usableBytes }
}

/** How far the log ends below its own high watermark; a replica that is being rebuilt may. */
function offsetLag(log: { readonly highWatermark: number; readonly logEndOffset: number } | undefined): number {
  return log === undefined ? 0 : Math.max(log.highWatermark - log.logEndOffset, 0)
}

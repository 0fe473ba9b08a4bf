// AlterReplicaLogDirs: v0-2
//
// Behavior
// - Moves replicas between the log directories of this broker, one answer per replica; the copying goes on after the answer. Done when
//   DescribeLogDirs shows the replica in the directory and no future one (KIP-113).
// - LOG_DIR_NOT_FOUND: not in log.dirs, letter by letter. KAFKA_STORAGE_ERROR: that directory, another one or the replica is offline.
// - REPLICA_NOT_AVAILABLE: the broker has no such replica yet; one that it is given later is made in the directory.
// - The directory where the replica is: NONE, and a move that is under way is cancelled.
// Version notes
// - v1: none. v2: flexible.
import {
  alterReplicaLogDirsRequest,
  alterReplicaLogDirsResponse,
} from '@millrace/protocol/messages/34-alter-replica-log-dirs'
import { defineHandler } from './handler.ts'
import type { DataServices } from './services.ts'

type Services = Pick<DataServices, 'partitions'>

export default defineHandler(
  alterReplicaLogDirsRequest,
  alterReplicaLogDirsResponse,
  [0, 2],
  (request, _context, { partitions }: Services) => {
    const replicas = request.dirs.flatMap(({ path, topics }) =>
      topics.flatMap(({ name, partitions: numbers }) => numbers.map(partition => ({ path, name, partition }))),
    )
    const results = replicas.map(({ path, name, partition }) => {
      return { name, partitionIndex: partition, errorCode: partitions.alterLogDirectory(name, partition, path) }
    })
    return {
      throttleTimeMs: 0,
      results: [...Map.groupBy(results, ({ name }) => name)].map(([topicName, rows]) => ({
        topicName,
        partitions: rows.map(({ partitionIndex, errorCode }) => ({ partitionIndex, errorCode })),
      })),
    }
  },
  { retainFrom: Infinity },
)

// AlterPartitionReassignments: v0
//
// Behavior
// - Only the controller moves replicas; others answer NOT_CONTROLLER.
// - Answers when the moves have begun; ListPartitionReassignments tells when they are over. Null replicas give a move up
//   (KIP-455): NO_REASSIGNMENT_IN_PROGRESS where there is none.
// - INVALID_REPLICA_ASSIGNMENT for no, repeated or negative replicas, new ones on brokers that are down, and a change that
//   would remove every in-sync replica (as KRaft refuses it).
//
// Not done
// - Authorization (security issue). timeoutMs is not used, as in Kafka.
import { ErrorCode } from '@millrace/protocol/errors'
import {
  alterPartitionReassignmentsRequest,
  alterPartitionReassignmentsResponse,
} from '@millrace/protocol/messages/45-alter-partition-reassignments'
import { byTopic } from './by-topic.ts'
import { defineHandler } from './handler.ts'
import { notController } from './topic-outcome.ts'
import type { TopicServices } from './topic-services.ts'

export default defineHandler(
  alterPartitionReassignmentsRequest,
  alterPartitionReassignmentsResponse,
  [0, 0],
  async ({ topics }, _context, { controller }: Pick<TopicServices, 'controller'>) => {
    const requests = topics.flatMap(({ name, partitions }) =>
      partitions.map(({ partitionIndex, replicas }) => ({ topic: name, partition: partitionIndex, replicas })),
    )
    // A partition that comes twice: its last word counts.
    const latest = new Map(requests.map(request => [`${request.topic}-${request.partition}`, request]))
    const outcomes = await controller.alterReassignments([...latest.values()])
    if (outcomes === null) return { throttleTimeMs: 0, ...notController, responses: [] }
    const responses = byTopic(outcomes).map(([name, rows]) => ({
      name,
      partitions: rows.map(({ partition, errorCode, message }) => ({
        partitionIndex: partition,
        errorCode,
        errorMessage: message,
      })),
    }))
    return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, errorMessage: null, responses }
  },
)

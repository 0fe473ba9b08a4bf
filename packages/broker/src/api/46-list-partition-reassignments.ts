// ListPartitionReassignments: v0
//
// Behavior
// - Only the controller knows; others answer NOT_CONTROLLER.
// - Partitions whose replicas are being moved, of those asked for, or of all (KIP-455).
//
// Not done
// - Authorization (security issue). The controller answers from memory: timeoutMs is not needed.
import { ErrorCode } from '@millrace/protocol/errors'
import {
  listPartitionReassignmentsRequest,
  listPartitionReassignmentsResponse,
} from '@millrace/protocol/messages/46-list-partition-reassignments'
import { byTopic } from './by-topic.ts'
import { defineHandler } from './handler.ts'
import { notController } from './topic-outcome.ts'
import type { TopicServices } from './topic-services.ts'

export default defineHandler(
  listPartitionReassignmentsRequest,
  listPartitionReassignmentsResponse,
  [0, 0],
  async ({ topics }, _context, { controller }: Pick<TopicServices, 'controller'>) => {
    const asked =
      topics?.flatMap(({ name, partitionIndexes }) =>
        partitionIndexes.map(partition => ({ topic: name, partition })),
      ) ?? null
    const running = await controller.reassignments(asked)
    if (running === null) return { throttleTimeMs: 0, ...notController, topics: [] }
    const listed = byTopic(running).map(([name, partitions]) => ({
      name,
      partitions: partitions.map(({ partition, assignment }) => ({
        partitionIndex: partition,
        replicas: [...assignment.replicas],
        addingReplicas: [...assignment.addingReplicas],
        removingReplicas: [...assignment.removingReplicas],
      })),
    }))
    return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, errorMessage: null, topics: listed }
  },
)

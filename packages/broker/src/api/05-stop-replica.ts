// StopReplica: v0-4
//
// Behavior
// - The controller takes replicas away: they stop fetching, and with `deletePartition` their log goes too (reference 3.1).
// - A log that was to go is gone for good before the answer: the controller then takes the topic out of ZooKeeper, and a folder that a power cut
//   brought back would stand in the way of a new topic of that name.
// - Equal leader epochs are accepted, because a deletion need not raise the epoch; -2 (topic deletion) always wins.
// Version notes
// - v0: ungrouped. v1-2: grouped, one flag for all. v3: epoch and flag per partition (KIP-570).
import { ErrorCode } from '@millrace/protocol/errors'
import {
  stopReplicaRequest,
  stopReplicaResponse,
  type StopReplicaRequest,
} from '@millrace/protocol/messages/05-stop-replica'
import { NO_EPOCH } from '../core/partition/controller-request-acceptance.ts'
import type { StoppedReplica } from '../replication/partitions.ts'
import { defineHandler } from './handler.ts'
import type { DataServices } from './services.ts'

export default defineHandler(
  stopReplicaRequest,
  stopReplicaResponse,
  [0, 4],
  async (request, _context, { partitions, logs }: Pick<DataServices, 'partitions' | 'logs'>) => {
    const refusal = partitions.admitController(request.brokerEpoch, request.controllerEpoch)
    const replicas = replicasOf(request)
    const errors =
      refusal === ErrorCode.NONE
        ? partitions.applyStopReplica(replicas)
        : replicas.map(({ topic, partition }) => ({ topic, partition, errorCode: refusal }))
    if (replicas.some(replica => replica.isDeletion)) await logs.untilTidy()
    return {
      errorCode: refusal,
      partitionErrors: errors.map(({ topic, partition, errorCode }) => ({
        topicName: topic,
        partitionIndex: partition,
        errorCode,
      })),
    }
  },
  { retainFrom: Infinity },
)

function replicasOf(request: StopReplicaRequest): StoppedReplica[] {
  const isDeletion = request.deletePartitions
  const leaderEpoch = NO_EPOCH
  return [
    ...request.ungroupedPartitions.map(({ topicName: topic, partitionIndex: partition }) => ({
      topic,
      partition,
      leaderEpoch,
      isDeletion,
    })),
    ...request.topics.flatMap(({ name: topic, partitionIndexes }) =>
      partitionIndexes.map(partition => ({ topic, partition, leaderEpoch, isDeletion })),
    ),
    ...request.topicStates.flatMap(({ topicName: topic, partitionStates }) =>
      partitionStates.map(state => ({
        topic,
        partition: state.partitionIndex,
        leaderEpoch: state.leaderEpoch,
        isDeletion: state.deletePartition,
      })),
    ),
  ]
}

// DescribeProducers: v0
//
// Behavior
// - The producers that the leader of a partition remembers, and where their open transactions began (KIP-664).
import { ErrorCode } from '@millrace/protocol/errors'
import {
  describeProducersRequest,
  describeProducersResponse,
  type PartitionResponse,
} from '@millrace/protocol/messages/61-describe-producers'
import { defineHandler } from './handler.ts'
import type { DataServices } from './services.ts'

type Services = Pick<DataServices, 'partitions'>

export default defineHandler(
  describeProducersRequest,
  describeProducersResponse,
  [0, 0],
  (request, _context, services: Services) => ({
    throttleTimeMs: 0,
    topics: request.topics.map(({ name, partitionIndexes }) => ({
      name,
      partitions: partitionIndexes.map(index => describe(name, index, services)),
    })),
  }),
  { retainFrom: Infinity },
)

function describe(topic: string, partitionIndex: number, { partitions }: Services): PartitionResponse {
  const partition = partitions.leaderOf(topic, partitionIndex)
  const row = { partitionIndex, errorMessage: null }
  if (typeof partition === 'number') return { ...row, errorCode: partition, activeProducers: [] }
  const activeProducers = partition.log.activeProducers().map(producer => ({
    producerId: producer.producerId,
    producerEpoch: producer.producerEpoch,
    lastSequence: producer.lastSequence,
    lastTimestamp: producer.lastTimestamp,
    coordinatorEpoch: producer.coordinatorEpoch,
    currentTxnStartOffset: producer.currentTransactionStartOffset,
  }))
  return { ...row, errorCode: ErrorCode.NONE, activeProducers }
}

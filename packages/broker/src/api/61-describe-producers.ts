// DescribeProducers: v0
//
// Behavior
// - The producers that a replica remembers, and where their open transactions began (KIP-664). Admin clients ask the leader; who looks for hanging
//   transactions broker by broker (kafka-transactions find-hanging --broker-id) asks followers, too.
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
  const partition = partitions.get(topic, partitionIndex, -1, false)
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

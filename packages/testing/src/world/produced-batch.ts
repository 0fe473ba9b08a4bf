import type { Connection } from '@millrace/client/connection/connection'
import { produceRequest, produceResponse, type PartitionProduceResponse } from '@millrace/protocol/messages/00-produce'
import { buildBatch, type BatchOptions } from '@millrace/protocol/records/batch-builder'
import type { VirtualBroker } from './virtual-broker.ts'

export interface ProducedBatch extends BatchOptions {
  /** Of the value of its one record. */
  readonly bytes?: number
  readonly timestamp?: number
  /** Default `t`. */
  readonly topic?: string
  readonly key?: string
  /** Without it the value is text of `bytes` bytes; null for a tombstone. */
  readonly value?: string | null
}

/** One record to partition 0 of topic `t`: the answer, and how many bytes the batch had. */
export async function produceTo(
  broker: VirtualBroker,
  connection: Connection,
  { bytes = 100, timestamp = broker.world.clock.wallMs(), key, value, topic = 't', ...options }: ProducedBatch = {},
): Promise<PartitionProduceResponse & { readonly sent: number }> {
  // Text that compresses, each level a little better than the one before.
  const text = Buffer.from(Array.from({ length: bytes }, (_, i) => 97 + ((i * i) % 23)))
  const record = {
    timestamp,
    key: key === undefined ? null : Buffer.from(key),
    value: value === undefined ? text : value === null ? null : Buffer.from(value),
  }
  const records = buildBatch([record], { baseOffset: 0, ...options })
  const { responses } = await broker.during(
    connection.request(produceRequest, produceResponse, {
      ...{ transactionalId: null, acks: -1, timeoutMs: 5000 },
      topicData: [{ name: topic, partitionData: [{ index: 0, records }] }],
    }),
  )
  const answer = responses[0]!.partitionResponses[0]!
  return { ...answer, sent: records.length }
}

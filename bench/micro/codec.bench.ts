// Envelopes of the hot path: generated code against closures, in one run. Compare the ratios, not the microseconds, between machines.
import { compileDecoder } from '@millrace/protocol/decoder'
import { compileEncoder } from '@millrace/protocol/encoder'
import { produceRequest, produceResponse } from '@millrace/protocol/messages/00-produce'
import {
  fetchRequest,
  fetchResponse,
  type FetchRequest,
  type FetchResponse,
} from '@millrace/protocol/messages/01-fetch'
import { metadataResponse } from '@millrace/protocol/messages/03-metadata'
import { Reader } from '@millrace/protocol/reader'
import { emptyOf, type Message } from '@millrace/protocol/schema'
import { Writer } from '@millrace/protocol/writer'
import { nanosecondsPerCall } from './timing.ts'

const partitions = Array.from({ length: 100 }, (_, partition) => partition)
const topicId = 'A4BiWw9sQeC0G8sl8KnblQ'

const fetch: FetchRequest = {
  ...emptyOf(fetchRequest),
  maxWaitMs: 500,
  minBytes: 1,
  topics: [
    {
      topic: 'orders',
      topicId: 'AAAAAAAAAAAAAAAAAAAAAA',
      partitions: partitions.map(partition => ({
        partition,
        currentLeaderEpoch: 7,
        fetchOffset: 1_000_000 + partition,
        lastFetchedEpoch: 7,
        logStartOffset: 0,
        partitionMaxBytes: 1_048_576,
        replicaDirectoryId: 'AAAAAAAAAAAAAAAAAAAAAA',
      })),
    },
  ],
}
const fetched: FetchResponse = {
  ...emptyOf(fetchResponse),
  responses: [
    {
      topic: 'orders',
      topicId: 'AAAAAAAAAAAAAAAAAAAAAA',
      partitions: partitions.map(partitionIndex => ({
        partitionIndex,
        errorCode: 0,
        highWatermark: 1_000_000,
        lastStableOffset: 1_000_000,
        logStartOffset: 0,
        divergingEpoch: { epoch: -1, endOffset: -1 },
        currentLeader: { leaderId: -1, leaderEpoch: -1 },
        snapshotId: { endOffset: -1, epoch: -1 },
        abortedTransactions: null,
        preferredReadReplica: -1,
        records: Buffer.alloc(100),
      })),
    },
  ],
}
const produced = {
  transactionalId: null,
  acks: -1,
  timeoutMs: 30_000,
  topicData: [{ name: 'orders', partitionData: [{ index: 3, records: Buffer.alloc(170) }] }],
}
const acknowledged = {
  ...emptyOf(produceResponse),
  responses: [
    {
      name: 'orders',
      partitionResponses: [
        {
          index: 3,
          errorCode: 0,
          baseOffset: 1_000_000,
          logAppendTimeMs: -1,
          logStartOffset: 0,
          recordErrors: [],
          errorMessage: null,
          currentLeader: { leaderId: -1, leaderEpoch: -1 },
        },
      ],
    },
  ],
}
const metadata = {
  ...emptyOf(metadataResponse),
  brokers: [1, 2, 3].map(nodeId => ({ nodeId, host: `broker-${nodeId}.example.com`, port: 9092, rack: null })),
  topics: partitions.map(index => ({
    errorCode: 0,
    name: `topic-${index}`,
    topicId,
    isInternal: false,
    partitions: [0, 1, 2].map(partitionIndex => ({
      errorCode: 0,
      partitionIndex,
      leaderId: 1,
      leaderEpoch: 4,
      replicaNodes: [1, 2, 3],
      isrNodes: [1, 2, 3],
      offlineReplicas: [],
    })),
    topicAuthorizedOperations: -2_147_483_648,
  })),
}

console.log('codec'.padEnd(44), 'generated     closures   ratio')
measure('FetchRequest v12, 100 partitions', fetchRequest, 12, fetch)
measure('FetchResponse v12, 100 partitions', fetchResponse, 12, fetched)
measure('ProduceRequest v9, 1 partition', produceRequest, 9, produced)
measure('ProduceResponse v9, 1 partition', produceResponse, 9, acknowledged)
measure('MetadataResponse v12, 100 topics of 3', metadataResponse, 12, metadata)

function measure<T>(name: string, message: Message<T>, version: number, value: T): void {
  const frame = new Writer()
  compileEncoder(message, version)(frame, value)
  const bytes = Buffer.from(frame.finish())
  const decoded = [true, false].map(generate => {
    const decode = compileDecoder(message, version, generate)
    return nanosecondsPerCall(() => void decode(new Reader(bytes)))
  })
  const encoded = [true, false].map(generate => {
    const encode = compileEncoder(message, version, generate)
    return nanosecondsPerCall(() => {
      const writer = new Writer()
      encode(writer, value)
      writer.finishParts()
    })
  })
  print(`${name}: decode`, decoded)
  print(`${name}: encode`, encoded)
}

function print(name: string, [generated = NaN, closures = NaN]: readonly number[]): void {
  const microseconds = (nanoseconds: number): string => `${(nanoseconds / 1000).toFixed(2)} µs`.padStart(10)
  console.log(
    name.padEnd(44),
    microseconds(generated),
    microseconds(closures),
    (closures / generated).toFixed(1).padStart(6),
  )
}

import { fetchRequest, type FetchRequest } from '@millrace/protocol/messages/01-fetch'
import { produceRequest, type ProduceRequest } from '@millrace/protocol/messages/00-produce'
import { buildBatch, type BatchOptions } from '@millrace/protocol/records/batch-builder'
import { emptyOf, ZERO_UUID } from '@millrace/protocol/schema'

/** A batch of text values, as a producer sends it. */
export function batchOf(
  values: readonly string[],
  options: BatchOptions & { readonly timestamp?: number } = {},
): Buffer {
  const timestamp = options.timestamp ?? 1_700_000_000_000
  return buildBatch(
    values.map((value, index) => ({ timestamp: timestamp + index, key: null, value: Buffer.from(value) })),
    { baseOffset: 0, ...options },
  )
}

/** One batch for one partition. */
export function produceOf(
  topic: string,
  records: Buffer | null,
  options: { readonly partition?: number; readonly acks?: number; readonly timeoutMs?: number } = {},
): ProduceRequest {
  const { partition = 0, acks = -1, timeoutMs = 10_000 } = options
  return {
    ...emptyOf(produceRequest),
    acks,
    timeoutMs,
    topicData: [{ name: topic, partitionData: [{ index: partition, records }] }],
  }
}

export interface AskedPartition {
  readonly topic?: string
  readonly topicId?: string
  readonly partition?: number
  readonly fetchOffset?: number
  readonly maxBytes?: number
  readonly currentLeaderEpoch?: number
  readonly lastFetchedEpoch?: number
  readonly logStartOffset?: number
}

/** A consumer's fetch of these partitions, one topic row each. Does not wait unless told to. */
export function fetchOf(asked: readonly AskedPartition[], changes: Partial<FetchRequest> = {}): FetchRequest {
  return {
    ...emptyOf(fetchRequest),
    maxWaitMs: 0,
    minBytes: 1,
    maxBytes: 50 * 1024 * 1024,
    ...changes,
    topics: asked.map(each => ({
      topic: each.topic ?? '',
      topicId: each.topicId ?? ZERO_UUID,
      partitions: [
        {
          partition: each.partition ?? 0,
          currentLeaderEpoch: each.currentLeaderEpoch ?? -1,
          fetchOffset: each.fetchOffset ?? 0,
          lastFetchedEpoch: each.lastFetchedEpoch ?? -1,
          logStartOffset: each.logStartOffset ?? -1,
          partitionMaxBytes: each.maxBytes ?? 1024 * 1024,
          replicaDirectoryId: ZERO_UUID,
        },
      ],
    })),
  }
}

import type { AppendOutcome } from '@millrace/broker/core/log/append-outcome'
import type { PartitionLog } from '@millrace/broker/log/partition-log'
import { buildBatch } from '@millrace/protocol/records/batch-builder'
import { BatchCursor } from '@millrace/protocol/records/batch-cursor'
import { readRecords } from '@millrace/protocol/records/record'

/** Where virtual time begins: records of this age are neither expired nor retained too long. */
export const startMs = Date.UTC(2026, 0, 1)

export interface BatchSpec {
  readonly values?: readonly string[]
  /** Of the first record; each further one is a millisecond younger. */
  readonly timestamp?: number
  readonly producerId?: number
  readonly producerEpoch?: number
  readonly baseSequence?: number
  readonly isTransactional?: boolean
}

/** A batch as a producer sends it. */
export function batchOf(spec: BatchSpec = {}): Buffer {
  const { values = ['value'], timestamp = startMs, ...producer } = spec
  const records = values.map((value, index) => ({ timestamp: timestamp + index, key: null, value: Buffer.from(value) }))
  return buildBatch(records, producer)
}

/** Appends as a client's Produce request does. */
export function appendTo(
  log: PartitionLog,
  records: Buffer,
  options: { nowMs?: number; leaderEpoch?: number } = {},
): AppendOutcome {
  return log.appendAsLeader(records, { leaderEpoch: 0, nowMs: startMs, ...options, origin: 'client', apiVersion: 9 })
}

/** `offset:value` from `fetchOffset` on, as a consumer reads them, `maxBytes` at a time. */
export function valuesOf(log: PartitionLog, fetchOffset = log.logStartOffset, maxBytes = 1024 * 1024): string[] {
  const values: string[] = []
  for (let offset = fetchOffset; ;) {
    const batches = log.read({ fetchOffset: offset, maxBytes, endOffset: log.logEndOffset, minOneBatch: true })
    if (batches === null) return values
    const cursor = new BatchCursor(batches.bytes)
    while (cursor.next()) {
      for (const record of readRecords(batches.bytes, cursor.position, 1 << 26)) {
        if (record.offset >= fetchOffset) values.push(`${record.offset}:${record.value?.toString() ?? ''}`)
      }
    }
    if (cursor.remaining !== 0) throw new Error(`${cursor.remaining} bytes of a torn batch`)
    offset = batches.nextOffset
    batches.release()
  }
}

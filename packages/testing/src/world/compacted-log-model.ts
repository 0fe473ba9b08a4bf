import type { PartitionLog } from '@millrace/broker/log/partition-log'
import { buildBatch } from '@millrace/protocol/records/batch-builder'
import type { CodecName } from '@millrace/protocol/compression/codec'
import { BatchCursor } from '@millrace/protocol/records/batch-cursor'
import { ControlType, buildEndTransactionMarker, parseControlKey } from '@millrace/protocol/records/control-record'
import { readRecords } from '@millrace/protocol/records/record'
import { RecordBatch } from '@millrace/protocol/records/record-batch'
import { SeededRandom } from './seeded-random.ts'

/** A record that was appended. */
export interface ModelRecord {
  readonly offset: number
  readonly key: string
  /** Null: a tombstone. */
  readonly value: string | null
  readonly timestamp: number
  /** The number of its transaction, or null. */
  readonly transaction: number | null
}

/** A record as the log has it, with what its batch says. */
export interface StoredRecord {
  readonly offset: number
  readonly key: string | null
  readonly value: string | null
  readonly timestamp: number
  readonly deleteHorizonMs: number | null
  readonly isControl: boolean
}

type Fate = 'open' | 'committed' | 'aborted'

interface Producer {
  readonly producerId: number
  readonly isTransactional: boolean
  nextSequence: number
  /** The open transaction's number. */
  transaction: number | null
}

const codecs: readonly CodecName[] = ['none', 'none', 'gzip', 'snappy', 'lz4', 'zstd']

/**
 * Writes a random history of keyed records into a log (plain, idempotent and transactional producers, tombstones, codecs) and knows all of it, so
 * that it can say what a compacted log must still tell: the same state to whoever reads it from its start.
 */
export class CompactedLogModel {
  readonly random: SeededRandom
  readonly records: ModelRecord[] = []
  readonly fates: Fate[] = []
  readonly producers: Producer[]
  readonly keyCount: number
  /** Where batches end: a high watermark lies at one of these. */
  readonly boundaries: number[] = []
  #nowMs: number

  constructor(seed: number, nowMs: number, options: { hasTransactions?: boolean } = {}) {
    this.random = new SeededRandom(seed)
    this.#nowMs = nowMs
    this.keyCount = 2 + this.random.below(40)
    this.producers = [1, 2, 3, 4, 5].map(producerId => ({
      producerId,
      isTransactional: producerId > 2 && options.hasTransactions !== false,
      nextSequence: 0,
      transaction: null,
    }))
  }

  get endOffset(): number {
    return this.boundaries.at(-1) ?? 0
  }

  /** Appends a few batches and markers, all at `nowMs`. */
  write(log: PartitionLog, count: number, nowMs: number): void {
    this.#nowMs = nowMs
    for (let index = 0; index < count; index++) this.step(log)
  }

  /** Ends every open transaction. */
  endTransactions(log: PartitionLog): void {
    for (const producer of this.producers) if (producer.transaction !== null) this.endTransaction(log, producer)
  }

  /** Key → value of what a reader of committed data knows who has read everything below `endOffset`. */
  stateAt(endOffset: number): Map<string, string> {
    const state = new Map<string, string>()
    for (const { offset, key, value, transaction } of this.records) {
      if (offset >= endOffset) break
      if (transaction !== null && this.fates[transaction] !== 'committed') continue
      if (value === null) state.delete(key)
      else state.set(key, value)
    }
    return state
  }

  isAborted(record: ModelRecord): boolean {
    return record.transaction !== null && this.fates[record.transaction] === 'aborted'
  }

  /** The last record of each key below `endOffset` that is not aborted. */
  lastRecords(endOffset: number): Map<string, ModelRecord> {
    const last = new Map<string, ModelRecord>()
    for (const record of this.records)
      if (record.offset < endOffset && !this.isAborted(record)) last.set(record.key, record)
    return last
  }

  private step(log: PartitionLog): void {
    const { random } = this
    const choice = random.below(10)
    const open = this.producers.filter(({ transaction }) => transaction !== null)
    if (choice < 2 && open.length > 0) {
      this.endTransaction(log, open[random.below(open.length)]!)
      return
    }
    const producer = random.below(3) === 0 ? null : this.producers[random.below(this.producers.length)]!
    const count = 1 + random.below(6)
    const timestamp = this.#nowMs - random.below(50)
    const records = Array.from({ length: count }, (_, index) => {
      const key = `key-${random.below(this.keyCount)}`
      const value = random.below(5) === 0 ? null : `${'v'.repeat(random.below(60))}${random.uint32()}`
      return { key, value, timestamp: timestamp + index }
    })
    if (producer?.isTransactional === true && producer.transaction === null) {
      producer.transaction = this.fates.length
      this.fates.push('open')
    }
    const batch = buildBatch(
      records.map(({ key, value, timestamp: at }) => ({
        timestamp: at,
        key: Buffer.from(key),
        value: value === null ? null : Buffer.from(value),
        ...(random.below(4) === 0 ? { headers: [{ key: 'h', value: Buffer.from(key) }] } : {}),
      })),
      {
        codec: codecs[random.below(codecs.length)]!,
        ...(producer === null
          ? {}
          : {
              producerId: producer.producerId,
              producerEpoch: 0,
              baseSequence: producer.nextSequence,
              isTransactional: producer.isTransactional,
            }),
      },
    )
    const outcome = log.appendAsLeader(batch, { leaderEpoch: 0, origin: 'client', apiVersion: 9, nowMs: this.#nowMs })
    if (!outcome.ok) throw new Error(`refused with ${outcome.errorCode}`)
    if (producer !== null) producer.nextSequence += count
    records.forEach(({ key, value, timestamp: at }, index) =>
      this.records.push({
        offset: outcome.baseOffset + index,
        key,
        value,
        timestamp: at,
        transaction: producer?.transaction ?? null,
      }),
    )
    this.boundaries.push(outcome.lastOffset + 1)
  }

  private endTransaction(log: PartitionLog, producer: Producer): void {
    const isAbort = this.random.below(2) === 0
    const marker = buildEndTransactionMarker({
      type: isAbort ? ControlType.Abort : ControlType.Commit,
      coordinatorEpoch: 0,
      producerId: producer.producerId,
      producerEpoch: 0,
      timestamp: this.#nowMs,
    })
    const outcome = log.appendAsLeader(marker, {
      leaderEpoch: 0,
      origin: 'coordinator',
      apiVersion: 9,
      nowMs: this.#nowMs,
    })
    if (!outcome.ok) throw new Error(`marker refused with ${outcome.errorCode}`)
    this.fates[producer.transaction!] = isAbort ? 'aborted' : 'committed'
    producer.transaction = null
    this.boundaries.push(outcome.lastOffset + 1)
  }
}

/** Every batch of the log as a fetch gives it, up to `endOffset`. `visit` gets the batch and the aborted transactions of its fetch. */
function readBatches(
  log: PartitionLog,
  endOffset: number,
  visit: (batch: RecordBatch, aborted: { producerId: number; firstOffset: number }[]) => void,
): void {
  for (let fetchOffset = log.logStartOffset; ;) {
    const read = log.read({ fetchOffset, maxBytes: 3000, endOffset, minOneBatch: true })
    if (read === null) return
    const aborted = log.abortedTransactions(fetchOffset, read.nextOffset)
    const cursor = new BatchCursor(read.bytes)
    while (cursor.next()) {
      const batch = new RecordBatch(read.bytes, cursor.position)
      if (!batch.isCrcValid) throw new Error(`wrong checksum at ${batch.baseOffset}`)
      visit(batch, [...aborted])
    }
    if (cursor.remaining !== 0) throw new Error('a torn batch')
    fetchOffset = read.nextOffset
    read.release()
  }
}

/** All records of the log, markers included. */
export function storedRecords(log: PartitionLog, endOffset = log.logEndOffset): StoredRecord[] {
  const stored: StoredRecord[] = []
  readBatches(log, endOffset, batch => {
    for (const record of readRecords(batch.buffer, batch.position, 1 << 24)) {
      stored.push({
        offset: record.offset,
        key: record.key?.toString() ?? null,
        value: record.value?.toString() ?? null,
        timestamp: record.timestamp,
        deleteHorizonMs: batch.deleteHorizonMs,
        isControl: batch.isControl,
      })
    }
  })
  return stored
}

/** Key → value as a consumer with isolation.level=read_committed learns it, which hides what the fetch answers call aborted (KIP-98). */
export function committedState(log: PartitionLog): Map<string, string> {
  const state = new Map<string, string>()
  const known = new Set<string>()
  const hidden = new Set<number>()
  readBatches(log, log.lastStableOffset, (batch, aborted) => {
    for (const { producerId, firstOffset } of aborted) {
      const transaction = `${producerId}@${firstOffset}`
      if (firstOffset > batch.lastOffset || known.has(transaction)) continue
      known.add(transaction)
      hidden.add(producerId)
    }
    const records = readRecords(batch.buffer, batch.position, 1 << 24)
    if (batch.isControl) {
      const isAbort = records.length > 0 && parseControlKey(records[0]!.key)?.type === ControlType.Abort
      if (isAbort) hidden.delete(batch.producerId)
      return
    }
    if (batch.isTransactional && hidden.has(batch.producerId)) return
    for (const record of records) {
      const key = record.key!.toString()
      if (record.value === null) state.delete(key)
      else state.set(key, record.value.toString())
    }
  })
  return state
}

import { ErrorCode } from '@millrace/protocol/errors'
import {
  baseOffsetAt,
  baseSequenceAt,
  decrementSequence,
  isTransactionalAt,
  lastOffsetAt,
  lastOffsetDeltaAt,
  lastSequenceAt,
  maxTimestampAt,
  producerEpochAt,
  producerIdAt,
} from '@millrace/protocol/records/record-batch'
import type { ProducerSnapshotEntry } from '@millrace/protocol/storage/producer-snapshot'
import { TransactionMap } from './transaction-map.ts'
import type { CompletedTransaction } from './transaction-map.ts'

/** Batches per producer that a repetition is recognised among (KIP-98): what Java's producer may have in flight. */
export const batchesRemembered = 5
const maxSequence = 0x7fffffff
const noEpoch = -1
const none = -1

export interface RememberedBatch {
  readonly lastSequence: number
  readonly lastOffset: number
  /** Last offset minus first. */
  readonly offsetDelta: number
  readonly timestamp: number
}

export interface ProducerEntry {
  readonly producerId: number
  producerEpoch: number
  /** Of the last transaction marker; -1 for none. */
  coordinatorEpoch: number
  lastTimestamp: number
  /** -1: no transaction is open. */
  transactionFirstOffset: number
  /** Oldest first; empty after a marker with a new epoch. */
  batches: RememberedBatch[]
}

/** What a commit or abort marker says. */
export interface EndMarker {
  readonly isAbort: boolean
  readonly coordinatorEpoch: number
  readonly timestamp: number
}

/** `errorCode` is NONE for a batch that may be appended, and for one that was appended before: then `duplicate` is set. */
export interface ProducerVerdict {
  readonly errorCode: number
  readonly duplicate: RememberedBatch | null
}

/** A row of DescribeProducers. */
export interface ActiveProducer {
  readonly producerId: number
  readonly producerEpoch: number
  readonly lastSequence: number
  readonly lastTimestamp: number
  readonly coordinatorEpoch: number
  /** -1: no transaction is open. */
  readonly currentTransactionStartOffset: number
}

/** What keeps a producer's state known in a log that is compacted. */
export interface LastRecord {
  /** Last offset of its last batch; -1 when there is none, only a marker. */
  readonly dataOffset: number
  readonly producerEpoch: number
}

const accepted: ProducerVerdict = { errorCode: ErrorCode.NONE, duplicate: null }
const outOfOrder: ProducerVerdict = { errorCode: ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, duplicate: null }
const oldEpoch: ProducerVerdict = { errorCode: ErrorCode.INVALID_PRODUCER_EPOCH, duplicate: null }
const wrongTransaction: ProducerVerdict = { errorCode: ErrorCode.INVALID_TXN_STATE, duplicate: null }
const coordinatorFenced: ProducerVerdict = { errorCode: ErrorCode.TRANSACTION_COORDINATOR_FENCED, duplicate: null }

const nobody: ReadonlyMap<number, ProducerEntry> = new Map()

/**
 * The idempotent and transactional producers of one partition (KIP-98; reference 4.8): what makes a retry a no-op, a stale
 * producer an error, and what readers of committed data may see. A function of the log's batches in order, so a restart
 * rebuilds it from the newest snapshot and the batches after it.
 */
export class ProducerState {
  /** Most partitions never see one. */
  #producers: ReadonlyMap<number, ProducerEntry> = nobody
  readonly transactions = new TransactionMap()
  /** Everything below has been taken in. */
  endOffset = 0

  get count(): number {
    return this.#producers.size
  }

  /** What DescribeProducers lists (KIP-664). */
  active(): ActiveProducer[] {
    return Array.from(this.#producers.values(), entry => ({
      producerId: entry.producerId,
      producerEpoch: entry.producerEpoch,
      lastSequence: entry.batches.at(-1)?.lastSequence ?? none,
      lastTimestamp: entry.lastTimestamp,
      coordinatorEpoch: entry.coordinatorEpoch,
      currentTransactionStartOffset: entry.transactionFirstOffset,
    }))
  }

  /** May a leader append this batch of a client or coordinator? Changes nothing. The batch must have a producer id. */
  check(buffer: Uint8Array, position: number): ProducerVerdict {
    const entry = this.#producers.get(producerIdAt(buffer, position))
    // Unknown here: deleted by retention, expired, or new. Any sequence may start (KAFKA-5793).
    if (entry === undefined) return accepted
    const epoch = producerEpochAt(buffer, position)
    const firstSequence = baseSequenceAt(buffer, position)
    if (epoch === entry.producerEpoch) {
      const duplicate = findDuplicate(entry, firstSequence, lastSequenceAt(buffer, position))
      if (duplicate !== null) return { errorCode: ErrorCode.NONE, duplicate }
    }
    if (epoch < entry.producerEpoch) return oldEpoch
    if (entry.producerEpoch !== noEpoch) {
      if (epoch !== entry.producerEpoch) {
        if (firstSequence !== 0) return outOfOrder
      } else if (!follows(entry.batches.at(-1)?.lastSequence ?? none, firstSequence)) {
        return outOfOrder
      }
    }
    if (entry.transactionFirstOffset !== none && !isTransactionalAt(buffer, position)) return wrongTransaction
    return accepted
  }

  /** May a coordinator append this marker? Changes nothing. */
  checkMarker(buffer: Uint8Array, position: number, marker: EndMarker): ProducerVerdict {
    const entry = this.#producers.get(producerIdAt(buffer, position))
    if (entry === undefined) return accepted
    if (producerEpochAt(buffer, position) < entry.producerEpoch) return oldEpoch
    if (marker.coordinatorEpoch < entry.coordinatorEpoch) return coordinatorFenced
    return accepted
  }

  /** Takes in a batch of records that is in the log now, whatever `check` would say: replicas and recovery obey the log. */
  onBatch(buffer: Uint8Array, position: number): void {
    const producerId = producerIdAt(buffer, position)
    const entry = this.entryOf(producerId)
    const epoch = producerEpochAt(buffer, position)
    setEpoch(entry, epoch)
    const timestamp = maxTimestampAt(buffer, position)
    if (entry.batches.length === batchesRemembered) entry.batches.shift()
    entry.batches.push(rememberedBatchAt(buffer, position))
    entry.lastTimestamp = timestamp
    if (entry.transactionFirstOffset === none && isTransactionalAt(buffer, position)) {
      entry.transactionFirstOffset = baseOffsetAt(buffer, position)
      this.transactions.begin(producerId, entry.transactionFirstOffset)
    }
  }

  /** Takes in a marker that is in the log now. The transaction it ends, or null when there was none: then nothing changes for readers. */
  onMarker(buffer: Uint8Array, position: number, marker: EndMarker): CompletedTransaction | null {
    const producerId = producerIdAt(buffer, position)
    const entry = this.entryOf(producerId)
    setEpoch(entry, producerEpochAt(buffer, position))
    entry.coordinatorEpoch = marker.coordinatorEpoch
    entry.lastTimestamp = marker.timestamp
    const firstOffset = entry.transactionFirstOffset
    entry.transactionFirstOffset = none
    if (firstOffset === none) return null
    return this.transactions.complete({
      producerId,
      firstOffset,
      lastOffset: baseOffsetAt(buffer, position),
      isAborted: marker.isAbort,
    })
  }

  /** What compaction must leave of each producer. */
  lastRecords(): Map<number, LastRecord> {
    const last = new Map<number, LastRecord>()
    for (const { producerId, producerEpoch, batches } of this.#producers.values()) {
      last.set(producerId, { dataOffset: batches.at(-1)?.lastOffset ?? none, producerEpoch })
    }
    return last
  }

  /** Forgets producers without an open transaction that wrote nothing for `expirationMs`. */
  expire(nowMs: number, expirationMs: number): number {
    let expired = 0
    for (const entry of this.#producers.values()) {
      if (entry.transactionFirstOffset !== none || nowMs - entry.lastTimestamp < expirationMs) continue
      this.own().delete(entry.producerId)
      expired++
    }
    return expired
  }

  clear(endOffset: number): void {
    this.#producers = nobody
    this.transactions.clear()
    this.endOffset = endOffset
  }

  /** Starts over from a snapshot; producers that have expired since are left out. */
  load(entries: readonly ProducerSnapshotEntry[], endOffset: number, nowMs: number, expirationMs: number): void {
    this.clear(endOffset)
    for (const from of entries) {
      const transactionFirstOffset = from.currentTransactionFirstOffset
      if (transactionFirstOffset === none && nowMs - from.timestamp >= expirationMs) continue
      const { lastSequence, lastOffset, offsetDelta, timestamp } = from
      this.own().set(from.producerId, {
        producerId: from.producerId,
        producerEpoch: from.producerEpoch,
        coordinatorEpoch: from.coordinatorEpoch,
        lastTimestamp: timestamp,
        transactionFirstOffset,
        batches: lastOffset >= 0 ? [{ lastSequence, lastOffset, offsetDelta, timestamp }] : [],
      })
      if (transactionFirstOffset !== none) this.transactions.begin(from.producerId, transactionFirstOffset)
    }
  }

  /** Those of whom fewer batches are known than are remembered, and at least one that ends at or after `offset`: a snapshot tells one of each. */
  withFewBatches(offset: number): ProducerEntry[] {
    return Array.from(this.#producers.values()).filter(({ batches }) => {
      const last = batches.at(-1)
      return last !== undefined && last.lastOffset >= offset && batches.length < batchesRemembered
    })
  }

  /** Becomes what another one is, which nobody uses any more: the log that it speaks of is in another directory now. */
  replaceWith(other: ProducerState): void {
    this.#producers = new Map(other.#producers)
    this.transactions.replaceWith(other.transactions)
    this.endOffset = other.endOffset
  }

  /** What a snapshot at `endOffset` holds: the last batch of each producer. */
  snapshot(): ProducerSnapshotEntry[] {
    return Array.from(this.#producers.values(), entry => {
      const last = entry.batches.at(-1)
      return {
        producerId: entry.producerId,
        producerEpoch: entry.producerEpoch,
        lastSequence: last?.lastSequence ?? none,
        lastOffset: last?.lastOffset ?? none,
        offsetDelta: last?.offsetDelta ?? 0,
        timestamp: entry.lastTimestamp,
        coordinatorEpoch: entry.coordinatorEpoch,
        currentTransactionFirstOffset: entry.transactionFirstOffset,
      }
    })
  }

  private own(): Map<number, ProducerEntry> {
    if (this.#producers === nobody) this.#producers = new Map()
    return this.#producers as Map<number, ProducerEntry>
  }

  private entryOf(producerId: number): ProducerEntry {
    let entry = this.#producers.get(producerId)
    if (entry === undefined) {
      entry = {
        producerId,
        producerEpoch: noEpoch,
        coordinatorEpoch: none,
        lastTimestamp: none,
        transactionFirstOffset: none,
        batches: [],
      }
      this.own().set(producerId, entry)
    }
    return entry
  }
}

export function rememberedBatchAt(buffer: Uint8Array, position: number): RememberedBatch {
  return {
    lastSequence: lastSequenceAt(buffer, position),
    lastOffset: lastOffsetAt(buffer, position),
    offsetDelta: lastOffsetDeltaAt(buffer, position),
    timestamp: maxTimestampAt(buffer, position),
  }
}

/** A new epoch starts a new sequence: what the old one sent is forgotten. */
function setEpoch(entry: ProducerEntry, producerEpoch: number): void {
  if (entry.producerEpoch === producerEpoch) return
  entry.producerEpoch = producerEpoch
  entry.batches = []
}

function findDuplicate(entry: ProducerEntry, firstSequence: number, lastSequence: number): RememberedBatch | null {
  for (const batch of entry.batches) {
    if (batch.lastSequence !== lastSequence) continue
    if (decrementSequence(batch.lastSequence, batch.offsetDelta) === firstSequence) return batch
  }
  return null
}

function follows(lastSequence: number, nextSequence: number): boolean {
  return nextSequence === lastSequence + 1 || (nextSequence === 0 && lastSequence === maxSequence)
}

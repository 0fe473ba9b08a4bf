import type { CodecName } from '@millrace/protocol/compression/codec'
import { ErrorCode } from '@millrace/protocol/errors'
import { BatchCursor } from '@millrace/protocol/records/batch-cursor'
import { buildBatch } from '@millrace/protocol/records/batch-builder'
import { ControlType, parseControlKey } from '@millrace/protocol/records/control-record'
import { readMessage } from '@millrace/protocol/records/message-set'
import { readRecords, type ReadRecord } from '@millrace/protocol/records/record'
import { isControlAt, isTransactionalAt, producerIdAt } from '@millrace/protocol/records/record-batch'
import type { Deadlines } from '@millrace/runtime/deadline'
import type { Logger } from '@millrace/runtime/logger'
import type { Clock } from '@millrace/runtime/ports'
import type { LoadTurns } from './load-turns.ts'
import { Isolation, type Acks, type Partition } from '../replication/partition.ts'
import { PendingAppends } from './pending-appends.ts'

/** How an entry of a shard lies in its log. */
export interface RecordFormat<Entry> {
  /** A short cut for batches without a codec, to the same bytes; null: not for these. */
  plainBatch(entries: readonly Entry[], timestamp: number): Buffer | null
  encode(entry: Entry): { readonly key: Buffer; readonly value: Buffer | null }
  /** Null: a record of a kind that this shard does not know, which it leaves alone. Throws MalformedMessage. */
  decode(key: Buffer, value: Buffer | null): Entry | null
}

export interface ShardRuntimeOptions<Entry> {
  readonly partition: Partition
  readonly format: RecordFormat<Entry>
  /** What batches are compressed with. */
  readonly codec: CodecName
  readonly clock: Clock
  /** Shared with the other shards of this broker. */
  readonly loadTurns: LoadTurns
  readonly deadlines: Deadlines
  readonly logger: Logger
  readonly acks: Acks
  /** How long whoever waits for a write is kept waiting. */
  readonly writeTimeoutMs: number
  /** Bytes that are read and replayed before everything else gets a turn. */
  readonly sliceBytes: number
  /** The only way to the state: each committed entry, in the order of the log, and what time it is. */
  readonly replay: (entry: Entry, wallMs: number) => void
  /** As `replay`, for entries that count only once the transaction of this producer is committed (KIP-98). */
  readonly replayInTransaction: (producerId: number, entry: Entry, wallMs: number) => void
  readonly endTransaction: (producerId: number, outcome: 'commit' | 'abort', wallMs: number) => void
  /** After the last replay of a load, once per turn until it answers true. */
  readonly finishLoading: () => boolean
}

/** Larger reads would hold up everybody else: 128 KiB are about 1,500 offsets, some milliseconds. */
const sliceBytesMax = 128 * 1024
/** Batches are as large as the log takes them. */
const readBytesMax = 64 * 1024 * 1024

/**
 * Runs one shard on one partition of an internal topic that this broker leads: append, wait for the commit, replay. An entry that was
 * refused or lost with the leadership was never part of the state, so there is nothing to undo.
 */
export class ShardRuntime<Entry> {
  readonly partition: Partition
  readonly #options: ShardRuntimeOptions<Entry>
  readonly #appends: PendingAppends<Entry>
  #phase: 'loading' | 'active' | 'resigned' = 'loading'

  constructor(options: ShardRuntimeOptions<Entry>) {
    this.#options = options
    this.partition = options.partition
    const { clock, deadlines, writeTimeoutMs } = options
    const onCommitted = this.#onCommitted.bind(this)
    this.#appends = new PendingAppends({ clock, deadlines, writeTimeoutMs, onCommitted })
  }

  get phase(): 'loading' | 'active' | 'resigned' {
    return this.#phase
  }

  /** Replays the log, in slices. False when it resigned meanwhile. Throws what the disk does. */
  async load(): Promise<boolean> {
    const { partition } = this
    const { loadTurns, sliceBytes } = this.#options
    const maxBytes = Math.min(sliceBytes, sliceBytesMax)
    let fetchOffset = partition.log.logStartOffset
    for (;;) {
      await loadTurns.next()
      if (this.#phase !== 'loading' || !partition.isLeader) return false
      const isolation = Isolation.replica
      const batches = partition.read({ fetchOffset, maxBytes, isolation, minOneBatch: true })
      if (batches === null) {
        if (!this.#options.finishLoading()) continue
        this.#phase = 'active'
        return true
      }
      try {
        this.#replayBytes(batches.bytes, fetchOffset)
      } finally {
        batches.release()
      }
      fetchOffset = batches.nextOffset
    }
  }

  /** Appends all or none; `onEnd` is told NONE after the entries were replayed, or why not. It may be called before this returns. */
  append(entries: readonly Entry[], onEnd: (errorCode: ErrorCode) => void): void {
    if (this.#phase !== 'active') {
      onEnd(ErrorCode.NOT_LEADER_OR_FOLLOWER)
      return
    }
    const { clock, format, codec, acks } = this.#options
    const timestamp = clock.wallMs()
    const batch = (codec === 'none' ? format.plainBatch(entries, timestamp) : null) ?? this.#batchOf(entries, timestamp)
    // 11: the newest Produce; only what clients may send with it is checked.
    const outcome = this.partition.append(batch, { acks, apiVersion: 11, nowMs: timestamp })
    if (!outcome.ok) {
      onEnd(outcome.errorCode as ErrorCode)
      return
    }
    const append = this.#appends.add(entries, onEnd)
    const endOffset = outcome.lastOffset + 1
    if (acks === -1) this.partition.whenCommitted(endOffset, append, 0)
    else this.partition.whenWritten(endOffset, append, 0)
  }

  /** Somebody else leads. Nothing is replayed any more; those who wait are told. */
  resign(): void {
    this.#phase = 'resigned'
    this.#appends.failAll(ErrorCode.NOT_LEADER_OR_FOLLOWER)
  }

  #batchOf(entries: readonly Entry[], timestamp: number): Buffer {
    const { format, codec } = this.#options
    return buildBatch(
      entries.map(entry => ({ timestamp, ...format.encode(entry) })),
      { codec },
    )
  }

  #onCommitted(entries: readonly Entry[], errorCode: ErrorCode): void {
    // Too few replicas noticed too late: the entries are in the log all the same.
    const isInLog = errorCode === ErrorCode.NONE || errorCode === ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND
    if (!isInLog || this.#phase !== 'active') return
    const { clock, replay } = this.#options
    const wallMs = clock.wallMs()
    for (const entry of entries) replay(entry, wallMs)
  }

  #replayBytes(bytes: Buffer, fetchOffset: number): void {
    const cursor = new BatchCursor(bytes)
    const { endTransaction, clock } = this.#options
    const wallMs = clock.wallMs()
    while (cursor.next()) {
      const { position, magic } = cursor
      if (magic < 2) {
        for (const record of readMessage(bytes, position, readBytesMax))
          this.#replayRecord(record, fetchOffset, null, wallMs)
        continue
      }
      const producerId = producerIdAt(bytes, position)
      const records = readRecords(bytes, position, readBytesMax)
      if (isControlAt(bytes, position)) {
        const type = parseControlKey(records[0]?.key ?? null)?.type
        if (type === ControlType.Commit) endTransaction(producerId, 'commit', wallMs)
        else if (type === ControlType.Abort) endTransaction(producerId, 'abort', wallMs)
        continue
      }
      const transactionOf = isTransactionalAt(bytes, position) ? producerId : null
      for (const record of records) this.#replayRecord(record, fetchOffset, transactionOf, wallMs)
    }
  }

  #replayRecord(record: ReadRecord, fetchOffset: number, transactionOf: number | null, wallMs: number): void {
    // Each look at the key makes a view of it.
    const { key } = record
    if (record.offset < fetchOffset || key === null) return
    const entry = this.#options.format.decode(key, record.value)
    if (entry === null) return
    if (transactionOf === null) this.#options.replay(entry, wallMs)
    else this.#options.replayInTransaction(transactionOf, entry, wallMs)
  }
}

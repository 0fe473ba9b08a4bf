import { ErrorCode } from '@millrace/protocol/errors'
import type { AbortedTransaction, PartitionData } from '@millrace/protocol/messages/01-fetch'
import { fetchPosition } from '../core/partition/fetch-position.ts'
import type { FetchedPartition, FetchPartition } from '../core/partition/fetch-partition.ts'
import type { FetchedBatches } from '../log/batch-reader.ts'
import { OffsetOutOfRange } from '../log/log-errors.ts'
import { Isolation, type Partition } from '../replication/partition.ts'
import type { Partitions } from '../replication/partitions.ts'
import type { ReplicationThrottle } from '../replication/replication-throttle.ts'
import { noLeader } from './leader-endpoints.ts'

/** What holds for every partition of one Fetch request. */
export interface FetchTerms {
  /** Below 0: a consumer. */
  readonly replicaId: number
  /** Which life of that replica's broker asks (KIP-903); -1: it does not say. */
  readonly replicaEpoch: number
  readonly apiVersion: number
  readonly mustLead: boolean
  readonly isolation: Isolation
  /** For the whole answer. */
  readonly maxBytes: number
  /** Followers that are not in sync may have to wait (KIP-73); null: nobody does. */
  readonly throttle: Pick<ReplicationThrottle, 'holds' | 'note'> | null
  /** Null: consumers read from whom they asked. Else answers the replica nearest to this consumer (KIP-392). */
  readonly nearest: ((partition: Partition, fetchOffset: number) => number) | null
}

const noRecords = Buffer.alloc(0)
const noEpoch = Object.freeze({ epoch: -1, endOffset: -1 })
const noSnapshot = Object.freeze({ endOffset: -1, epoch: -1 })

/** One partition of a Fetch request: what was asked and what was found. */
export class PartitionFetch implements FetchedPartition {
  readonly asked: FetchPartition
  private readonly terms: FetchTerms
  private readonly partitions: Partitions
  /** Null: not here, or not ours to serve; `errorCode` says why. */
  partition: Partition | null = null
  errorCode: ErrorCode = ErrorCode.NONE
  highWatermark = -1
  lastStableOffset = -1
  logStartOffset = -1
  /** Whom this consumer is sent to instead; -1: nobody. */
  preferredReadReplica = -1
  private diverging: { epoch: number; endOffset: number } = noEpoch
  private aborted: AbortedTransaction[] | null = null
  private batches: FetchedBatches | null = null
  private firstSize = 0
  private isBehind = false
  /** Where the log ended when it was read. */
  private logEndOffset = -1
  /** The read ended before the data did (a limit, a segment): waiting would bring nothing. */
  hasMore = false

  constructor(asked: FetchPartition, terms: FetchTerms, partitions: Partitions) {
    this.asked = asked
    this.terms = terms
    this.partitions = partitions
  }

  get recordsSize(): number {
    return this.batches?.bytes.length ?? 0
  }

  /** What the first read found: a second one finds no less. */
  get firstReadSize(): number {
    return this.firstSize
  }

  /** The log held records at the first read that this reader may not see before they are committed. */
  get wasBehindLog(): boolean {
    return this.isBehind
  }

  /** Bytes that a read would find now, at the price of one. */
  measure(): number {
    const { fetchOffset, maxBytes } = this.asked
    const { isolation } = this.terms
    try {
      const batches = this.partition?.read({ fetchOffset, maxBytes, isolation, minOneBatch: true }) ?? null
      batches?.release()
      return batches?.bytes.length ?? 0
    } catch {
      // Out of range or out of order: the read that answers will find the same, and say it.
      return maxBytes
    }
  }

  /** Exclusive end of what this reader may see now. */
  endOffset(): number {
    return this.partition?.endOffsetFor(this.terms.isolation) ?? -1
  }

  get isDiverging(): boolean {
    return this.diverging !== noEpoch
  }

  /** The code that a fetch of this partition would be refused with now; NONE: it would be served. */
  refusal(): ErrorCode {
    const found = this.find()
    return typeof found === 'number' ? found : ErrorCode.NONE
  }

  /** Read to the end of what this reader may see. */
  get isServed(): boolean {
    if (this.partition === null || this.errorCode !== ErrorCode.NONE || this.isDiverging || this.hasMore) return false
    return this.batches !== null || this.endOffset() <= this.asked.fetchOffset
  }

  /** Reads once. `minOneBatch`: nothing was found before it in this answer, so the first batch may exceed every limit. */
  read(remainingBytes: number, minOneBatch: boolean): void {
    const found = this.find()
    if (typeof found === 'number') return this.fail(found)
    this.partition = found
    this.tie(found)
    // Before the read, so that the answer never claims less than its records show and never more than was true.
    const offsets = found.offsets()
    const { fetchOffset, lastFetchedEpoch } = this.asked
    const { leaderEpochs } = found.log
    const position = fetchPosition({ fetchOffset, lastFetchedEpoch, leaderEpochs, ...offsets })
    if (position === 'out-of-range') return this.fail(ErrorCode.OFFSET_OUT_OF_RANGE)
    this.highWatermark = offsets.highWatermark
    this.lastStableOffset = offsets.lastStableOffset
    this.logStartOffset = offsets.logStartOffset
    if (position !== 'in-range') {
      // The reader followed another history: it is told where ours leaves it, instead of records (KIP-595).
      this.diverging = { epoch: position.leaderEpoch, endOffset: position.endOffset }
      return
    }
    this.logEndOffset = offsets.logEndOffset
    if (this.terms.nearest !== null && this.isBetterReadElsewhere(found, this.terms.nearest)) return
    this.isBehind = found.endOffsetFor(this.terms.isolation) < offsets.logEndOffset
    this.readRecords(found, Math.min(this.asked.maxBytes, remainingBytes), minOneBatch)
  }

  /** Tells the leader's side how far this replica is. Not for a read that failed: its offset means nothing. */
  tellLeader(): void {
    if (this.partition === null || this.errorCode !== ErrorCode.NONE || this.isDiverging) return
    const { replicaId: brokerId, replicaEpoch: brokerEpoch } = this.terms
    const { fetchOffset, logStartOffset } = this.asked
    const note = this.partition.onFollowerFetch(
      { brokerId, brokerEpoch, fetchOffset, logStartOffset },
      this.logEndOffset,
    )
    // From an earlier life of that broker: what it holds is not what the present one holds.
    if (note === 'stale') {
      this.release()
      this.fail(ErrorCode.NOT_LEADER_OR_FOLLOWER)
    }
  }

  row(): PartitionData {
    return {
      partitionIndex: this.asked.partition,
      errorCode: this.errorCode,
      highWatermark: this.highWatermark,
      lastStableOffset: this.lastStableOffset,
      logStartOffset: this.logStartOffset,
      divergingEpoch: this.diverging,
      currentLeader: noLeader,
      snapshotId: noSnapshot,
      abortedTransactions: this.aborted,
      preferredReadReplica: this.preferredReadReplica,
      records: this.batches?.bytes ?? noRecords,
    }
  }

  /** What leaves counts for those that are throttled. */
  noteTraffic(): void {
    if (this.partition !== null) this.terms.throttle?.note(this.partition, this.recordsSize)
  }

  /** Gives the bytes back to the log: they were sent, or will be read again. */
  release(): void {
    this.batches?.release()
    this.batches = null
  }

  private isBetterReadElsewhere(
    partition: Partition,
    nearest: (partition: Partition, fetchOffset: number) => number,
  ): boolean {
    if (!partition.isLeader) return false
    const brokerId = nearest(partition, this.asked.fetchOffset)
    if (brokerId === partition.leaderId) return false
    this.preferredReadReplica = brokerId
    return true
  }

  /** From now on the follower's session hears of what happens to this partition. */
  private tie(found: Partition): void {
    const { interest } = this.asked
    if (interest === null || interest.tie?.source === found) return
    interest.tie?.end()
    const tie = { onPartitionChanged: () => interest.onNews() }
    found.fetchWaiters.tie(tie)
    interest.tie = { source: found, end: () => found.fetchWaiters.untie(tie) }
  }

  private find(): Partition | ErrorCode {
    return findPartition(this.asked, this.terms, this.partitions)
  }

  private readRecords(partition: Partition, maxBytes: number, minOneBatch: boolean): void {
    const { isolation, apiVersion } = this.terms
    const { fetchOffset } = this.asked
    const isCommitted = isolation === Isolation.readCommitted
    if (isCommitted) this.aborted = []
    // Only where the topic says so. What producers sent is not looked at, as in Kafka: clients that know zstd and not v10 (aiokafka) read it.
    if (apiVersion < 10 && partition.log.settings.compressionType === 'zstd') {
      return this.fail(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE)
    }
    if ((maxBytes <= 0 && !minOneBatch) || isHeldBack(partition, this.terms)) return
    try {
      this.batches = partition.read({ fetchOffset, maxBytes, isolation, minOneBatch })
    } catch (error) {
      if (error instanceof OffsetOutOfRange) return this.fail(ErrorCode.OFFSET_OUT_OF_RANGE)
      if (partition.log.isOffline) return this.fail(ErrorCode.KAFKA_STORAGE_ERROR)
      throw error
    }
    if (this.batches === null) return
    this.firstSize = this.batches.bytes.length
    this.hasMore = this.batches.nextOffset < partition.endOffsetFor(isolation)
    if (isCommitted) this.aborted = partition.log.abortedTransactions(fetchOffset, this.batches.nextOffset)
  }

  private fail(errorCode: ErrorCode): void {
    this.errorCode = errorCode
    this.highWatermark = -1
    this.lastStableOffset = -1
    this.logStartOffset = -1
    this.aborted = null
  }
}

/** What a read of this partition would find now. Cheaper than one. */
export function newsOf(
  asked: FetchPartition,
  terms: FetchTerms,
  partitions: Partitions,
): 'nothing' | 'records' | 'error' {
  const found = findPartition(asked, terms, partitions)
  if (typeof found === 'number') return 'error'
  const endOffset = found.endOffsetFor(terms.isolation)
  return endOffset === asked.fetchOffset || isHeldBack(found, terms) ? 'nothing' : 'records'
}

function findPartition(asked: FetchPartition, terms: FetchTerms, partitions: Partitions): Partition | ErrorCode {
  const { topic, partition, currentLeaderEpoch } = asked
  if (topic === null) return ErrorCode.UNKNOWN_TOPIC_ID
  const { replicaId, mustLead, apiVersion } = terms
  const found = partitions.get(topic, partition, currentLeaderEpoch, mustLead)
  if (typeof found === 'number') {
    // Fetch knows the storage error since v6; before, another leader is the better hint.
    return found === ErrorCode.KAFKA_STORAGE_ERROR && apiVersion <= 5 ? ErrorCode.NOT_LEADER_OR_FOLLOWER : found
  }
  if (replicaId >= 0 && !found.isReplica(replicaId)) {
    return currentLeaderEpoch >= 0 ? ErrorCode.UNKNOWN_LEADER_EPOCH : ErrorCode.NOT_LEADER_OR_FOLLOWER
  }
  if (asked.topicId !== zeroTopicId && found.topicId !== null && found.topicId !== asked.topicId) {
    return ErrorCode.INCONSISTENT_TOPIC_ID
  }
  return found
}

function isHeldBack(partition: Partition, { throttle, replicaId }: FetchTerms): boolean {
  return throttle !== null && !partition.inSyncReplicas.includes(replicaId) && throttle.holds(partition)
}

const zeroTopicId = 'AAAAAAAAAAAAAAAAAAAAAA'

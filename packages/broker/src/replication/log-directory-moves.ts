import { ErrorCode } from '@millrace/protocol/errors'
import { isTooLongToMove } from '@millrace/protocol/storage/file-names'
import type { Logger } from '@millrace/runtime/logger'
import { assert } from '@millrace/runtime/invariant'
import type { Clock, Timer, Timers } from '@millrace/runtime/ports'
import { FutureLogCopy } from '../core/log/future-log-copy.ts'
import { judgeLogDirectoryChange } from '../core/partition/log-directory-change.ts'
import { SampledRate } from '../core/partition/sampled-rate.ts'
import type { LogDirectories } from '../log/log-directories.ts'
import { DirectoryOffline, UnexpectedAppendOffset } from '../log/log-errors.ts'
import type { PartitionLog } from '../log/partition-log.ts'
import { isStorageFailure } from '../log/storage-failure.ts'
import type { Partition } from './partition.ts'

export interface LogDirectoryMovesOptions {
  readonly logs: LogDirectories
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: Logger
  /** `replica.alter.log.dirs.io.max.bytes.per.second`, of all moves together; dynamic. */
  readonly bytesPerSecond: () => number
  /** `num.replica.alter.log.dirs.threads`: copied at the same time; the others wait. */
  readonly movesAtOnce: number
  /** `alter.log.dirs.replication.quota.window.size.seconds` and `alter.log.dirs.replication.quota.window.num` */
  readonly windowMs: number
  readonly windowCount: number
  readonly onFatal: (error: Error) => void
  /** Read and written at once: about a millisecond by default, which requests wait for. */
  readonly sliceBytes?: number
}

const defaultSliceBytes = 512 * 1024
/** Of what was appended while the rest was copied: the last few, in the turn of the swap. */
const slicesAtSwap = 4
/** How often a move that has had its share looks again. */
const throttledPauseMs = 100

interface Move {
  readonly partition: Partition
  readonly from: PartitionLog
  readonly to: PartitionLog
  readonly copy: FutureLogCopy
  isPrepared: boolean
  isOver: boolean
}

/**
 * Replicas on their way to another directory of this broker (KIP-113). What comes next is decided by core/log/future-log-copy.ts; here
 * it is carried out, a slice per turn, while the partition goes on as leader or follower: it notices nothing but, at the end, another log
 * with the same records.
 */
export class LogDirectoryMoves {
  private readonly options: LogDirectoryMovesOptions
  private readonly rate: SampledRate
  private readonly sliceBytes: number
  /** In the order they came. */
  private readonly moves = new Map<Partition, Move>()
  private readonly running = new Set<Move>()
  private readonly pauses = new Map<Timer, () => void>()
  private isClosed = false

  constructor(options: LogDirectoryMovesOptions) {
    this.options = options
    this.rate = new SampledRate(options)
    this.sliceBytes = options.sliceBytes ?? defaultSliceBytes
  }

  /** Moves under way, those that wait for others included. */
  get count(): number {
    return this.moves.size
  }

  /** AlterReplicaLogDirs for one partition; `hosted` is what this broker has of it. */
  alter(change: {
    readonly topic: string
    readonly partition: number
    readonly directory: string
    readonly hosted: Partition | undefined
    readonly isPartitionKnown: boolean
  }): ErrorCode {
    const { topic, partition, directory, hosted } = change
    const { logs, logger } = this.options
    const isOffline = hosted !== undefined && (hosted.isOffline || !hosted.hasLog)
    const verdict = judgeLogDirectoryChange({
      directory,
      target: logs.stateOf(directory),
      isAnyOffline: logs.hasOffline,
      isNameTooLong: isTooLongToMove(topic, partition),
      replica: hosted === undefined ? 'absent' : isOffline ? 'offline' : 'online',
      isPartitionKnown: change.isPartitionKnown,
      currentDirectory: logs.get(topic, partition)?.directory ?? null,
      futureDirectory: logs.futureOf(topic, partition)?.directory ?? null,
    })
    const { errorCode } = verdict
    if (verdict.isMoveCancelled) {
      logger.info('move between log directories cancelled', { topic, partition })
      this.cancel(hosted!)
    }
    if (verdict.isRemembered) logs.prefer(topic, partition, directory)
    if (!verdict.begins) return errorCode
    try {
      logs.createFuture(directory, { topic, partition, topicId: hosted!.topicId })
    } catch (error) {
      if (!(error instanceof DirectoryOffline) && !isStorageFailure(error)) throw error
      logger.warn('move between log directories cannot begin', { topic, partition, directory, error: error.message })
      return ErrorCode.KAFKA_STORAGE_ERROR
    }
    this.begin(hosted!, true)
    return errorCode
  }

  /** The partition has a role, and goes on with the move that a former life of the broker, or of the role, began. */
  resume(partition: Partition): void {
    const { logs, logger } = this.options
    const future = logs.futureOf(partition.topic, partition.partition)
    if (future === undefined || this.moves.has(partition) || partition.isOffline) return
    const isOfAnotherTopic = future.topicId !== null && future.topicId !== partition.topicId
    if (isOfAnotherTopic || future.directory === partition.log.directory) {
      logger.warn('copy of a log does not belong to it, and goes', { path: future.path, log: partition.log.path })
      logs.discardFuture(partition.topic, partition.partition)
      return
    }
    this.begin(partition, false)
  }

  /** Nothing is copied any more when this returns. The copy stays, until `resume` or until it is deleted with the log. */
  stop(partition: Partition): void {
    const move = this.moves.get(partition)
    if (move !== undefined) this.end(move)
  }

  close(): void {
    this.isClosed = true
    for (const move of [...this.moves.values()]) this.end(move)
    for (const [timer, resolve] of this.pauses) {
      timer.cancel()
      resolve()
    }
    this.pauses.clear()
  }

  private cancel(partition: Partition): void {
    this.stop(partition)
    this.options.logs.discardFuture(partition.topic, partition.partition)
  }

  private begin(partition: Partition, isNew: boolean): void {
    if (this.isClosed) return
    const { logs, logger } = this.options
    const { topic, partition: index, log: from } = partition
    const to = logs.futureOf(topic, index)!
    const move: Move = {
      partition,
      from,
      to,
      isPrepared: false,
      isOver: false,
      copy: new FutureLogCopy({ current: from, future: to, isNew }),
    }
    this.moves.set(partition, move)
    to.attach({
      endOffsetAdvanced: () => {},
      failed: error => {
        logger.error('move between log directories failed', { ...namesOf(move), error: error.message })
        this.end(move)
      },
    })
    logger.info('moving to another log directory', { ...namesOf(move), copied: to.logEndOffset, of: from.logEndOffset })
    this.startWaiting()
  }

  private end(move: Move): void {
    if (move.isOver) return
    move.isOver = true
    this.moves.delete(move.partition)
    this.running.delete(move)
    this.startWaiting()
  }

  private startWaiting(): void {
    if (this.isClosed) return
    for (const move of this.moves.values()) {
      if (this.running.size >= Math.max(1, this.options.movesAtOnce)) return
      if (this.running.has(move)) continue
      this.running.add(move)
      this.run(move).catch(this.options.onFatal)
    }
  }

  private async run(move: Move): Promise<void> {
    for (;;) {
      // Requests first; and whoever began the move has its answer.
      await this.endOfTurn()
      if (move.isOver) return
      if (isBroken(move)) return this.end(move)
      try {
        await this.carryOut(move)
      } catch (error) {
        if (error instanceof UncopyableLog) this.giveUp(move, error)
        // The directory has told its logs already that it failed.
        else if (isStorageFailure(error) || error instanceof DirectoryOffline) this.end(move)
        else throw error
      }
    }
  }

  private async carryOut(move: Move): Promise<void> {
    const { from, to, copy } = move
    const step = copy.next()
    switch (step.kind) {
      case 'restart':
        return to.truncateFullyAndStartAt(step.startOffset)
      case 'truncate':
        return to.truncateTo(step.endOffset)
      case 'skip':
        return to.skipTo(step.endOffset)
      case 'flush':
        await to.flushAsync()
        return copy.onFlushed()
      case 'copy':
        if (this.isThrottled()) return this.pause(throttledPauseMs)
        await from.prefetch(step.fetchOffset, this.sliceBytes)
        if (move.isOver || isBroken(move)) return
        this.copySlices(move)
        if (to.nextOffset === from.logEndOffset) await this.maybeSwap(move)
        return
      case 'swap':
        return this.maybeSwap(move)
    }
  }

  private copySlices(move: Move): void {
    const { from, to, copy } = move
    const sizes = { remainingBytes: from.size - to.size, sliceBytes: this.sliceBytes }
    for (let slices = copy.slicesInTurn(sizes); slices > 0; slices--) {
      if (!this.copySlice(move) || isBroken(move) || this.isThrottled()) return
    }
  }

  /** False: there is something else to do first. */
  private copySlice(move: Move): boolean {
    const { from, to, copy, partition } = move
    // The log may have been cut since it was decided what to copy.
    const step = copy.next()
    if (step.kind !== 'copy') return false
    const batches = from.read({ ...step, maxBytes: this.sliceBytes, minOneBatch: true })
    if (batches === null) {
      copy.onNothingLeft()
      return false
    }
    try {
      const { firstOffset, bytes } = batches
      const isFirst = to.nextOffset === to.logStartOffset
      // The log may begin inside a batch, which comes as a whole.
      if (isFirst && firstOffset < step.fetchOffset) to.truncateFullyAndStartAt(firstOffset)
      const outcome = to.appendAsFollower(bytes, this.options.clock.wallMs())
      if (outcome.ok) to.commit()
      if (to.isOffline) return false
      if (!outcome.ok) throw new UncopyableLog(outcome.errorCode, step.fetchOffset)
      copy.onCopied(bytes.length)
      this.rate.record(bytes.length, this.options.clock.monotonicMs())
    } catch (error) {
      if (!(error instanceof UnexpectedAppendOffset)) throw error
      this.options.logger.warn('copy of a log does not fit, and begins anew', namesOf(move))
      copy.onOverlap()
      return false
    } finally {
      batches.release()
    }
    to.setHighWatermark(partition.highWatermark)
    to.deleteRecordsBefore(from.logStartOffset)
    return true
  }

  /** When all is prepared, in one turn: what waits to be written is written, announced and copied, then the logs change places. */
  private async maybeSwap(move: Move): Promise<void> {
    const { partition, from, to, copy } = move
    from.commit()
    for (let slices = slicesAtSwap; slices > 0 && !isBroken(move); slices--) if (!this.copySlice(move)) break
    if (move.isOver || isBroken(move) || copy.next().kind !== 'swap') return
    if (!move.isPrepared) {
      // What is appended meanwhile is copied first.
      move.isPrepared = true
      return this.options.logs.prepareFuture(partition.topic, partition.partition)
    }
    assert(to.nextOffset === from.nextOffset, 'everything that was appended is copied')
    const promoted = this.options.logs.promoteFuture(partition.topic, partition.partition)
    this.end(move)
    if (promoted === null) return
    partition.replaceLog(promoted)
    this.options.logger.info('moved to another log directory', namesOf(move))
  }

  /** What it should copy cannot be read: the replica stays where it is. */
  private giveUp(move: Move, { offset, errorCode }: UncopyableLog): void {
    this.options.logger.error('log cannot be moved', { ...namesOf(move), offset, errorCode })
    this.cancel(move.partition)
  }

  private isThrottled(): boolean {
    return this.rate.perSecond(this.options.clock.monotonicMs()) > this.options.bytesPerSecond()
  }

  private pause(ms: number): Promise<void> {
    return new Promise(resolve => {
      const timer = this.options.timers.after(ms, () => {
        this.pauses.delete(timer)
        resolve()
      })
      this.pauses.set(timer, resolve)
    })
  }

  private endOfTurn(): Promise<void> {
    return new Promise(resolve => this.options.timers.soon(resolve))
  }
}

/** A batch of the log is damaged, or of a format that is not written any more. */
class UncopyableLog extends Error {
  override readonly name = 'UncopyableLog'
  readonly errorCode: number
  readonly offset: number

  constructor(errorCode: number, offset: number) {
    super(`error ${errorCode} at offset ${offset}`)
    this.errorCode = errorCode
    this.offset = offset
  }
}

/** Its source or its target failed. */
function isBroken({ partition, from, to }: Move): boolean {
  return partition.isOffline || from.isOffline || to.isOffline
}

function namesOf({ partition: { topic, partition }, from, to }: Move): {
  topic: string
  partition: number
  from: string
  to: string
} {
  return { topic, partition, from: from.directory, to: to.directory }
}

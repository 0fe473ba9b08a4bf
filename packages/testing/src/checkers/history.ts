/**
 * What a load called and what it was answered, one operation per call. Times are monotonic milliseconds of one clock that all
 * writers of a history share (`clock.monotonicMs`, Python's `time.monotonic() * 1000`: CLOCK_MONOTONIC on Linux).
 */
export type Operation = Send | Poll

/**
 * One attempt to write one value to one partition of the topic. A value that is sent again is a second `Send` of the same
 * `value`; so a value is written at most as often as it has attempts that did not fail.
 */
export interface Send {
  readonly type: 'send'
  /** Who sent it: the order of one process's sends counts when it is `ordered`. */
  readonly process: string
  readonly partition: number
  /** Unique in the history. */
  readonly value: string
  readonly startMs: number
  readonly endMs: number
  /** `failed`: certainly not written. `unknown`: no answer, or one that leaves it open. */
  readonly result: SendResult
  /** As acknowledged; null: not acknowledged, or the answer did not say. */
  readonly offset: number | null
  /** -1: all in-sync replicas; 1: the leader alone. */
  readonly acks: number
  /** The producer promises its order and no duplicates (enable.idempotence): retries are its own affair. */
  readonly ordered: boolean
  /** Sends of one transaction share it; its outcome is that of each of its sends. */
  readonly transaction?: string
}
export type SendResult = 'ok' | 'failed' | 'unknown'

/** One answer to a reader, of one partition. */
export interface Poll {
  readonly type: 'poll'
  readonly process: string
  readonly partition: number
  readonly startMs: number
  readonly endMs: number
  /** In the order of the answer; all of them were shown to consumers. */
  readonly records: readonly ReadRecord[]
  /** The reader went somewhere else before this poll: nothing follows from the one before. */
  readonly seek?: boolean
  /** Of the reading of everything at the end: what no such poll shows is not there any more. */
  readonly isFinal?: boolean
  /** Asked for this offset. */
  readonly fetchOffset?: number
  /** The leader epoch that the request named: the answer came from the leader of that epoch. Absent: from any replica. */
  readonly leaderEpoch?: number
  /** `highWatermark` of the answer. */
  readonly highWatermark?: number
  /** The leader of `leaderEpoch` has no such offset. */
  readonly outOfRange?: boolean
}

/** Offset, value, leader epoch of the batch (-1: not known). A value that is not what somebody sent in full is `torn:…`. */
export type ReadRecord = readonly [offset: number, value: string, leaderEpoch: number]

export function isTorn(value: string): boolean {
  return value.startsWith('torn:')
}

/** One operation per line. Throws SyntaxError with the line's number. */
export function parseHistory(text: string): Operation[] {
  return text.split('\n').flatMap((line, index) => {
    if (line === '') return []
    try {
      return [JSON.parse(line) as Operation]
    } catch (error) {
      throw new SyntaxError(`history, line ${index + 1}: ${String(error)}`, { cause: error })
    }
  })
}

export function formatOperation(operation: Operation): string {
  return `${JSON.stringify(operation)}\n`
}

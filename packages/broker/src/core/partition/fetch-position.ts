import type { EpochEndOffset, LeaderEpochCache } from '../log/leader-epoch-cache.ts'

/** Where a reader stands in this replica's history: on it, off it, or outside of what is kept. */
export type FetchPosition = 'in-range' | 'out-of-range' | EpochEndOffset

/**
 * Judges the position of a fetch before anything is read (KIP-595). `lastFetchedEpoch` is the epoch of the record before
 * `fetchOffset` in the reader's log, -1 when it has none or does not say. When that epoch ended earlier here, or was never
 * here, the answer is where our history leaves the reader's: it has to truncate to there and ask again.
 *
 * A position that is not `in-range` proves nothing about what the reader holds: the leader must not note it.
 */
export function fetchPosition(options: {
  readonly fetchOffset: number
  readonly lastFetchedEpoch: number
  readonly logStartOffset: number
  readonly logEndOffset: number
  readonly leaderEpochs: Pick<LeaderEpochCache, 'endOffsetFor'>
}): FetchPosition {
  const { fetchOffset, lastFetchedEpoch, logStartOffset, logEndOffset, leaderEpochs } = options
  if (lastFetchedEpoch >= 0) {
    const end = leaderEpochs.endOffsetFor(lastFetchedEpoch, logEndOffset)
    if (end.endOffset < 0 || fetchOffset < logStartOffset) return 'out-of-range'
    if (end.leaderEpoch < lastFetchedEpoch || end.endOffset < fetchOffset) return end
  }
  return fetchOffset < logStartOffset || fetchOffset > logEndOffset ? 'out-of-range' : 'in-range'
}

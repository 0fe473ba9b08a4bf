import { strict as assert } from 'node:assert'
import type { Machines } from './machines.ts'

/** A log of random epochs, judged record by record. */
export function checkPositions({ LeaderEpochCache, fetchPosition }: Machines, seed: number): void {
  let state = seed * 7919
  const below = (end: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 0x1_0000_0000) * end)
  }
  const cache = new LeaderEpochCache()
  const epochs: number[] = []
  let epoch = below(3)
  for (let count = below(8); count > 0; count--) {
    cache.assign(epoch, epochs.length)
    epochs.push(epoch)
    epoch += below(3)
  }
  if (below(2) === 0) {
    const end = below(epochs.length + 1)
    epochs.length = end
    cache.truncateFromEnd(end)
  }
  // The leader's own epoch, in which nothing is written yet.
  const own = (epochs.at(-1) ?? 0) + 1 + below(2)
  cache.assign(own, epochs.length)
  const logEndOffset = epochs.length
  for (let asked = 0; asked <= own + 1; asked++) {
    const found = cache.endOffsetFor(asked, logEndOffset)
    const known = [...epochs, own].filter(each => each <= asked)
    const end = epochs.filter(each => each <= asked).length
    if (asked > own) assert.deepEqual(found, { leaderEpoch: -1, endOffset: -1 }, `seed ${seed}`)
    else assert.deepEqual(found, { leaderEpoch: known.at(-1) ?? asked, endOffset: end }, `seed ${seed}, epoch ${asked}`)
    for (let fetchOffset = 0; fetchOffset <= logEndOffset + 2; fetchOffset++) {
      const position = fetchPosition({
        fetchOffset,
        lastFetchedEpoch: asked,
        logStartOffset: 0,
        logEndOffset,
        leaderEpochs: cache,
      })
      const isKnown = known.length > 0 && known.at(-1) === asked
      if (asked > own) assert.equal(position, 'out-of-range', `seed ${seed}`)
      else if (isKnown && fetchOffset <= end) assert.equal(position, 'in-range', `seed ${seed}`)
      // Below the oldest epoch that is kept nothing can be said against a reader at or before it.
      else if (known.length > 0 || fetchOffset > end)
        assert.deepEqual(position, found, `seed ${seed}, ${asked}@${fetchOffset}`)
    }
  }
  const blind = (fetchOffset: number): unknown =>
    fetchPosition({ fetchOffset, lastFetchedEpoch: -1, logStartOffset: 1, logEndOffset: 3, leaderEpochs: cache })
  assert.deepEqual([0, 1, 3, 4].map(blind), ['out-of-range', 'in-range', 'in-range', 'out-of-range'])
}
